"""A unique constraint: its index is built while others write, and becomes the constraint in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations

from holdfast.alembic.operations.dropping import DropConstraintOp
from holdfast.alembic.operations.index import PARTITIONED, CreateIndexOp, look_at_index
from holdfast.alembic.operations.rebuilding import rebuilt
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import Target


@Operations.register_operation("hf_create_unique")
class CreateUniqueOp(MigrateOperation):
    """A unique constraint holds from now on."""

    def __init__(
        self,
        name: str,
        table_name: str,
        columns: Sequence[str],
        *,
        schema: str | None = None,
        deferrable: bool | None = None,
        initially: str | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        self.table_name = table_name
        self.columns = list(columns)
        self.schema = schema
        self.deferrable = deferrable
        self.initially = initially
        self.options = options

    @classmethod
    def hf_create_unique(
        cls,
        operations: Operations,
        name: str,
        table_name: str,
        columns: Sequence[str],
        *,
        schema: str | None = None,
        deferrable: bool | None = None,
        initially: str | None = None,
        **options: Any,
    ) -> None:
        """The constraint holds; readers and writers wait for moments only.

        ``options`` are ``postgresql_include`` and ``postgresql_nulls_not_distinct``. Run again after a crash it goes
        on where it was. Raises HF460 where rows have the same values, and HF462 where an index or a constraint of that
        name is another one.
        """
        given = {"deferrable": deferrable, "initially": initially, **options}
        operations.invoke(cls(name, table_name, columns, schema=schema, **given))

    def reverse(self) -> DropConstraintOp:
        return DropConstraintOp(self.name, self.table_name, "unique", schema=self.schema, reverse=self)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_create_unique", self.schema, self.table_name, self.name)

    @property
    def index(self) -> CreateIndexOp:
        return CreateIndexOp(self.name, self.table_name, self.columns, schema=self.schema, unique=True, **self.options)

    @property
    def deferring(self) -> str:
        """As the catalog spells it, and as it is written."""
        deferred = (self.initially or "").upper() == "DEFERRED"
        deferrable = deferred if self.deferrable is None else self.deferrable
        return (" DEFERRABLE" if deferrable else "") + (" INITIALLY DEFERRED" if deferred else "")


@Operations.implementation_for(CreateUniqueOp)
def _create(operations: Operations, operation: CreateUniqueOp) -> None:
    table, name = Target(operation.schema, operation.table_name), operation.name
    stepping = Stepping(operations, table)
    changing, index = stepping.changing, operation.index
    if not changing.stepwise:
        with rebuilt(operations, table) as batch:
            batch.create_unique_constraint(name, operation.columns)
        return
    what = f"Constraint {name} of {table}"
    stepping.refuse_partitioned(what, PARTITIONED)

    def look() -> str:
        found = stepping.ask(changing.constraint(table, name))
        state, definition = look_at_index(stepping, index)
        if not found:
            return state
        [(_kind, _valid, constraint)] = found
        if constraint != definition + operation.deferring:
            raise stepping.different(what, constraint, definition + operation.deferring)
        return "constraint"

    drop = changing.drop_index(table, name)
    steps = [
        Step("invalid", drop, mends=True),
        Step("absent", index.made(stepping.context, operation.schema, postgresql_concurrently=True)),
        Step("valid", changing.use_index(table, name, operation.deferring)),
    ]
    stepping.walk(what, steps, look, "constraint", drop)


@renderers.dispatch_for(CreateUniqueOp)
def _render(context: AutogenContext, operation: CreateUniqueOp) -> str:
    return call(
        context, "hf_create_unique", operation.name, operation.table_name, operation.columns,
        schema=operation.schema, deferrable=operation.deferrable, initially=operation.initially, **operation.options,
    )  # fmt: skip
