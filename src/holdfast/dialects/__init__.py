"""One dialect for each database: SQL text only, no connection."""

from __future__ import annotations

import sqlite3

from holdfast.dialects.base import Dialect
from holdfast.errors import UnsupportedError


def dialect_for(name: str) -> Dialect:
    """The dialect for a SQLAlchemy dialect name; HF401 where there is none."""
    if name == "postgresql":
        from holdfast.dialects.postgresql import PostgreSQL

        return PostgreSQL()
    if name == "sqlite":
        from holdfast.dialects.sqlite import SQLite

        return SQLite()
    raise UnsupportedError(
        "HF401",
        f"holdfast does not know the database {name!r}.",
        "It protects PostgreSQL 14 to 18 and SQLite 3.37+.",
    )


def dialect_of(error: BaseException) -> Dialect:
    """The dialect whose driver raised the error, where nobody can say which database was asked."""
    return dialect_for("sqlite" if isinstance(error, sqlite3.Error) else "postgresql")
