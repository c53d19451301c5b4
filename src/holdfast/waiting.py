"""Values that wait for their digests, where the triggers of a database cannot make them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.base import Dialect
from holdfast.inventory import Inventory
from holdfast.objects import Protection
from holdfast.policies import Audit, find
from holdfast.tables import TableName

_AT_ONCE = 200
"""In one transaction: writers wait for no longer than that takes."""


def waiting(connection: Connection, dialect: Dialect) -> int:
    """How many values wait; where digests are made as changes are recorded, none ever does."""
    query = dialect.waiting()
    return int(execute(connection, query)[0][0]) if query is not None else 0


def digest_waiting(connection: Connection, dialect: Dialect) -> int:
    """Puts digests in the place of the values that wait now, in transactions of its own; gives how many there were.

    A run that is killed leaves every value either as it was or as its digest, and the next one goes on.
    """
    with connection.begin():
        found = waiting(connection, dialect)
    for _ in range(0, found, _AT_ONCE):
        with connection.begin():
            for statement in dialect.digest_waiting(_AT_ONCE):
                execute(connection, statement)
    return found


def notes_of_waiting(dialect: Dialect, inventory: Inventory, protections: Mapping[TableName, Protection]) -> list[str]:
    """What the journal has as it is for a while, of columns that are large from now on; a sentence for each table."""
    notes = []
    for protection in protections.values() if dialect.waiting() is not None else ():
        stored = inventory.relations.get(protection.relation.id)
        before, now = find(stored.policies, Audit) if stored else None, protection.get(Audit)
        if now is not None and (new := sorted(now.large - (before.large if before else set()))):
            notes.append(
                f"What changes in {', '.join(new)} of {protection.table.name} waits in the journal, as it is, until "
                "the next holdfast maintain or holdfast seal puts its digest there."
            )
    return notes
