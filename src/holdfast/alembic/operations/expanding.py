"""A column is replaced by another one: both are there, and the database keeps them the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from sqlalchemy.types import TypeEngine

from holdfast.alembic.foreseeing import without_column
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.renewing import named_by, policies_of, renewal
from holdfast.alembic.operations.replacing import Replacing
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import Target
from holdfast.dialects.expanding import Expanding, ExpandingInSteps
from holdfast.errors import MigrationError
from holdfast.tables import Expansion


@Operations.register_operation("hf_expand_column")
class ExpandColumnOp(MigrateOperation):
    """A column has a successor from now on."""

    def __init__(
        self,
        table_name: str,
        old: str,
        new: str,
        type_: TypeEngine[Any] | type[TypeEngine[Any]],
        *,
        up: str | None = None,
        down: str | None = None,
        schema: str | None = None,
    ) -> None:
        self.table_name = table_name
        self.old = old
        self.new = new
        self.type_ = type_
        self.up = up
        self.down = down
        self.schema = schema

    @classmethod
    def hf_expand_column(
        cls,
        operations: Operations,
        table_name: str,
        old: str,
        new: str,
        type_: TypeEngine[Any] | type[TypeEngine[Any]],
        *,
        up: str | None = None,
        down: str | None = None,
        schema: str | None = None,
    ) -> None:
        """The column ``new`` is there beside ``old``, and whoever writes the one has written the other.

        ``up`` is an SQL expression over the old column that gives the new one, ``down`` one over the new column that
        gives the old one; without them the value is the same. Rows that are there are filled by ``hf_backfill``. Taken
        back by ``hf_collapse_column``. A write that gives both, and not the same, is refused with HF465. Raises HF466
        where the column cannot be replaced so.
        """
        operations.invoke(cls(table_name, old, new, type_, up=up, down=down, schema=schema))

    def reverse(self) -> CollapseColumnOp:
        return CollapseColumnOp(self.table_name, self.new, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_expand_column", self.schema, self.table_name, self.old, self.new)


@Operations.register_operation("hf_collapse_column")
class CollapseColumnOp(MigrateOperation):
    """A column has no successor any more."""

    def __init__(self, table_name: str, new: str, *, schema: str | None = None) -> None:
        self.table_name = table_name
        self.new = new
        self.schema = schema

    @classmethod
    def hf_collapse_column(
        cls, operations: Operations, table_name: str, new: str, *, schema: str | None = None
    ) -> None:
        """The column that ``hf_expand_column`` added is gone, and all that was made on it; the old one is as it was."""
        operations.invoke(cls(table_name, new, schema=schema))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_collapse_column", self.schema, self.table_name, self.new)


def steps_of(stepping: Stepping, what: str) -> ExpandingInSteps:
    """The database's way to do it step by step; HF466 where nobody can be asked what is there."""
    refuse_script(stepping, what)
    expanding = stepping.dialect.migrating.expanding
    assert isinstance(expanding, ExpandingInSteps)
    return expanding


def refuse_script(stepping: Stepping, what: str) -> None:
    if stepping.context.as_sql:
        raise MigrationError(
            "HF466",
            f"{what}: a script cannot do this, for the database has to be asked what is there.",
            "Run the migration on the database itself.",
        )


def expansion_of(stepping: Stepping, new: str) -> Expansion | None:
    """The expansion that ``new`` is the new column of; HF466 where somebody switched its trigger off."""
    found = stepping.ask(stepping.dialect.migrating.expanding.synchronised(stepping.table, new))
    if not found:
        return None
    [(text, enabled)] = found
    expansion = Expansion.from_text(text)
    if not enabled:
        raise MigrationError(
            "HF466",
            f"The trigger that keeps {stepping.table}.{expansion.old} and {new} the same is switched off.",
            f"Switch it on (alter table {stepping.table} enable trigger …), and fill what was missed: op.hf_backfill.",
        )
    return expansion


def column_of(stepping: Stepping, expanding: Expanding, column: str) -> Any:
    """type, not null, default, generated, in the primary key, referred to; None where there is no such column."""
    found = stepping.ask(expanding.column(stepping.table, column))
    return found[0] if found else None


