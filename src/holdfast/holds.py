"""Legal holds: rows of which nothing is purged, dropped from the history or erased until the hold is released."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from holdfast.database import Database, execute
from holdfast.declaration import protections_of
from holdfast.dialects.base import Dialect
from holdfast.errors import HeldError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.stored import StoredRelation
from holdfast.timeline import loads, moment, shown


@dataclass(frozen=True, slots=True)
class Hold:
    """A row that must stay, since when, by whose word and why."""

    table: str
    key: Any
    at: datetime
    actor: str | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "key": self.key,
            "at": self.at.astimezone(UTC).isoformat(),
            "actor": self.actor,
            "reason": self.reason,
        }


def hold(database: Database, table: str, key: Any, *, reason: str, actor: str | None = None) -> bool:
    """Puts the row under legal hold: it is not purged nor erased, and its history stays; False if it was so already.

    ``key`` is a value, or a list of values for a key of several columns. A row may be held for several reasons. Where
    its key changes, or has changed, the hold goes with the row (``holdfast.moving_holds.follow_holds``). HF422 where
    neither the table nor the journal has the row.
    """
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        stored = _stored(inventory, table)
        document = _known(connection, dialect, inventory, stored, key)
    if document is None:
        raise UnsupportedError(
            "HF422",
            f"There is no row {json.dumps(key, default=str)} of {shown(stored.table)}, and there never was one that "
            "the journal knows of.",
            f"See the keys with: holdfast log {shown(stored.table)}.",
        )
    with database.begin() as connection:
        placed = execute(connection, dialect.holds.place(stored.id, document, actor, reason))
        if placed:
            details = {"table": str(stored.table), "key": key}
            execute(connection, dialect.record_intervention("hold", actor, reason, details))
    return bool(placed)


def release(
    database: Database, table: str, key: Any, *, reason: str | None = None, actor: str | None = None
) -> list[str]:
    """Ends the row's holds, or that for ``reason`` alone, and gives the reasons of those that it ended."""
    from holdfast.moving_holds import (
        follow_holds,  # which looks where the rows are, as an erasure does, that asks for holds
    )

    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        stored = _stored(inventory, table)
        document = _known(connection, dialect, inventory, stored, key) or json.dumps(key, default=str)
    follow_holds(database, inventory)
    with database.begin() as connection:
        query = dialect.holds.release(stored.id, document, reason)
        released = list(dict.fromkeys(row[0] for row in execute(connection, query)))
        for each in released:
            details = {"table": str(stored.table), "key": key}
            execute(connection, dialect.record_intervention("release", actor, each, details))
    return released


def holds(connection: Connection, dialect: Dialect, inventory: Inventory) -> list[Hold]:
    """Every hold, the oldest first."""
    names = {number: shown(each.table) for number, each in inventory.relations.items()}
    return [
        Hold(names[row.relation], loads(row.key), moment(row.at), row.actor, row.reason)
        for row in execute(connection, dialect.holds.all())
    ]


def held(connection: Connection, dialect: Dialect, relation: int, key: str) -> bool:
    """Whether the row is under hold; until the transaction in hand ends, it stays so or does not become so.

    ``key`` is JSON.
    """
    freeze(connection, dialect)
    return bool(execute(connection, dialect.holds.reasons(relation, key)))


def refuse_held(connection: Connection, dialect: Dialect, stored: StoredRelation, key: str) -> None:
    """HF421 where the row is under hold; as ``held`` is, to be asked in the transaction that would touch it."""
    if held(connection, dialect, stored.id, key):
        reasons = ", ".join(repr(row[0]) for row in execute(connection, dialect.holds.reasons(stored.id, key)))
        raise HeldError(
            "HF421",
            f"{shown(stored.table)} {key} is under legal hold: {reasons}.",
            f"When it need not be held any more: holdfast hold {shown(stored.table)} KEY --release.",
        )


def freeze(connection: Connection, dialect: Dialect) -> None:
    """No hold is placed or released until the transaction in hand ends."""
    if statement := dialect.holds.freeze():
        execute(connection, statement)


def _stored(inventory: Inventory, table: str) -> StoredRelation:
    inventory.check_journal("holdfast protect --all")
    return inventory.recorded(table)


def _known(
    connection: Connection, dialect: Dialect, inventory: Inventory, stored: StoredRelation, key: Any
) -> str | None:
    """The key as the journal spells it: a time, say, may be given in any zone."""
    present = inventory.find(stored)
    protection = protections_of(inventory).get(present.name) if present is not None else None
    if settings := dialect.purging.settings():
        execute(connection, settings)
    query = dialect.holds.known_key(protection, stored.id, json.dumps(key, default=str))
    return next((str(row[0]) for row in execute(connection, query)), None)
