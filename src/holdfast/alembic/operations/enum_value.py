"""A new value of an enum: at its place, and outside of any transaction that would have to use it."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations

from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import Target
from holdfast.errors import MigrationError


@Operations.register_operation("hf_add_enum_value")
class AddEnumValueOp(MigrateOperation):
    """An enum has a value from now on."""

    def __init__(
        self,
        type_name: str,
        value: str,
        *,
        before: str | None = None,
        after: str | None = None,
        schema: str | None = None,
    ) -> None:
        if before is not None and after is not None:
            raise MigrationError("HF461", f"{value!r} of {type_name} is given two places.", "Give before or after.")
        self.type_name = type_name
        self.value = value
        self.before = before
        self.after = after
        self.schema = schema

    @classmethod
    def hf_add_enum_value(
        cls,
        operations: Operations,
        type_name: str,
        value: str,
        *,
        before: str | None = None,
        after: str | None = None,
        schema: str | None = None,
    ) -> None:
        """The enum has the value, next to the one that is named, or as its last; rows may have it from here on.

        Nothing to do where the database keeps enums as text. Raises HF462 where the value is at another place.
        """
        operations.invoke(cls(type_name, value, before=before, after=after, schema=schema))

    def reverse(self) -> KeepEnumValueOp:
        return KeepEnumValueOp(self.type_name, self.value, before=self.before, after=self.after, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_add_enum_value", self.schema, self.type_name, self.value)


@Operations.register_operation("hf_keep_enum_value")
class KeepEnumValueOp(AddEnumValueOp):
    """The downgrade of ``hf_add_enum_value``: the database cannot take a value away, and it does no harm."""

    @classmethod
    def hf_keep_enum_value(
        cls,
        operations: Operations,
        type_name: str,
        value: str,
        *,
        before: str | None = None,
        after: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Leaves the value where it is; ``hf_add_enum_value`` finds it there."""
        operations.invoke(cls(type_name, value, before=before, after=after, schema=schema))

    def reverse(self) -> Any:
        return AddEnumValueOp(self.type_name, self.value, before=self.before, after=self.after, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_keep_enum_value", self.schema, self.type_name, self.value)


@Operations.implementation_for(AddEnumValueOp)
def _add(operations: Operations, operation: AddEnumValueOp) -> None:
    type_ = Target(operation.schema, operation.type_name)
    stepping = Stepping(operations, type_)
    if not stepping.changing.stepwise:
        return
    value, before, after = operation.value, operation.before, operation.after
    what = f"Value {value!r} of {type_}"

    def look() -> str:
        values = [row[0] for row in stepping.ask(stepping.changing.enum_values(type_))]
        if value not in values:
            return "absent"
        at = values.index(value)
        beside = (before is None or values[at + 1 : at + 2] == [before]) and (
            after is None or values[max(at - 1, 0) : at] == [after]
        )
        if not beside:
            wanted = f"before {before!r}" if before is not None else f"after {after!r}"
            raise stepping.different(what, f"one of {', '.join(values)}", wanted)
        return "present"

    side, neighbour = ("before", before) if before is not None else ("after", after)
    add = stepping.changing.add_enum_value(type_, value, "before" if side == "before" else "after", neighbour)
    stepping.walk(what, [Step("absent", add)], look, "present", "")


@Operations.implementation_for(KeepEnumValueOp)
def _keep(operations: Operations, operation: KeepEnumValueOp) -> None:
    """Nothing to be done."""


@renderers.dispatch_for(AddEnumValueOp)
def _render_add(context: AutogenContext, operation: AddEnumValueOp) -> str:
    return _render(context, "hf_add_enum_value", operation)


@renderers.dispatch_for(KeepEnumValueOp)
def _render_keep(context: AutogenContext, operation: KeepEnumValueOp) -> str:
    return _render(context, "hf_keep_enum_value", operation)


def _render(context: AutogenContext, name: str, operation: AddEnumValueOp) -> str:
    return call(
        context, name, operation.type_name, operation.value, before=operation.before, after=operation.after,
        schema=operation.schema,
    )  # fmt: skip
