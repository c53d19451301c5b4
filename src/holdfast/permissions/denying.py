"""What was denied, written down although its transaction is rolled back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.context import current
from holdfast.database import execute, explain, in_style
from holdfast.dialects import dialect_for
from holdfast.dialects.query import Query
from holdfast.errors import AbortedError, PermissionDeniedError

_DENIED = "holdfast.denied"
"""The key in ``Connection.info`` of what is to be written down when the transaction is over."""


def deny(permission: str, connection: Connection | None = None, *, table: str | None = None) -> NoReturn:
    """Raises HF485; with a connection it is recorded when the transaction in hand is over, however it ends."""
    if connection is not None:
        note_denial(connection, permission, table)
    on = f" on {table}" if table is not None else ""
    raise PermissionDeniedError(
        "HF485",
        f"This needs the permission {permission}{on}, which is not held.",
        "Grant a role that has it: holdfast permissions grant; see why not: holdfast permissions explain.",
        permission=permission,
    )


def denial(permission: str, table: str | None = None) -> Mapping[str, Any]:
    """Who wanted to do what, and why, by the context in hand."""
    present = current()
    return {
        "permission": permission,
        "table": table,
        "tenant": present.get("tenant"),
        "actor": present.get("actor"),
        "reason": present.get("reason"),
    }


def note_denial(connection: Connection, permission: str, table: str | None = None) -> None:
    connection.info.setdefault(_DENIED, []).append(denial(permission, table))


def write_denials_within(connection: Connection) -> None:
    """A listener for ``commit``: who was denied something, and went on, commits the record of it too."""
    denied = connection.info.get(_DENIED, ())
    try:
        write_denials(connection, denied)
    except DBAPIError as error:
        if not isinstance(explain(error, dialect_for(connection.dialect.name)), AbortedError):
            raise
        # A statement had failed, so that the commit will be none.
        write_denials_after(connection)
    connection.info.pop(_DENIED, None)


def write_denials_after(connection: Connection) -> None:
    """A listener for ``rollback``, which it does itself, and then writes on the same connection.

    Another connection might not be had: a pool may have no more of them, and SQLite lets one at a time write.
    """
    if connection.invalidated:
        # It was lost, and what was noted went with it: to ask for its notes would refuse to roll back.
        return
    denied = connection.info.pop(_DENIED, ())
    if not denied:
        return
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.rollback()
    cursor = raw.cursor()
    try:
        for query in _queries(connection.dialect.name, denied):
            cursor.execute(*in_style(query, connection.dialect.paramstyle))
    finally:
        cursor.close()
    raw.commit()


def write_denials(connection: Connection, denied: Iterable[Mapping[str, Any]]) -> None:
    for query in _queries(connection.dialect.name, denied):
        execute(connection, query)


def _queries(name: str, denied: Iterable[Mapping[str, Any]]) -> list[Query]:
    permitting = dialect_for(name).permitting
    queries = []
    for each in denied:
        details = {key: value for key, value in each.items() if key not in ("actor", "reason") and value is not None}
        queries.append(permitting.record_denial(each["actor"], each["reason"], details))
    return queries
