"""sqlglot's dialects, with statements that sqlglot keeps in one piece taken apart into tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.mysql import MySQL
from sqlglot.dialects.postgres import Postgres
from sqlglot.dialects.sqlite import SQLite
from sqlglot.dialects.tsql import TSQL


class _PostgreSQL(Postgres):
    class Tokenizer(Postgres.Tokenizer):
        COMMANDS: ClassVar[set[Any]] = set()


class _SQLite(SQLite):
    class Tokenizer(SQLite.Tokenizer):
        COMMANDS: ClassVar[set[Any]] = set()


class _MySQL(MySQL):
    class Tokenizer(MySQL.Tokenizer):
        COMMANDS: ClassVar[set[Any]] = set()


class _SQLServer(TSQL):
    class Tokenizer(TSQL.Tokenizer):
        COMMANDS: ClassVar[set[Any]] = set()


TOKENIZERS: dict[str, type[Dialect]] = {
    "postgres": _PostgreSQL,
    "sqlite": _SQLite,
    "mysql": _MySQL,
    "tsql": _SQLServer,
}
