"""Tables that have another key by now: their history so far ends, and a new one begins; no row is taken for another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from holdfast.dialects.base import Dialect
from holdfast.inventory import Inventory, StoredRelation
from holdfast.objects import Protection
from holdfast.steps import Step
from holdfast.tables import TableName
from holdfast.timeline import shown


def former_histories(
    inventory: Inventory, protections: Mapping[TableName, Protection]
) -> dict[TableName, StoredRelation]:
    """The histories that end, since their tables have another key: what the journal calls those is not what it did."""
    return {
        table.name: inventory.relations[number]
        for number, table in inventory.matches.items()
        if table.name in protections and protections[table.name].relation.id != number
    }


def ending(dialect: Dialect, former: Mapping[TableName, StoredRelation], steps: Iterable[Step]) -> list[Step]:
    """A former history ends in the transaction that begins the new one: no table is written down twice."""
    waiting = {str(name): stored for name, stored in former.items() if stored.protected}
    found = []
    for step in steps:
        # What is made online says nothing of what the journal calls the table.
        stored = None if step.online else waiting.pop(step.title, None)
        if stored is not None:
            first = dialect.batch(dialect.unregister(stored.as_relation()))
            step = replace(step, statements=(*first, *step.statements), actions=(_said(stored), *step.actions))
        found.append(step)
    return found


def _said(stored: StoredRelation) -> str:
    key = ", ".join(stored.key)
    return f"the key is no longer ({key}): keep the history so far as {_named(stored)}, and begin a new one"


def _named(stored: StoredRelation) -> str:
    return f"{shown(stored.table)}#{stored.id}"


def notes_of_held(inventory: Inventory, former: Mapping[TableName, StoredRelation]) -> list[str]:
    """A hold names a row by its key, so it does not keep the row that has another one."""
    return [
        f"Rows of {shown(name)} are under legal hold by the former key ({', '.join(stored.key)}). Their holds keep the "
        f"history so far, and no longer the rows: hold these by the present key: holdfast hold {shown(name)} KEY. "
        f"End a former one, when it may end, with: holdfast hold {_named(stored)} KEY --release."
        for name, stored in former.items()
        if stored.id in inventory.held
    ]
