"""NOT NULL: a check first, made valid while others write, then NOT NULL itself, which need not look any more."""

from __future__ import annotations

import hashlib
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations

from holdfast.alembic.operations.rebuilding import rebuilt
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import Target
from holdfast.errors import MigrationError


@Operations.register_operation("hf_set_not_null")
class SetNotNullOp(MigrateOperation):
    """A column is NOT NULL from now on."""

    def __init__(self, table_name: str, column_name: str, *, schema: str | None = None) -> None:
        self.table_name = table_name
        self.column_name = column_name
        self.schema = schema

    @classmethod
    def hf_set_not_null(
        cls, operations: Operations, table_name: str, column_name: str, *, schema: str | None = None
    ) -> None:
        """The column is NOT NULL; readers and writers wait for moments only, however large the table is.

        Run again after a crash it goes on where it was. Raises HF460 where rows have no value.
        """
        operations.invoke(cls(table_name, column_name, schema=schema))

    def reverse(self) -> DropNotNullOp:
        return DropNotNullOp(self.table_name, self.column_name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_set_not_null", self.schema, self.table_name, self.column_name)


@Operations.register_operation("hf_drop_not_null")
class DropNotNullOp(MigrateOperation):
    """A column may be NULL from now on."""

    def __init__(self, table_name: str, column_name: str, *, schema: str | None = None) -> None:
        self.table_name = table_name
        self.column_name = column_name
        self.schema = schema

    @classmethod
    def hf_drop_not_null(
        cls, operations: Operations, table_name: str, column_name: str, *, schema: str | None = None
    ) -> None:
        """The column may be NULL."""
        operations.invoke(cls(table_name, column_name, schema=schema))

    def reverse(self) -> SetNotNullOp:
        return SetNotNullOp(self.table_name, self.column_name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_drop_not_null", self.schema, self.table_name, self.column_name)


@Operations.implementation_for(SetNotNullOp)
def _set_not_null(operations: Operations, operation: SetNotNullOp) -> None:
    table, column = Target(operation.schema, operation.table_name), operation.column_name
    stepping = Stepping(operations, table)
    changing = stepping.changing
    if not changing.stepwise:
        with rebuilt(operations, table) as batch:
            batch.alter_column(column, nullable=False)
        return
    check = _check_name(table, column)
    what = f"NOT NULL of {table}.{column}"

    def look() -> str:
        found = stepping.ask(changing.not_null(table, column))
        if not found:
            raise MigrationError("HF462", f"There is no column {table}.{column}.", "Add it in an earlier revision.")
        [(not_null, name, valid)] = found
        helper = stepping.ask(changing.constraint(table, check))
        if helper and helper[0][2] not in changing.is_not_null(column):
            raise stepping.different(f"Constraint {check} of {table}", helper[0][2], what)
        if name is not None and not valid:
            return f"not checked: {name}"
        if not_null:
            return "not null, and check" if helper else "not null"
        if helper:
            return "check" if helper[0][1] else "check, not valid"
        return "nullable"

    if changing.separate_not_null(stepping.version):
        # What another tool began may have another name.
        begun = stepping.ask(changing.not_null(table, column))
        name = begun[0][1] if begun and begun[0][1] else f"{table.name}_{column}_not_null"[:63]
        give_up = changing.drop_not_null(table, column)
        begin = [
            Step("nullable", changing.add_not_null(table, column, name)),
            Step(f"not checked: {name}", changing.validate(table, name)),
        ]
    else:
        give_up = changing.drop_constraint(table, check)
        begin = [Step("nullable", changing.add_is_not_null(table, column, check))]
    steps = [
        *begin,
        Step("check, not valid", changing.validate(table, check)),
        Step("check", changing.set_not_null(table, column)),
        Step("not null, and check", changing.drop_constraint(table, check)),
    ]
    stepping.walk(what, steps, look, "not null", give_up)


@Operations.implementation_for(DropNotNullOp)
def _drop_not_null(operations: Operations, operation: DropNotNullOp) -> None:
    table, column = Target(operation.schema, operation.table_name), operation.column_name
    stepping = Stepping(operations, table)
    if not stepping.changing.stepwise:
        with rebuilt(operations, table) as batch:
            batch.alter_column(column, nullable=True)
        return
    stepping.send(stepping.changing.drop_not_null(table, column))


def _check_name(table: Target, column: str) -> str:
    name = f"hf_{table.name}_{column}_not_null"
    if len(name.encode()) <= 63:
        return name
    return f"hf_{hashlib.sha256(name.encode()).hexdigest()[:32]}_not_null"


@renderers.dispatch_for(SetNotNullOp)
def _render_set(context: AutogenContext, operation: SetNotNullOp) -> str:
    return call(context, "hf_set_not_null", operation.table_name, operation.column_name, schema=operation.schema)


@renderers.dispatch_for(DropNotNullOp)
def _render_drop(context: AutogenContext, operation: DropNotNullOp) -> str:
    return call(context, "hf_drop_not_null", operation.table_name, operation.column_name, schema=operation.schema)
