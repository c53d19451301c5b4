"""COPY, PostgreSQL's way to load rows, through the driver of the session's own connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.util import await_only

from holdfast.database import execute, explain
from holdfast.dialects import dialect_for
from holdfast.errors import RowsError
from holdfast.sqlalchemy.bulk.defaults import adds_to, completed, in_sql, left_out
from holdfast.sqlalchemy.bulk.rows import Chunk, Values
from holdfast.sqlalchemy.bulk.sources import is_plain
from holdfast.sqlalchemy.bulk.targets import Target

Copy = Callable[[Connection, Target, Sequence[Column[Any]], Iterable[Values]], None]


def copying(connection: Connection, target: Target, names: Sequence[str]) -> Copy | None:
    """How to copy rows with these columns; None where only an INSERT can do what is declared.

    That is so for values that an expression of the database makes, under row security, and for an identity column
    that is always generated: COPY would write what INSERT refuses.
    """
    columns = target.of(names)
    copy = _DRIVERS.get((connection.dialect.driver, connection.dialect.is_async))
    identities = (column.identity for column in columns)
    if (
        copy is None
        or any(in_sql(column) for column in left_out(target, names))
        or any(identity is not None and identity.always for identity in identities)
        or any(column.type.dialect_impl(connection.dialect)._has_bind_expression for column in columns)
        or connection.get_execution_options().get("schema_translate_map")
    ):
        return None
    if copy is _asyncpg and not all(is_plain(column.type, connection.dialect) for column in target.table.columns):
        # It writes the binary form, and knows that of the types it knows.
        return None
    hidden = dialect_for(connection.dialect.name).row_security(_quoted(connection, target))
    return None if hidden is None or execute(connection, hidden)[0][0] else copy


def to_copy(connection: Connection, target: Target, chunk: Chunk) -> tuple[Sequence[Column[Any]], Iterable[Values]]:
    """Columns, and rows as the driver takes them. HF652 for a value that does not fit its column."""
    dialect = connection.dialect
    given = target.of(chunk.names)
    if not adds_to(target, chunk.names) and not any(_processor(column, dialect) for column in given):
        return given, chunk.values
    columns, values = completed(connection, target, chunk)
    done = [
        listed if (process := _processor(column, dialect)) is None else _processed(column, process, listed, chunk.first)
        for column, listed in zip(columns, values, strict=True)
    ]
    return columns, zip(*done, strict=True)


def _processor(column: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _processed(column: Column[Any], process: Callable[[Any], Any], listed: Sequence[Any], first: int) -> list[Any]:
    done: list[Any] = []
    try:
        for value in listed:
            done.append(process(value))
    except Exception as error:
        position = first + len(done)
        raise RowsError(
            "HF652",
            f"rows[{position}] has a value that {column.table.name}.{column.name} does not take: {error}",
            "Give a value of the column's type.",
            rows=[position],
        ) from error
    return done


def _psycopg(connection: Connection, target: Target, columns: Sequence[Column[Any]], rows: Iterable[Values]) -> None:
    driver: Any = connection.connection.driver_connection
    statement = _statement(connection, target, columns)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            write = copy.write_row
            for row in rows:
                write(row)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _explained(connection, statement, error) from error


def _psycopg_async(
    connection: Connection, target: Target, columns: Sequence[Column[Any]], rows: Iterable[Values]
) -> None:
    driver: Any = connection.connection.driver_connection
    statement = _statement(connection, target, columns)

    async def copied() -> None:
        async with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                await copy.write_row(row)

    try:
        await_only(copied())
    except connection.dialect.loaded_dbapi.Error as error:
        raise _explained(connection, statement, error) from error


def _asyncpg(connection: Connection, target: Target, columns: Sequence[Column[Any]], rows: Iterable[Values]) -> None:
    import asyncpg

    driver: Any = connection.connection.driver_connection
    names = [column.name for column in columns]
    try:
        await_only(
            driver.copy_records_to_table(
                target.table.name, schema_name=target.table.schema, columns=names, records=rows
            )
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _explained(connection, _statement(connection, target, columns), error) from error
    except (TypeError, ValueError, ArithmeticError) as error:
        # It writes the binary form itself, and what it cannot write it leaves as Python says it.
        raise StatementError(str(error), _statement(connection, target, columns), None, error) from error


_DRIVERS: dict[tuple[str, bool], Copy] = {
    ("psycopg", False): _psycopg,
    ("psycopg", True): _psycopg_async,
    ("asyncpg", True): _asyncpg,
}


def _statement(connection: Connection, target: Target, columns: Sequence[Column[Any]]) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return f"copy {_quoted(connection, target)} ({', '.join(quote(column.name) for column in columns)}) from stdin"


def _quoted(connection: Connection, target: Target) -> str:
    return str(connection.dialect.identifier_preparer.format_table(target.table))


def _explained(connection: Connection, statement: str, error: BaseException) -> Exception:
    driver: Any = connection.connection.driver_connection
    lost = driver.is_closed() if hasattr(driver, "is_closed") else driver.closed
    if lost:
        connection.invalidate(error)
    return explain(
        DBAPIError(statement, None, error, connection_invalidated=lost), dialect_for(connection.dialect.name)
    )
