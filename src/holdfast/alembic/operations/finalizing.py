"""The new column gets what the old one has: NOT NULL, indexes, unique constraints, checks, foreign keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations

from holdfast.alembic.operations.expanding import column_of, expansion_of, refuse_script, steps_of
from holdfast.alembic.operations.foreign_key import CreateForeignKeyOp
from holdfast.alembic.operations.not_null import SetNotNullOp
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.renewing import renew
from holdfast.alembic.operations.replacing import Replacing
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.database import execute
from holdfast.dialects.changing import Target
from holdfast.dialects.expanding import Copied, ExpandingInSteps, copy_name
from holdfast.errors import MigrationError
from holdfast.tables import Expansion


@Operations.register_operation("hf_finalize_column")
class FinalizeColumnOp(MigrateOperation):
    """A column that replaces another has all that the other has."""

    def __init__(self, table_name: str, old: str, new: str, *, schema: str | None = None) -> None:
        self.table_name = table_name
        self.old = old
        self.new = new
        self.schema = schema

    @classmethod
    def hf_finalize_column(
        cls, operations: Operations, table_name: str, old: str, new: str, *, schema: str | None = None
    ) -> None:
        """The column ``new`` is NOT NULL where ``old`` is, and has the same indexes, constraints and protection.

        Nobody waits for longer than a moment. Run again after a crash it goes on where it was. What is copied is called
        by the new column's name in place of the old one's. Raises HF460 where a row lacks its new value.
        """
        operations.invoke(cls(table_name, old, new, schema=schema))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_finalize_column", self.schema, self.table_name, self.new)


def known_expansion(stepping: Stepping, old: str, new: str) -> Expansion:
    """HF466 where the new column is not beside the old one."""
    found = expansion_of(stepping, new)
    if found is None or found.old != old:
        raise MigrationError(
            "HF466",
            f"{stepping.table}.{new} is not beside {old}.",
            f'Begin with op.hf_expand_column("{stepping.table.name}", "{old}", "{new}", …), in an earlier revision.',
        )
    return found


@Operations.implementation_for(FinalizeColumnOp)
def _finalize(operations: Operations, operation: FinalizeColumnOp) -> None:
    table = Target(operation.schema, operation.table_name)
    stepping = Stepping(operations, table)
    if stepping.recorded:
        return
    what = f"Column {table}.{operation.new} made as {operation.old}"
    offered = stepping.dialect.migrating.expanding
    if stepping.context.as_sql and isinstance(offered, ExpandingInSteps):
        stepping.write(offered.script.finalize(table, operation.old, operation.new))
        return
    refuse_script(stepping, what)
    if not stepping.changing.stepwise:
        Replacing(stepping).finalize(known_expansion(stepping, operation.old, operation.new))
        return
    expanding = steps_of(stepping, what)
    with stepping.each_by_itself():
        expansion = known_expansion(stepping, operation.old, operation.new)
        not_null = column_of(stepping, expanding, operation.old)[1]
        indexes = list(copied_indexes(stepping, expanding, expansion))
        checks = list(copied_checks(stepping, expanding, expansion))
        keys = stepping.ask(expanding.foreign_keys(table, expansion.old))
    if not_null:
        operations.invoke(SetNotNullOp(table.name, expansion.new, schema=table.schema))
    for each in indexes:
        _copy_index(stepping, expanding, each)
    for each in checks:
        _copy_check(stepping, expanding, each)
    for key in keys:
        operations.invoke(_copy_of_key(table, expansion, key))
    renew(stepping, {expansion.old: (expansion.old, expansion.new)})


# ---------------------------------------------------------------------- what is to be copied


def copied_indexes(stepping: Stepping, expanding: ExpandingInSteps, expansion: Expansion) -> Iterator[Copied]:
    """The indexes of the old column, each as it would be on the new one: on an empty table whose column is renamed the
    database itself says how."""
    for name, unique, constraint, deferring, definition in stepping.ask(
        expanding.indexes(stepping.table, expansion.old)
    ):
        copy = copy_name(str(name), expansion.old, expansion.new)
        [(_state, wanted)] = _on_twin(
            stepping,
            expanding,
            expansion,
            lambda twin, copy=copy, text=definition: expanding.create_index(twin, copy, text, concurrently=False),
            lambda twin, copy=copy: stepping.changing.index(twin, copy),
        )
        yield Copied(str(name), copy, bool(unique), bool(constraint), str(deferring), str(wanted))


def copied_checks(stepping: Stepping, expanding: ExpandingInSteps, expansion: Expansion) -> Iterator[Copied]:
    for name, definition in stepping.ask(expanding.checks(stepping.table, expansion.old)):
        copy = copy_name(str(name), expansion.old, expansion.new)
        [(_kind, _valid, wanted)] = _on_twin(
            stepping,
            expanding,
            expansion,
            lambda twin, copy=copy, text=definition: expanding.add_check(twin, copy, text, valid=True),
            lambda twin, copy=copy: stepping.changing.constraint(twin, copy),
        )
        yield Copied(str(name), copy, False, True, "", str(wanted))


def _on_twin(stepping: Stepping, expanding: ExpandingInSteps, expansion: Expansion, made: Any, asked: Any) -> list[Any]:
    twin = stepping.changing.twin(stepping.table)
    connection = stepping.connection
    execute(connection, twin.begin)
    try:
        for statement in (twin.create, made(twin.table), *expanding.on_twin(twin.table, expansion)):
            execute(connection, statement)
        return execute(connection, asked(twin.table))
    finally:
        execute(connection, twin.rollback)


def _copy_of_key(table: Target, expansion: Expansion, key: Any) -> CreateForeignKeyOp:
    name, schema, referred, local, remote, on_update, on_delete, deferrable, deferred, full = key
    columns = [expansion.new if column == expansion.old else column for column in json.loads(local)]
    return CreateForeignKeyOp(
        copy_name(str(name), expansion.old, expansion.new), table.name, referred, columns, json.loads(remote),
        source_schema=table.schema, referent_schema=schema, onupdate=on_update, ondelete=on_delete,
        deferrable=deferrable or None, initially="DEFERRED" if deferred else None, match="FULL" if full else None,
    )  # fmt: skip


# ---------------------------------------------------------------------- copying


def _copy_index(stepping: Stepping, expanding: ExpandingInSteps, each: Copied) -> None:
    changing, table = stepping.changing, stepping.table
    what = f"Index {each.copy}"

    def look() -> str:
        if each.constraint:
            found = stepping.ask(changing.constraint(table, each.copy))
            if found:
                if found[0][2] != each.definition + each.deferring:
                    raise stepping.different(what, found[0][2], each.definition + each.deferring)
                return "constraint"
        found = stepping.ask(changing.index(table, each.copy))
        if not found:
            return "absent"
        state, definition = found[0]
        if state == "building":
            raise stepping.building(what)
        if state == "valid" and definition != each.definition:
            raise stepping.different(what, definition, each.definition)
        return str(state)

    drop = changing.drop_index(table, each.copy)
    steps = [
        Step("invalid", drop, mends=True),
        Step("absent", expanding.create_index(table, each.copy, each.definition, concurrently=True)),
    ]
    if each.constraint:
        steps.append(Step("valid", changing.use_index(table, each.copy, each.deferring)))
    stepping.walk(what, steps, look, "constraint" if each.constraint else "valid", drop)


def _copy_check(stepping: Stepping, expanding: ExpandingInSteps, each: Copied) -> None:
    changing, table = stepping.changing, stepping.table
    what = f"Constraint {each.copy} of {table}"

    def look() -> str:
        found = stepping.ask(changing.constraint(table, each.copy))
        if not found:
            return "absent"
        [(_kind, valid, definition)] = found
        if definition != each.definition:
            raise stepping.different(what, definition, each.definition)
        return "valid" if valid else "not valid"

    steps = [
        Step("absent", expanding.add_check(table, each.copy, each.definition, valid=False)),
        Step("not valid", changing.validate(table, each.copy)),
    ]
    stepping.walk(what, steps, look, "valid", changing.drop_constraint(table, each.copy))


@renderers.dispatch_for(FinalizeColumnOp)
def _render(context: AutogenContext, operation: FinalizeColumnOp) -> str:
    names = (operation.table_name, operation.old, operation.new)
    return call(context, "hf_finalize_column", *names, schema=operation.schema)
