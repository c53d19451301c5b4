"""A column goes: first nobody needs to write it, then nobody does, then it is dropped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations

from holdfast.alembic.foreseeing import without_column
from holdfast.alembic.operations.contracting import RestoreColumnOp
from holdfast.alembic.operations.expanding import column_of, refuse_script, steps_of
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.renewing import named_by, policies_of, renewal, table_name
from holdfast.alembic.operations.replacing import Replacing
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import Target
from holdfast.dialects.expanding import ExpandingInSteps
from holdfast.errors import MigrationError

QUIET = timedelta(minutes=10)


@Operations.register_operation("hf_retire_column")
class RetireColumnOp(MigrateOperation):
    """A column may be left out by whoever writes the table."""

    def __init__(self, table_name: str, column: str, *, schema: str | None = None) -> None:
        self.table_name = table_name
        self.column = column
        self.schema = schema

    @classmethod
    def hf_retire_column(
        cls, operations: Operations, table_name: str, column: str, *, schema: str | None = None
    ) -> None:
        """The column may be NULL and has no default, so that code need not know it; who still writes it is noticed.

        Taken back by ``hf_unretire_column``, but for NOT NULL and the default. Raises HF466 where protection names it.
        """
        operations.invoke(cls(table_name, column, schema=schema))

    def reverse(self) -> UnretireColumnOp:
        return UnretireColumnOp(self.table_name, self.column, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_retire_column", self.schema, self.table_name, self.column)


@Operations.register_operation("hf_unretire_column")
class UnretireColumnOp(MigrateOperation):
    """Nobody looks any more who writes the column."""

    def __init__(self, table_name: str, column: str, *, schema: str | None = None) -> None:
        self.table_name = table_name
        self.column = column
        self.schema = schema

    @classmethod
    def hf_unretire_column(
        cls, operations: Operations, table_name: str, column: str, *, schema: str | None = None
    ) -> None:
        """The column is one like any other again; it may be NULL, and has no default."""
        operations.invoke(cls(table_name, column, schema=schema))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_unretire_column", self.schema, self.table_name, self.column)


@Operations.register_operation("hf_drop_column")
class DropColumnOp(MigrateOperation):
    """A retired column is gone."""

    def __init__(
        self, table_name: str, column: str, *, quiet: timedelta | None = None, schema: str | None = None
    ) -> None:
        self.table_name = table_name
        self.column = column
        self.quiet = QUIET if quiet is None else quiet
        self.schema = schema

    @classmethod
    def hf_drop_column(
        cls,
        operations: Operations,
        table_name: str,
        column: str,
        *,
        quiet: timedelta | None = None,
        schema: str | None = None,
    ) -> None:
        """The column is gone, and all that was made on it; nobody has written it for at least ``quiet`` (ten minutes).

        It cannot be taken back: see ``hf_restore_column``. Raises HF466 where the column was not retired before, and
        HF468 where it was written since then.
        """
        operations.invoke(cls(table_name, column, quiet=quiet, schema=schema))

    def reverse(self) -> RestoreColumnOp:
        return RestoreColumnOp(self.table_name, self.column, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_drop_column", self.schema, self.table_name, self.column)


def _stepping(operations: Operations, operation: Any) -> tuple[Stepping, Target, str]:
    """With the table's schema: what watches the column looks nowhere else."""
    table = Target(operation.schema, operation.table_name)
    stepping = Stepping(operations, table)
    if stepping.recorded:
        return stepping, table, operation.column
    refuse_script(stepping, f"Column {table}.{operation.column} taken away")
    found = Target(*table_name(stepping))
    return Stepping(operations, found), found, operation.column


def _written(operations: Operations, operation: Any, make: Callable[..., tuple[str, ...]]) -> bool:
    """Whether a script is written; then it has the steps."""
    table = Target(operation.schema, operation.table_name)
    stepping = Stepping(operations, table)
    expanding = stepping.dialect.migrating.expanding
    if stepping.recorded or not stepping.context.as_sql or not isinstance(expanding, ExpandingInSteps):
        return False
    stepping.write(make(expanding, table, operation.column))
    return True


def _state(stepping: Stepping, column: str) -> str:
    expanding = stepping.dialect.migrating.expanding
    if column_of(stepping, expanding, column) is None:
        return "absent"
    first = expanding.retired(stepping.table, column)
    if first is not None and not stepping.ask(first):
        return "in use"
    return "retired" if stepping.ask(expanding.last_write(stepping.table, column)) else "in use"


