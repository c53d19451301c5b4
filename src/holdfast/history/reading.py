"""What every question about the past begins with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError

from holdfast.database import Database, execute
from holdfast.declaration import protections_of
from holdfast.dialects.base import Dialect
from holdfast.dialects.query import Query
from holdfast.errors import HistoryError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.objects import Protection
from holdfast.policies import Audit
from holdfast.stored import StoredRelation
from holdfast.timeline import document, shown


def inspected(connection: Connection, database: Database) -> tuple[Dialect, Inventory]:
    dialect, inventory = inspect(connection, database.dialect, objects=False)
    inventory.check_journal()
    return dialect, inventory


def protected(inventory: Inventory, stored: StoredRelation) -> Protection:
    present = inventory.find(stored)
    protection = protections_of(inventory).get(present.name) if present is not None else None
    if protection is None or protection.get(Audit) is None:
        raise UnsupportedError(
            "HF303",
            f"{shown(stored.table)} is not recorded now, so what it was cannot be told from what it is.",
            f"Its changes are still there: holdfast log {shown(stored.table)}.",
        )
    return protection


def recorded_later(stored: StoredRelation) -> HistoryError:
    """HF435: the time that was asked for is before all that is known without a gap."""
    since = stored.since.isoformat() if stored.since else "no time"
    return HistoryError(
        "HF435",
        f"{shown(stored.table)} is recorded without a gap since {since}; what it was before is not known.",
        "Ask for a later time.",
    )


def present_row(connection: Connection, dialect: Dialect, protection: Protection, key: str) -> dict[str, Any] | None:
    past = dialect.past
    select = past.documents(protection, past.present(protection))
    images = execute(connection, Query(select, past.parameters(protection, key)))
    return document(images[0][0]) if images else None


@contextmanager
def fitting(protection: Protection) -> Iterator[None]:
    """HF439 where a value of then is none of the column's type of now."""
    try:
        yield
    except DataError as error:
        said = next(iter(str(error.orig).splitlines()), "")
        raise HistoryError(
            "HF439",
            f"A value that {shown(protection.table.name)} had then does not fit its column now: {said}.",
            "See the rows' own versions: holdfast versions.",
        ) from error
