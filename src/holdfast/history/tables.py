"""A table, or one row of it, as it was at a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from holdfast.database import Database, execute
from holdfast.dialects.base import Dialect
from holdfast.errors import HistoryError
from holdfast.history.reading import fitting, inspected, present_row, protected, recorded_later
from holdfast.history.versions import versions_of
from holdfast.inventory import Inventory
from holdfast.objects import Protection
from holdfast.policies import Audit
from holdfast.stored import StoredRelation
from holdfast.tables import TableName
from holdfast.timeline import find, loads, moment


@dataclass(frozen=True, slots=True)
class AsOf:
    """A table at one moment: the SELECT that reads it, by which it can be joined and made a view of."""

    table: TableName
    at: datetime
    select: str
    protection: Protection
    not_kept: tuple[str, ...]
    """Columns whose values the journal does not keep: NULL, or, where it only knows that they changed, NULL if so."""


def as_of(
    connection: Connection,
    dialect: Dialect,
    inventory: Inventory,
    table: str,
    *,
    at: datetime | None = None,
    transaction: str | None = None,
) -> AsOf:
    """The table as it was at a time, or right after a transaction.

    A transaction counts from the moment at which it began to commit, not from its start: what others could see at
    that time. HF435 where the journal does not reach back so far.
    """
    stored = inventory.recorded(table)
    protection = protected(inventory, stored)
    return table_as_of(dialect, stored, protection, moment_of(connection, dialect, at=at, transaction=transaction))


def moment_of(
    connection: Connection, dialect: Dialect, *, at: datetime | None = None, transaction: str | None = None
) -> datetime:
    """The time that is meant, in UTC where it has no zone; HF435 where it has not come yet, or may not be told."""
    [(value, in_part)] = execute(connection, dialect.past.now())
    if in_part:
        raise HistoryError(
            "HF435",
            "The role in use sees the journal of one tenant alone, and a past from a part of it may be wrong.",
            "Ask as a role that reads all of it; a row's versions are there for every tenant.",
        )
    if transaction is not None:
        name = find(connection, dialect, transaction).id
        at = moment(execute(connection, dialect.past.committed(name))[0][0])
    if at is None:
        raise TypeError("as_of() needs at= or transaction=")
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    if at > moment(value):
        raise HistoryError("HF435", f"{at.isoformat()} has not come yet.", "Ask for a time in the past.")
    return at


def table_as_of(dialect: Dialect, stored: StoredRelation, protection: Protection, at: datetime) -> AsOf:
    """The table at that moment; HF435 where the journal does not reach back so far."""
    if stored.since is None or at < stored.since:
        raise recorded_later(stored)
    audit = protection.get(Audit) or Audit()
    hidden = tuple(sorted(audit.exclude | audit.mask | audit.large))
    return AsOf(protection.table.name, at, dialect.past.table(protection, at), protection, hidden)


def rows_as_of(connection: Connection, dialect: Dialect, past: AsOf) -> Iterator[dict[str, Any]]:
    """The rows of that moment in the order of their keys, values as the journal spells them."""
    with fitting(past.protection):
        rows = execute(connection, dialect.past.documents(past.protection, past.select))
    for (document,) in rows:
        yield loads(document)


def row_as_of(
    connection: Connection, dialect: Dialect, inventory: Inventory, past: AsOf, key: str
) -> dict[str, Any] | None:
    """The one row of that moment, its key as JSON; None where there was none."""
    stored = inventory.recorded(str(past.table))
    try:
        known = versions_of(connection, dialect, inventory, stored, key)
    except HistoryError:
        # Never changed since the table is recorded.
        return present_row(connection, dialect, past.protection, key)
    values = next((each.values for each in reversed(known) if each.at is None or each.at <= past.at), None)
    return dict(values) if values is not None else None


def copy_as_of(
    database: Database, table: str, into: str, *, at: datetime | None = None, transaction: str | None = None
) -> int:
    """Makes a new table of the rows as they were; gives their number. HF438 where there is something of that name."""
    with database.connect() as connection, connection.begin():
        dialect, inventory = inspected(connection, database)
        past = as_of(connection, dialect, inventory, table, at=at, transaction=transaction)
        schema, _, name = into.rpartition(".")
        target = TableName(schema or past.table.schema, name)
        if not dialect.columns.can_be_named(name):
            raise HistoryError("HF438", f"{name!r} cannot be the name of a table.", "Give the copy another name.")
        if inventory.is_taken(target):
            raise HistoryError("HF438", f"There is a {target} already.", "Give the copy a name of its own.")
        with fitting(past.protection):
            for statement in dialect.past.copy(past.select, dialect.qualified(target)):
                execute(connection, statement)
        [(count,)] = execute(connection, f"select count(*) from {dialect.qualified(target)}")
    return int(count)
