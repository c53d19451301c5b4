"""Indexes that are there and that nobody can use: what a build leaves behind when it fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.database import execute, explain
from holdfast.dialects.base import Dialect
from holdfast.errors import MigrationError

_REBUILDING = re.compile(r"_cc(new|old)\d*$")
"""How the server names what it builds, and what it replaces, while it builds an index anew."""


@dataclass(frozen=True, slots=True)
class InvalidIndex:
    """An index that the planner does not use; a unique one still refuses rows."""

    schema: str
    name: str
    table: str
    unique: bool

    @property
    def leftover(self) -> bool:
        """Whether it is the copy of another, which a rebuild left behind."""
        return _REBUILDING.search(self.name) is not None

    def __str__(self) -> str:
        return f"{self.schema}.{self.name} of {self.table}"


def invalid_indexes(connection: Connection, dialect: Dialect) -> list[InvalidIndex]:
    asked = dialect.migrating.invalid_indexes()
    if asked is None:
        return []
    try:
        return [InvalidIndex(*row) for row in execute(connection, asked)]
    finally:
        connection.rollback()


def mend(connection: Connection, dialect: Dialect, say: Callable[[str], None]) -> None:
    """Builds every invalid index anew, and holds nobody up; HF459 where one cannot be built."""
    found = invalid_indexes(connection, dialect)
    if not found:
        return
    migrating, level = dialect.migrating, connection.get_isolation_level()
    connection.rollback()
    connection.execution_options(isolation_level="AUTOCOMMIT")
    failed: list[tuple[InvalidIndex, DBAPIError]] = []
    try:
        for each in found:
            if each.leftover:
                say(f"Index {each} is left over from a rebuild that failed: it is dropped.")
                execute(connection, migrating.drop_index(each.schema, each.name))
                continue
            say(f"Index {each} is invalid: it is built anew.")
            try:
                execute(connection, migrating.rebuild_index(each.schema, each.name))
            except DBAPIError as error:
                failed.append((each, error))
        for left in invalid_indexes(connection, dialect) if failed else ():
            if left.leftover:
                execute(connection, migrating.drop_index(left.schema, left.name))
    finally:
        connection.rollback()
        connection.execution_options(isolation_level=level)
    if failed:
        index, reason = failed[0]
        raise MigrationError(
            "HF459",
            f"Index {index} is invalid and cannot be built anew: {explain(reason, dialect).message}",
            f"Mend the rows, then run: {migrating.rebuild_index(index.schema, index.name)}. "
            f"If nobody needs it: {migrating.drop_index(index.schema, index.name)}.",
        ) from reason
