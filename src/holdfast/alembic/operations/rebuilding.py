"""SQLite: a table is changed by making it anew, which must not take rows or triggers with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.operations import Operations

from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.dialects.changing import Target
from holdfast.errors import MigrationError


@contextmanager
def rebuilt(operations: Operations, table: Target) -> Iterator[Any]:
    """Alembic's batch mode, where nothing hangs on the table that it would lose; else HF461."""
    context = operations.get_context()
    if context.as_sql:
        raise MigrationError(
            "HF461",
            f"A script cannot make {table} anew: the database has to be asked how it is.",
            "Run the migration on the database itself.",
        )
    for query in dialect_for(context.dialect.name).migrating.changing.hanging(table):
        for row in execute(operations.get_bind(), query):
            raise MigrationError(
                "HF461",
                f"{table} is changed by making it anew, and {row[0]}.",
                "Make the table anew by hand, as SQLite's page on ALTER TABLE says, with foreign_keys off.",
            )
    with operations.batch_alter_table(table.name, schema=table.schema) as batch:
        yield batch