@Operations.implementation_for(ExpandColumnOp)
def _expand(operations: Operations, operation: ExpandColumnOp) -> None:
    table = Target(operation.schema, operation.table_name)
    stepping = Stepping(operations, table)
    if stepping.recorded:
        return
    what = f"Column {operation.new} beside {table}.{operation.old}"
    expanding = stepping.dialect.migrating.expanding
    type_ = sa.types.to_instance(operation.type_)
    if stepping.context.as_sql and isinstance(expanding, ExpandingInSteps):
        given = Expansion(operation.old, operation.new, operation.up, operation.down)
        stepping.write(expanding.script.expand(table, given, type_.compile(dialect=stepping.context.dialect)))
        return
    refuse_script(stepping, what)

    def look() -> str:
        found = expansion_of(stepping, operation.new)
        if found is None:
            if column_of(stepping, expanding, operation.new) is not None:
                raise stepping.different(f"Column {table}.{operation.new}", "a column of its own", what)
            return "absent"
        wanted = replace(found, old=operation.old, new=operation.new, up=operation.up, down=operation.down)
        if found != wanted:
            raise stepping.different(what, str(found), str(wanted))
        return "expanded"

    def expansion() -> Expansion:
        default = _check(stepping, expanding, what, operation.old) if look() == "absent" else None
        return Expansion(operation.old, operation.new, operation.up, operation.down, default)

    if not isinstance(expanding, ExpandingInSteps):
        if look() == "absent":
            Replacing(stepping).expand(expansion(), type_, what)
        return
    with stepping.each_by_itself():
        expand = expanding.expand(table, expansion(), type_.compile(dialect=stepping.context.dialect))
    stepping.walk(what, [Step("absent", expand)], look, "expanded", "")


def _check(stepping: Stepping, expanding: Expanding, what: str, old: str) -> str | None:
    """HF466 for a column that cannot have a successor; its default."""
    stepping.refuse_partitioned(what, "Give each partition its columns by hand, or copy the table.")
    column = column_of(stepping, expanding, old)
    if column is None:
        raise MigrationError("HF466", f"{what}: there is no such column.", "Look at the table's columns.")
    _type, _not_null, default, made, primary, referred = column
    policy = named_by(policies_of(stepping), old)
    why = (
        "the database itself gives its values"
        if made
        else "it is part of the primary key"
        if primary
        else "foreign keys refer to it"
        if referred
        else f"{policy} names it"
        if policy
        else None
    )
    if why is not None:
        raise MigrationError(
            "HF466", f"{what}: {why}.", "Make a new table, and copy the rows; or keep the column as it is."
        )
    return None if default is None else str(default)


@Operations.implementation_for(CollapseColumnOp)
def _collapse(operations: Operations, operation: CollapseColumnOp) -> None:
    table = Target(operation.schema, operation.table_name)
    stepping = Stepping(operations, table)
    if stepping.recorded:
        return
    what = f"Column {table}.{operation.new} taken back"
    expanding = stepping.dialect.migrating.expanding
    if stepping.context.as_sql and isinstance(expanding, ExpandingInSteps):
        # What a script expanded had no default.
        stepping.write(expanding.collapse(table, Expansion("", operation.new)))
        return
    refuse_script(stepping, what)

    def look() -> str:
        if expansion_of(stepping, operation.new) is not None:
            return "expanded"
        if column_of(stepping, expanding, operation.new) is not None:
            raise MigrationError(
                "HF466",
                f"{what}: it is no column beside another one.",
                "What hf_contract_column took away cannot come back by itself: see holdfast explain HF469.",
            )
        return "absent"

    if not isinstance(expanding, ExpandingInSteps):
        expansion = expansion_of(stepping, operation.new)
        if look() == "expanded" and expansion is not None:
            Replacing(stepping).collapse(expansion)
        return
    with stepping.each_by_itself():
        found = expansion_of(stepping, operation.new)
        statements: tuple[str, ...] = ()
        if found is not None:
            names = {operation.new: ()}
            follow = renewal(
                stepping, names, lambda info: without_column(info, operation.new), leaving=(operation.new,)
            )
            statements = (*follow.before, *expanding.collapse(table, found), *follow.after)
    stepping.walk(what, [Step("expanded", statements)], look, "absent", "")


@renderers.dispatch_for(ExpandColumnOp)
def _render_expand(context: AutogenContext, operation: ExpandColumnOp) -> str:
    return call(
        context, "hf_expand_column", operation.table_name, operation.old, operation.new, operation.type_,
        up=operation.up, down=operation.down, schema=operation.schema,
    )  # fmt: skip


@renderers.dispatch_for(CollapseColumnOp)
def _render_collapse(context: AutogenContext, operation: CollapseColumnOp) -> str:
    return call(context, "hf_collapse_column", operation.table_name, operation.new, schema=operation.schema)
