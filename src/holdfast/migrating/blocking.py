"""Who is in the way, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.base import Dialect
from holdfast.migrating.settings import MigrationSettings
from holdfast.migrating.statements import settle

if TYPE_CHECKING:
    from holdfast.database import AnyRow


def told(row: AnyRow) -> str:
    """A session, in a line: who, for how long, with what lock, doing what."""
    pid, application, state, age, mode, table, waits_for, query = row
    parts = [f"process {pid}" + (f" ({application})" if application else "")]
    if state:
        parts.append(str(state))
    if age is not None:
        parts.append(f"in a transaction for {age:.1f} s")
    if mode and table:
        parts.append(f"{mode} on {table}")
    if waits_for:
        parts.append(f"itself waiting for process {waits_for}")
    if query:
        parts.append(f"last statement: {query}")
    return ", ".join(parts)


def blockers(connection: Connection, dialect: Dialect, statement: str) -> list[str]:
    """Who has locks on the tables that the statement names, a moment after it gave up."""
    asked = dialect.migrating.blockers(statement)
    if asked is None:
        return []
    try:
        return [told(row) for row in execute(connection, asked)]
    finally:
        settle(connection)


def warn_of_long_transactions(
    connection: Connection, dialect: Dialect, settings: MigrationSettings, say: Callable[[str], None]
) -> None:
    """An index that is built meanwhile waits for each of them, and so may a lock."""
    asked = dialect.migrating.long_transactions(settings.long_transaction)
    if asked is None:
        return
    try:
        found = execute(connection, asked)
    finally:
        settle(connection)
    for row in found:
        say(f"A transaction is open for long, and the migration may have to wait for it: {told(row)}.")
