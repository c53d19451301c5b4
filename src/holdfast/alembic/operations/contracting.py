"""The old column goes, after the database itself has made sure that every row says the same in both."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations

from holdfast.alembic.foreseeing import renamed_column, without_column
from holdfast.alembic.operations.expanding import column_of, expansion_of, refuse_script, steps_of
from holdfast.alembic.operations.finalizing import copied_checks, copied_indexes, known_expansion
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.renewing import renewal
from holdfast.alembic.operations.replacing import Replacing
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import Target
from holdfast.dialects.expanding import Copied, ExpandingInSteps, bounded, copy_name
from holdfast.errors import MigrationError
from holdfast.tables import Expansion, TableInfo


@Operations.register_operation("hf_contract_column")
class ContractColumnOp(MigrateOperation):
    """A column is replaced by its successor."""

    def __init__(
        self,
        table_name: str,
        old: str,
        new: str,
        *,
        swap: bool = False,
        default: str | None = None,
        schema: str | None = None,
    ) -> None:
        self.table_name = table_name
        self.old = old
        self.new = new
        self.swap = swap
        self.default = default
        self.schema = schema

    @classmethod
    def hf_contract_column(
        cls,
        operations: Operations,
        table_name: str,
        old: str,
        new: str,
        *,
        swap: bool = False,
        default: str | None = None,
        schema: str | None = None,
    ) -> None:
        """The column ``old`` is gone; with ``swap`` the new one has its name, and what was copied the names of before.

        First a check says that both columns say the same, and is validated while others write; then one short
        transaction does the rest. ``default`` is the new column's, in place of the old one's. Raises HF460 where a row
        says one thing in the one and another in the other. It cannot be taken back: see ``hf_restore_column``.
        """
        operations.invoke(cls(table_name, old, new, swap=swap, default=default, schema=schema))

    def reverse(self) -> RestoreColumnOp:
        return RestoreColumnOp(self.table_name, self.old, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_contract_column", self.schema, self.table_name, self.old)


@Operations.register_operation("hf_restore_column")
class RestoreColumnOp(MigrateOperation):
    """A column that was dropped: it cannot come back."""

    def __init__(self, table_name: str, column: str, *, schema: str | None = None) -> None:
        self.table_name = table_name
        self.column = column
        self.schema = schema

    @classmethod
    def hf_restore_column(
        cls, operations: Operations, table_name: str, column: str, *, schema: str | None = None
    ) -> None:
        """For the downgrade of ``hf_contract_column`` and ``hf_drop_column``: raises HF469, and says what to do."""
        operations.invoke(cls(table_name, column, schema=schema))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_restore_column", self.schema, self.table_name, self.column)


@Operations.implementation_for(RestoreColumnOp)
def _restore(operations: Operations, operation: RestoreColumnOp) -> None:
    table = Target(operation.schema, operation.table_name)
    raise MigrationError(
        "HF469",
        f"{table}.{operation.column} was dropped, and its values with it: this revision cannot be taken back.",
        "Go on with a new revision: where another column has the values, op.hf_expand_column makes this one of it "
        "again; else the values are in a backup, and those that were changed in the journal.",
    )


@Operations.implementation_for(ContractColumnOp)
def _contract(operations: Operations, operation: ContractColumnOp) -> None:
    table = Target(operation.schema, operation.table_name)
    stepping = Stepping(operations, table)
    if stepping.recorded:
        return
    what = f"{operation.new} of {table} the same as {operation.old} in every row"
    offered = stepping.dialect.migrating.expanding
    if stepping.context.as_sql and isinstance(offered, ExpandingInSteps):
        stepping.write(
            *offered.script.contract(
                table, operation.old, operation.new, swap=operation.swap, default=operation.default
            )
        )
        return
    refuse_script(stepping, what)
    if not stepping.changing.stepwise:
        if not _is_contracted(stepping, operation):
            found = known_expansion(stepping, operation.old, operation.new)
            Replacing(stepping).contract(found, swap=operation.swap, default=operation.default)
        return
    expanding = steps_of(stepping, what)
    check = bounded(f"hf_{table.name}_{operation.new}_same")

    def look() -> str:
        if _is_contracted(stepping, operation):
            return "contracted"
        found = stepping.ask(stepping.changing.constraint(table, check))
        if not found:
            return "expanded"
        return "checked" if found[0][1] else "not checked"

    with stepping.each_by_itself():
        steps = [] if look() == "contracted" else _steps(stepping, expanding, operation, check)
    stepping.walk(what, steps, look, "contracted", stepping.changing.drop_constraint(table, check))


def _is_contracted(stepping: Stepping, operation: ContractColumnOp) -> bool:
    """HF466 where it was never expanded."""
    if expansion_of(stepping, operation.new) is not None:
        return False
    expanding = stepping.dialect.migrating.expanding
    kept, gone = (operation.old, operation.new) if operation.swap else (operation.new, operation.old)
    if column_of(stepping, expanding, kept) is None or column_of(stepping, expanding, gone) is not None:
        raise MigrationError(
            "HF466",
            f"{stepping.table}.{operation.new} is not beside {operation.old}.",
            "Begin with op.hf_expand_column, in an earlier revision.",
        )
    return True


def _steps(stepping: Stepping, expanding: ExpandingInSteps, operation: ContractColumnOp, check: str) -> list[Step]:
    table = stepping.table
    expansion = expansion_of(stepping, operation.new)
    assert expansion is not None
    old, new = (column_of(stepping, expanding, name) for name in (operation.old, operation.new))
    definition = expanding.same(expansion, str(old[0]), str(new[0]))
    _refuse_unfinished(stepping, expanding, expansion, old, new)
    renamed: list[tuple[Copied, bool]] = []
    if operation.swap:
        renamed += [(each, True) for each in copied_indexes(stepping, expanding, expansion)]
        renamed += [(each, False) for each in copied_checks(stepping, expanding, expansion)]
        for key in stepping.ask(expanding.foreign_keys(table, expansion.old)):
            copy = copy_name(str(key[0]), expansion.old, expansion.new)
            renamed.append((Copied(str(key[0]), copy, False, True, "", ""), False))

    def shape(info: TableInfo) -> TableInfo:
        info = without_column(info, expansion.old)
        column = info.column(expansion.new)
        if not operation.swap or column is None:
            return info
        return renamed_column(info, column, expansion.old)

    leaving = (expansion.old, expansion.new) if operation.swap else (expansion.old,)
    names = {expansion.new: (expansion.old,)} if operation.swap else {expansion.old: (expansion.new,)}
    follow = renewal(stepping, names, shape, leaving)
    last = expanding.contract(
        table, expansion, swap=operation.swap, default=operation.default or expansion.default, renamed=renamed,
        before=follow.before, after=follow.after,
    )  # fmt: skip
    return [
        Step("expanded", expanding.add_check(table, check, definition, valid=False)),
        Step("not checked", stepping.changing.validate(table, check)),
        Step("checked", last),
    ]


def _refuse_unfinished(
    stepping: Stepping, expanding: ExpandingInSteps, expansion: Expansion, old: Any, new: Any
) -> None:
    """HF466 where the new column lacks what would go with the old one."""
    table, missing = stepping.table, []
    if old[1] and not new[1]:
        missing.append("NOT NULL")
    for name, *_ in stepping.ask(expanding.indexes(table, expansion.old)):
        if not stepping.ask(stepping.changing.index(table, copy_name(str(name), expansion.old, expansion.new))):
            missing.append(f"index {name}")
    for name, *_ in (
        *stepping.ask(expanding.checks(table, expansion.old)),
        *stepping.ask(expanding.foreign_keys(table, expansion.old)),
    ):
        if not stepping.ask(stepping.changing.constraint(table, copy_name(str(name), expansion.old, expansion.new))):
            missing.append(f"constraint {name}")
    if missing:
        raise MigrationError(
            "HF466",
            f"{table}.{expansion.new} lacks what {expansion.old} has: {', '.join(missing)}.",
            f'Run op.hf_finalize_column("{table.name}", "{expansion.old}", "{expansion.new}") first.',
        )


@renderers.dispatch_for(ContractColumnOp)
def _render_contract(context: AutogenContext, operation: ContractColumnOp) -> str:
    return call(
        context, "hf_contract_column", operation.table_name, operation.old, operation.new,
        swap=operation.swap or None, default=operation.default, schema=operation.schema,
    )  # fmt: skip


@renderers.dispatch_for(RestoreColumnOp)
def _render_restore(context: AutogenContext, operation: RestoreColumnOp) -> str:
    return call(context, "hf_restore_column", operation.table_name, operation.column, schema=operation.schema)
