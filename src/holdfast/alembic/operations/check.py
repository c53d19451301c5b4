"""A check: for new rows at once, then for the rows that are there, while others write."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations, ops
from sqlalchemy.schema import AddConstraint
from sqlalchemy.sql.elements import ColumnElement, TextClause

from holdfast.alembic.operations.dropping import DropConstraintOp
from holdfast.alembic.operations.rebuilding import rebuilt
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import Target

Condition = str | ColumnElement[bool] | TextClause


@Operations.register_operation("hf_create_check")
class CreateCheckOp(MigrateOperation):
    """A check constraint holds from now on."""

    def __init__(self, name: str, table_name: str, condition: Condition, *, schema: str | None = None) -> None:
        self.name = name
        self.table_name = table_name
        self.condition = condition
        self.schema = schema

    @classmethod
    def hf_create_check(
        cls,
        operations: Operations,
        name: str,
        table_name: str,
        condition: Condition,
        *,
        schema: str | None = None,
    ) -> None:
        """The check holds, for rows old and new; readers and writers wait for moments only.

        Run again after a crash it goes on where it was. Raises HF460 where rows break it, and HF462 where another
        constraint has the name.
        """
        operations.invoke(cls(name, table_name, condition, schema=schema))

    def reverse(self) -> DropConstraintOp:
        return DropConstraintOp(self.name, self.table_name, "check", schema=self.schema, reverse=self)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_create_check", self.schema, self.table_name, self.name)

    def added(self, context: Any, schema: str | None, **options: Any) -> AddConstraint:
        made = ops.CreateCheckConstraintOp(self.name, self.table_name, self.condition, schema=schema, **options)
        return AddConstraint(made.to_constraint(context))


@Operations.implementation_for(CreateCheckOp)
def _create(operations: Operations, operation: CreateCheckOp) -> None:
    table, name = Target(operation.schema, operation.table_name), operation.name
    stepping = Stepping(operations, table)
    changing = stepping.changing
    if not changing.stepwise:
        with rebuilt(operations, table) as batch:
            batch.create_check_constraint(name, operation.condition)
        return
    what = f"Constraint {name} of {table}"

    def look() -> str:
        found = stepping.ask(changing.constraint(table, name))
        if not found:
            return "absent"
        [(_kind, valid, definition)] = found
        wanted = stepping.as_the_catalog_has_it(
            lambda twin: operation.added(stepping.context, twin.schema), lambda twin: changing.constraint(twin, name)
        )[2]
        if definition != wanted:
            raise stepping.different(what, definition, wanted)
        return "valid" if valid else "not valid"

    added = operation.added(stepping.context, operation.schema, postgresql_not_valid=True)
    steps = [Step("absent", added), Step("not valid", changing.validate(table, name))]
    stepping.walk(what, steps, look, "valid", changing.drop_constraint(table, name))


@renderers.dispatch_for(CreateCheckOp)
def _render(context: AutogenContext, operation: CreateCheckOp) -> str:
    return call(
        context, "hf_create_check", operation.name, operation.table_name, operation.condition, schema=operation.schema
    )
