"""``op.batch_alter_table`` on SQLite, so that nothing which hangs on the table is lost with the old one.

What is inside a batch never passes ``Operations.invoke``, so ``implementation_for`` does not see it, and what Alembic
hands to its own implementation of SQLite is a table as it was reflected, which is not the table. So the directive
itself is registered anew, as Alembic provides for directives of any kind. Outside of ``run_migrations`` and on other
databases it is Alembic's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from alembic.operations import BatchOperations, Operations
from alembic.operations.batch import BatchOperationsImpl
from sqlalchemy import Connection

from holdfast.alembic.sqlite_batch.rebuilding import Rebuild
from holdfast.dialects import dialect_for
from holdfast.errors import MigrationError
from holdfast.migrating.statements import RUN

_stock: Any = Operations.batch_alter_table


@Operations.register_operation("batch_alter_table")
class SafeBatch:
    """The directive."""

    @classmethod
    def batch_alter_table(
        cls,
        operations: Any,
        table_name: str,
        schema: Any = None,
        recreate: Any = "auto",
        partial_reordering: Any = None,
        copy_from: Any = None,
        table_args: Any = (),
        table_kwargs: Any = None,
        reflect_args: Any = (),
        reflect_kwargs: Any = None,
        naming_convention: Any = None,
    ) -> AbstractContextManager[BatchOperations]:
        """Alembic's batch mode; under ``run_migrations`` on SQLite, one that keeps all that hangs on the table.

        Raises HF460 where rows break what is asked for, HF471 where something names a column that goes, HF472 where a
        foreign key would find nothing, HF473 where the table cannot be made as asked, and HF474 where its protection
        needs what goes.
        """
        options = {
            "recreate": recreate,
            "partial_reordering": partial_reordering,
            "copy_from": copy_from,
            "table_args": table_args,
            "table_kwargs": table_kwargs or {},
            "reflect_args": reflect_args,
            "reflect_kwargs": reflect_kwargs or {},
            "naming_convention": naming_convention,
        }
        connection = operations.get_context().connection
        # Offline, and where a revision is only read, there is none.
        online = isinstance(connection, Connection) and connection.get_execution_options().get(RUN) is not None
        if not (online and _rebuilds(operations)):
            stock: AbstractContextManager[BatchOperations] = _stock(operations, table_name, schema, **options)
            return stock
        return batch(operations, table_name, schema, **options)


@contextmanager
def batch(operations: Operations, table: str, schema: str | None = None, **options: Any) -> Iterator[BatchOperations]:
    """What was asked for inside is carried out at the end, all of it or nothing."""
    recorded = Recorded(operations, table, schema, options)
    yield BatchOperations(operations.get_context(), impl=recorded)
    if recorded.batch or recorded.recreate == "always":
        Rebuild(operations, recorded).carry_out()


def _rebuilds(operations: Operations) -> bool:
    return dialect_for(operations.get_context().dialect.name).migrating.rebuilds


class Recorded(BatchOperationsImpl):
    """What is asked for in a batch, in its order."""

    def __init__(self, operations: Operations, table: str, schema: str | None, options: dict[str, Any]) -> None:
        if schema not in (None, "main") or options.get("partial_reordering") or options.get("table_kwargs"):
            raise MigrationError(
                "HF470",
                f"The batch on {table} has schema, partial_reordering or table_kwargs, which would not be kept to.",
                "Leave them out: the table stays as it is in all that the batch does not change. For a column's place "
                "there are insert_before and insert_after.",
            )
        defaults: dict[str, Any] = {
            "recreate": "auto", "copy_from": None, "table_args": (), "table_kwargs": {}, "reflect_args": (),
            "reflect_kwargs": {}, "naming_convention": None, "partial_reordering": None,
        }  # fmt: skip
        parent: Any = super()
        parent.__init__(operations, table, schema, **(defaults | options))

    def add_column(self, *args: Any, **options: Any) -> None:
        # Where a column is put decides whether the table is made anew, not the other way round.
        self.batch.append(("add_column", args, options))

    @property
    def as_it_stands(self) -> bool:
        """Whether ALTER TABLE does it, with the table in its place."""
        parent: Any = super()
        placed = any(options.get("insert_before") or options.get("insert_after") for _, _, options in self.batch)
        return not (placed or self.table_args or parent._should_recreate())

    def flush_as_it_stands(self) -> None:
        parent: Any = super()
        parent.flush()
