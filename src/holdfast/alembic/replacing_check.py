"""A CHECK that gets another condition, where the table is made anew for it: a part of its batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _alembic_autogenerate_prefix
from alembic.operations import MigrateOperation


class ReplaceCheckOp(MigrateOperation):
    """None of the two conditions: there is no such CHECK then."""

    def __init__(
        self, table_name: str, constraint_name: str, condition: str | None, before: str | None, *, schema: str | None
    ) -> None:
        self.table_name = table_name
        self.constraint_name = constraint_name
        self.condition = condition
        self.before = before
        self.schema = schema

    def reverse(self) -> ReplaceCheckOp:
        return ReplaceCheckOp(self.table_name, self.constraint_name, self.before, self.condition, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        verb = "drop" if self.condition is None else "create" if self.before is None else "replace"
        return (f"{verb} check {self.constraint_name}", self.schema, self.table_name)


@renderers.dispatch_for(ReplaceCheckOp)
def _render(context: AutogenContext, operation: ReplaceCheckOp) -> list[str]:
    return list(_calls(context, operation))


def _calls(context: AutogenContext, operation: ReplaceCheckOp) -> Iterator[str]:
    """Alembic's own operations, of a batch where the revision has one."""
    prefix = _alembic_autogenerate_prefix(context)
    table = "" if context._has_batch else f", {operation.table_name!r}"
    name = f"{prefix}f({operation.constraint_name!r})"
    if operation.before is not None:
        yield f"{prefix}drop_constraint({name}{table}, type_='check')"
    if operation.condition is not None:
        # A colon would begin a parameter.
        condition = operation.condition.replace(":", "\\:")
        text = f"{context.opts['sqlalchemy_module_prefix']}text({condition!r})"
        yield f"{prefix}create_check_constraint({name}{table}, {text})"
