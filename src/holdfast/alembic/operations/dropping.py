"""Taking a constraint or an index away."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations

from holdfast.alembic.operations.rebuilding import rebuilt
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import Target
from holdfast.errors import MigrationError

_NOT_REVERSIBLE = "What was dropped is not known; write the operation that makes it into the downgrade."


@Operations.register_operation("hf_drop_constraint")
class DropConstraintOp(MigrateOperation):
    """A constraint is gone from now on."""

    def __init__(
        self,
        name: str,
        table_name: str,
        type_: str | None = None,
        *,
        schema: str | None = None,
        reverse: MigrateOperation | None = None,
    ) -> None:
        self.name = name
        self.table_name = table_name
        self.type_ = type_
        self.schema = schema
        self._reverse = reverse

    @classmethod
    def hf_drop_constraint(
        cls, operations: Operations, name: str, table_name: str, type_: str | None = None, *, schema: str | None = None
    ) -> None:
        """The constraint is gone; ``type_`` is asked for on SQLite alone."""
        operations.invoke(cls(name, table_name, type_, schema=schema))

    def reverse(self) -> MigrateOperation:
        if self._reverse is None:
            raise MigrationError("HF461", f"Constraint {self.name} cannot be made again.", _NOT_REVERSIBLE)
        return self._reverse

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_drop_constraint", self.schema, self.table_name, self.name)


@Operations.register_operation("hf_drop_index")
class DropIndexOp(MigrateOperation):
    """An index is gone from now on."""

    def __init__(
        self,
        name: str,
        table_name: str,
        *,
        schema: str | None = None,
        reverse: MigrateOperation | None = None,
    ) -> None:
        self.name = name
        self.table_name = table_name
        self.schema = schema
        self._reverse = reverse

    @classmethod
    def hf_drop_index(cls, operations: Operations, name: str, table_name: str, *, schema: str | None = None) -> None:
        """The index is gone; nobody waits while it goes."""
        operations.invoke(cls(name, table_name, schema=schema))

    def reverse(self) -> MigrateOperation:
        if self._reverse is None:
            raise MigrationError("HF461", f"Index {self.name} cannot be made again.", _NOT_REVERSIBLE)
        return self._reverse

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_drop_index", self.schema, self.table_name, self.name)


@Operations.implementation_for(DropConstraintOp)
def _drop_constraint(operations: Operations, operation: DropConstraintOp) -> None:
    table = Target(operation.schema, operation.table_name)
    stepping = Stepping(operations, table)
    if not stepping.changing.stepwise:
        with rebuilt(operations, table) as batch:
            batch.drop_constraint(operation.name, type_=operation.type_)
        return
    stepping.send(stepping.changing.drop_constraint(table, operation.name))


@Operations.implementation_for(DropIndexOp)
def _drop_index(operations: Operations, operation: DropIndexOp) -> None:
    table, name = Target(operation.schema, operation.table_name), operation.name
    stepping = Stepping(operations, table)
    drop = stepping.changing.drop_index(table, name)
    if not stepping.changing.stepwise:
        stepping.send(drop)
        return

    def look() -> str:
        found = stepping.ask(stepping.changing.index(table, name))
        return "present" if found else "absent"

    stepping.walk(f"Index {name}", [Step("present", drop)], look, "absent", "")


@renderers.dispatch_for(DropConstraintOp)
def _render_constraint(context: AutogenContext, operation: DropConstraintOp) -> str:
    return call(
        context, "hf_drop_constraint", operation.name, operation.table_name, type_=operation.type_,
        schema=operation.schema,
    )  # fmt: skip


@renderers.dispatch_for(DropIndexOp)
def _render_index(context: AutogenContext, operation: DropIndexOp) -> str:
    return call(context, "hf_drop_index", operation.name, operation.table_name, schema=operation.schema)
