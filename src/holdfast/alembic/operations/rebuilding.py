"""SQLite: a table is changed by making it anew, which must not take rows or triggers with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.operations import Operations

from holdfast.alembic.sqlite_batch import batch
from holdfast.dialects.changing import Target
from holdfast.errors import MigrationError


@contextmanager
def rebuilt(operations: Operations, table: Target) -> Iterator[Any]:
    """A batch that keeps all that hangs on the table; HF461 in a script, HF470 to HF474 where it cannot."""
    if operations.get_context().as_sql:
        raise MigrationError(
            "HF461",
            f"A script cannot make {table} anew: the database has to be asked how it is.",
            "Run the migration on the database itself.",
        )
    with batch(operations, table.name, table.schema) as recorded:
        yield recorded
