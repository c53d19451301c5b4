"""An index: built while others write, and taken for done only when it is valid and as it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations, ops
from sqlalchemy import Column
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.elements import ColumnElement, TextClause
from sqlalchemy.types import NullType

from holdfast.alembic.operations.dropping import DropIndexOp
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import Target

Columns = Sequence[str | TextClause | ColumnElement[Any]]
PARTITIONED = (
    "Build it on each partition, then create it ON ONLY the table, and attach them: ALTER INDEX … ATTACH PARTITION …."
)


@Operations.register_operation("hf_create_index")
class CreateIndexOp(MigrateOperation):
    """An index is there from now on."""

    def __init__(
        self,
        name: str,
        table_name: str,
        columns: Columns,
        *,
        schema: str | None = None,
        unique: bool = False,
        **options: Any,
    ) -> None:
        self.name = name
        self.table_name = table_name
        self.columns = list(columns)
        self.schema = schema
        self.unique = unique
        self.options = options

    @classmethod
    def hf_create_index(
        cls,
        operations: Operations,
        name: str,
        table_name: str,
        columns: Columns,
        *,
        schema: str | None = None,
        unique: bool = False,
        **options: Any,
    ) -> None:
        """The index is there, valid and as asked for; nobody waits while it is built.

        ``options`` are those of ``op.create_index`` (``postgresql_where``, ``postgresql_include``, …). What a failed
        build left is built anew. Raises HF460 where rows break a unique index, and HF462 where an index of that name
        is another one.
        """
        operations.invoke(cls(name, table_name, columns, schema=schema, unique=unique, **options))

    def reverse(self) -> DropIndexOp:
        return DropIndexOp(self.name, self.table_name, schema=self.schema, reverse=self)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_create_index", self.schema, self.table_name, self.name)

    def made(self, context: Any, schema: str | None, **more: Any) -> CreateIndex:
        options = {key: value for key, value in self.options.items() if key != "postgresql_concurrently"} | more
        made = ops.CreateIndexOp(self.name, self.table_name, self.columns, schema=schema, unique=self.unique, **options)
        index = made.to_index(context)
        for name in options.get("postgresql_include") or ():
            # The table that Alembic makes up for the index has its columns alone.
            if index.table is not None and name not in index.table.c:
                index.table.append_column(Column(name, NullType()))
        return CreateIndex(index)


def look_at_index(stepping: Stepping, operation: CreateIndexOp) -> tuple[str, str]:
    """State and definition of the index; HF462 where it is valid and not the one that is wanted."""
    table, name, changing = stepping.table, operation.name, stepping.changing
    found = stepping.ask(changing.index(table, name))
    if not found:
        return "absent", ""
    [(state, definition)] = found
    what = f"Index {name}"
    if state == "building":
        raise stepping.building(what)
    if state == "valid":
        wanted = stepping.as_the_catalog_has_it(
            lambda twin: operation.made(stepping.context, twin.schema), lambda twin: changing.index(twin, name)
        )[1]
        if definition != wanted:
            raise stepping.different(what, definition, wanted)
    return state, definition


@Operations.implementation_for(CreateIndexOp)
def _create(operations: Operations, operation: CreateIndexOp) -> None:
    table = Target(operation.schema, operation.table_name)
    stepping = Stepping(operations, table)
    what = f"Index {operation.name}"
    if not stepping.changing.stepwise:
        _create_at_once(stepping, operation)
        return
    stepping.refuse_partitioned(what, PARTITIONED)
    drop = stepping.changing.drop_index(table, operation.name)
    steps = [
        Step("invalid", drop, mends=True),
        Step("absent", operation.made(stepping.context, operation.schema, postgresql_concurrently=True)),
    ]
    stepping.walk(what, steps, lambda: look_at_index(stepping, operation)[0], "valid", drop)


def _create_at_once(stepping: Stepping, operation: CreateIndexOp) -> None:
    """Where the whole database is locked for a write, and a revision is a transaction."""
    made = operation.made(stepping.context, operation.schema)
    if stepping.context.as_sql:
        stepping.send(made)
        return
    found = stepping.ask(stepping.changing.index(stepping.table, operation.name))
    wanted = str(made.compile(dialect=stepping.context.dialect))
    if not found:
        stepping.send(made)
    elif found[0][1].split() != wanted.split():
        raise stepping.different(f"Index {operation.name}", found[0][1], wanted)


@renderers.dispatch_for(CreateIndexOp)
def _render(context: AutogenContext, operation: CreateIndexOp) -> str:
    return call(
        context, "hf_create_index", operation.name, operation.table_name, operation.columns,
        schema=operation.schema, unique=operation.unique or None, **operation.options,
    )  # fmt: skip
