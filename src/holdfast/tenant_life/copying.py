"""COPY, which a driver does in its own way: psycopg's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.database import explain
from holdfast.dialects.base import Dialect


def copy_out(connection: Connection, dialect: Dialect, statement: str) -> Iterator[bytes | memoryview]:
    """What the server sends, as it comes."""
    with _driver(connection, dialect) as driver, driver.cursor() as cursor, cursor.copy(statement) as copy:
        yield from copy


def copy_in(connection: Connection, dialect: Dialect, statement: str, chunks: Iterable[bytes]) -> None:
    with _driver(connection, dialect) as driver, driver.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in chunks:
            copy.write(chunk)


@contextmanager
def _driver(connection: Connection, dialect: Dialect) -> Iterator[Any]:
    """The driver's connection within the transaction in hand; its errors made ours."""
    driver = connection.connection.driver_connection
    failure = connection.dialect.loaded_dbapi.Error
    try:
        yield driver
    except failure as error:
        raise explain(DBAPIError(None, None, error), dialect) from error
