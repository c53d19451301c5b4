"""Legal holds go with their rows: where a row has, or had, another key, the hold is of that key too."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from holdfast.database import Database, execute
from holdfast.dialects.base import Dialect
from holdfast.erasure.erasing import row_keys
from holdfast.erasure.keys import RowKeys
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.timeline import loads


@dataclass(frozen=True, slots=True)
class _Held:
    relation: int
    key: str
    actor: str | None
    reason: str
    first: int
    """The hold that somebody placed."""


def follow_holds(database: Database, inventory: Inventory | None = None) -> int:
    """Holds every key that a held row has had since or before, as the journal has it, and says how many were new.

    To be called before anything goes that a hold keeps. Where it is not certain which of several rows a key went to,
    all of them are held: never too few.
    """
    if inventory is None:
        with database.snapshot() as connection:
            inventory = inspect(connection, database.dialect)[1]
    if not inventory.held:
        return 0
    with database.begin() as connection:
        return _follow(connection, database.dialect, inventory)


def _follow(connection: Connection, dialect: Dialect, inventory: Inventory) -> int:
    waiting = [
        _Held(row.relation, row.key, row.actor, row.reason, row.first)
        for row in execute(connection, dialect.holds.all())
    ]
    seen = {(each.relation, each.key, each.reason) for each in waiting}
    keys: dict[int, RowKeys] = {}
    placed = 0
    while waiting:
        held = waiting.pop()
        stored = inventory.relations[held.relation]
        if held.relation not in keys:
            keys[held.relation] = row_keys(connection, dialect, inventory, stored)
        for key in keys[held.relation].others(held.key):
            if (held.relation, key, held.reason) in seen:
                continue
            seen.add((held.relation, key, held.reason))
            query = dialect.holds.place(held.relation, key, held.actor, held.reason, held.first)
            if execute(connection, query):
                details = {"table": str(stored.table), "key": loads(key), "was": loads(held.key)}
                execute(connection, dialect.record_intervention("hold", held.actor, held.reason, details))
                placed += 1
            waiting.append(_Held(held.relation, key, held.actor, held.reason, held.first))
    return placed