@Operations.implementation_for(RetireColumnOp)
def _retire(operations: Operations, operation: RetireColumnOp) -> None:
    if _written(operations, operation, lambda steps, table, column: steps.retire(table, column)):
        return
    stepping, table, column = _stepping(operations, operation)
    if stepping.recorded:
        return
    what = f"Column {table}.{column} retired"
    if not stepping.changing.stepwise:
        _refuse_needed(stepping, what, column)
        if _state(stepping, column) == "in use":
            Replacing(stepping).retire(column)
        return
    with stepping.each_by_itself():
        _refuse_needed(stepping, what, column)
    steps = [Step("in use", steps_of(stepping, what).retire(table, column))]
    stepping.walk(what, steps, lambda: _state(stepping, column), "retired", "")


def _refuse_needed(stepping: Stepping, what: str, column: str) -> None:
    stepping.refuse_partitioned(what, "Drop the column when no code names it any more.")
    found = column_of(stepping, stepping.dialect.migrating.expanding, column)
    if found is None:
        raise MigrationError("HF466", f"{what}: there is no such column.", "Look at the table's columns.")
    policy = named_by(policies_of(stepping), column)
    if policy is not None or found[3] or found[4]:
        why = f"{policy} names it" if policy else "the database gives its values, or it is part of the primary key"
        raise MigrationError("HF466", f"{what}: {why}.", "Change that first, in an earlier revision.")


@Operations.implementation_for(UnretireColumnOp)
def _unretire(operations: Operations, operation: UnretireColumnOp) -> None:
    if _written(operations, operation, lambda steps, table, column: steps.unretire(table, column)):
        return
    stepping, table, column = _stepping(operations, operation)
    if stepping.recorded:
        return
    what = f"Column {table}.{column} in use again"
    if not stepping.changing.stepwise:
        if _state(stepping, column) == "retired":
            Replacing(stepping).unretire(column)
        return
    steps = [Step("retired", steps_of(stepping, what).unretire(table, column))]
    stepping.walk(what, steps, lambda: _state(stepping, column), "in use", "")


@Operations.implementation_for(DropColumnOp)
def _drop(operations: Operations, operation: DropColumnOp) -> None:
    stepping, table, column = _stepping(operations, operation)
    if stepping.recorded:
        return
    what = f"Column {table}.{column} dropped"
    expanding = stepping.dialect.migrating.expanding

    def look() -> str:
        state = _state(stepping, column)
        if state == "in use":
            raise MigrationError(
                "HF466",
                f"{what}: whether code still writes it is not known.",
                f'Retire it first, in an earlier revision: op.hf_retire_column("{table.name}", "{column}").',
            )
        if state == "retired":
            [(seconds, enabled)] = stepping.ask(expanding.last_write(table, column))
            if not enabled or (seconds is not None and seconds < operation.quiet.total_seconds()):
                since = f"was written {seconds:.0f} s ago" if enabled else "is watched no more, for the trigger is off"
                raise MigrationError(
                    "HF468",
                    f"{table}.{column} {since}: code is at work that would fail without it.",
                    f"Find it, or wait until nobody has written the column for {operation.quiet}; then run it again.",
                )
        return state

    if not isinstance(expanding, ExpandingInSteps):
        if look() == "retired":
            Replacing(stepping).remove(column)
        return
    with stepping.each_by_itself():
        steps = []
        if look() == "retired":
            follow = renewal(stepping, {column: ()}, lambda info: without_column(info, column), (column,))
            steps = [Step("retired", expanding.remove(table, column, follow.before, follow.after))]
    stepping.walk(what, steps, look, "absent", "")


@renderers.dispatch_for(RetireColumnOp)
def _render_retire(context: AutogenContext, operation: RetireColumnOp) -> str:
    return call(context, "hf_retire_column", operation.table_name, operation.column, schema=operation.schema)


@renderers.dispatch_for(UnretireColumnOp)
def _render_unretire(context: AutogenContext, operation: UnretireColumnOp) -> str:
    return call(context, "hf_unretire_column", operation.table_name, operation.column, schema=operation.schema)


@renderers.dispatch_for(DropColumnOp)
def _render_drop(context: AutogenContext, operation: DropColumnOp) -> str:
    quiet = None if operation.quiet == QUIET else operation.quiet
    return call(context, "hf_drop_column", operation.table_name, operation.column, quiet=quiet, schema=operation.schema)
