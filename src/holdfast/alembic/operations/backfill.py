"""A column filled in batches: a data migration that holds nobody up."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from sqlalchemy.sql.elements import ColumnElement, TextClause

from holdfast.alembic.operations.expanding import expansion_of
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.renewing import known_columns, policies_of, renew, table_name
from holdfast.alembic.operations.stepping import Stepping
from holdfast.context import current
from holdfast.database import execute
from holdfast.dialects.changing import Target
from holdfast.dialects.expanding import ExpandingInSteps
from holdfast.dialects.query import Query
from holdfast.errors import MigrationError
from holdfast.migrating.batches import Backfill, BatchSettings, Filled
from holdfast.migrating.statements import RUN
from holdfast.policies import Tenant, find

Expression = str | ColumnElement[Any] | TextClause


@Operations.register_operation("hf_backfill")
class BackfillOp(MigrateOperation):
    """The rows that are there have a value in a column."""

    def __init__(
        self,
        table_name: str,
        column: str,
        value: Expression | None = None,
        *,
        where: Expression | None = None,
        without_journal: str | None = None,
        batches: BatchSettings | None = None,
        schema: str | None = None,
    ) -> None:
        self.table_name = table_name
        self.column = column
        self.value = value
        self.where = where
        self.without_journal = without_journal
        self.batches = batches or BatchSettings()
        self.schema = schema

    @classmethod
    def hf_backfill(
        cls,
        operations: Operations,
        table_name: str,
        column: str,
        value: Expression | None = None,
        *,
        where: Expression | None = None,
        without_journal: str | None = None,
        batches: BatchSettings | None = None,
        schema: str | None = None,
    ) -> None:
        """Every row that meets ``where`` has ``value`` in the column; no row is locked for longer than a moment.

        Without ``where`` these are the rows in which the column is NULL, and the value is not. A column that
        ``hf_expand_column`` added needs no value. Batch by batch in the order of the key, each a transaction of its
        own; run again after a crash it goes on where it was. What is changed is in the journal as always;
        ``without_journal`` is the reason why not, which is written down, and for a column of ``hf_expand_column``
        alone, whose values follow from the other's. Raises HF467 where it would miss rows, or cannot go on.
        """
        operations.invoke(
            cls(table_name, column, value, where=where, without_journal=without_journal, batches=batches, schema=schema)
        )

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_backfill", self.schema, self.table_name, self.column)


@Operations.implementation_for(BackfillOp)
def _backfill(operations: Operations, operation: BackfillOp) -> None:
    table = Target(operation.schema, operation.table_name)
    stepping = Stepping(operations, table)
    if stepping.recorded:
        return
    what = f"Backfill of {table}.{operation.column}"
    if stepping.context.as_sql:
        _write(stepping, operation, what)
        return
    with stepping.each_by_itself():
        value, where = _expressions(stepping, operation)
        protected = bool(policies_of(stepping))
        if operation.without_journal is not None:
            _check_without_journal(stepping, operation, what)
        first = _first(stepping, what, protected)
    if protected and operation.without_journal is None:
        # Triggers that do not know the column yet would take its change for none.
        expansion = expansion_of(stepping, operation.column)
        renew(stepping, {} if expansion is None else {expansion.old: (expansion.old, expansion.new)})
    run: Any = stepping.connection.get_execution_options().get(RUN)
    digest = hashlib.sha256("\0".join((value, where)).encode()).hexdigest()[:12]
    with stepping.each_by_itself():
        Backfill(
            stepping.connection, stepping.dialect, table, operation.column, value, where,
            name=f"{table_name(stepping)}.{operation.column} {digest}", settings=operation.batches, first=first,
            progress=_progress(what), say=run.say if run is not None else lambda _text: None,
        ).run()  # fmt: skip
    if sys.stderr.isatty():
        sys.stderr.write("\n")


def _write(stepping: Stepping, operation: BackfillOp, what: str) -> None:
    """A script goes over the table page by page; HF467 where it cannot know which rows are done."""
    expanding = stepping.dialect.migrating.expanding
    if operation.where is not None or not isinstance(expanding, ExpandingInSteps):
        raise MigrationError(
            "HF467",
            f"{what}: a script cannot do this, for nobody could tell which rows are done.",
            "Leave where out, so that rows with NULL are filled, or run the migration on the database itself.",
        )
    stepping.write(expanding.script.fill(stepping.table, operation.column, _text(stepping, operation.value)))


def _expressions(stepping: Stepping, operation: BackfillOp) -> tuple[str, str]:
    """The value and the condition, as SQL."""
    column = stepping.dialect.quote(operation.column)
    value, where = _text(stepping, operation.value), _text(stepping, operation.where)
    if value is None:
        expansion = expansion_of(stepping, operation.column)
        if expansion is None:
            raise MigrationError(
                "HF467",
                f"{stepping.table}.{operation.column} has no other column to follow from, and no value is given.",
                "Give the value: an SQL expression over the row.",
            )
        value, unfilled = stepping.dialect.migrating.expanding.unfilled(expansion)
        return value, where or unfilled
    return f"({value})", where or f"{column} is null and ({value}) is not null"


def _text(stepping: Stepping, expression: Expression | None) -> str | None:
    if expression is None or isinstance(expression, str):
        return expression
    compiled = expression.compile(
        dialect=stepping.context.dialect, compile_kwargs={"literal_binds": True, "include_table": False}
    )
    # Doubled for a driver that looks for parameters.
    return str(compiled).replace("%%", "%")


def _check_without_journal(stepping: Stepping, operation: BackfillOp, what: str) -> None:
    """HF467 where the journal would have a hole; else the reason is written down."""
    reason = (operation.without_journal or "").strip()
    if not reason:
        raise MigrationError("HF467", f"{what}: no reason is given for leaving it out of the journal.", "Give one.")
    if expansion_of(stepping, operation.column) is None or operation.column in known_columns(stepping):
        raise MigrationError(
            "HF467",
            f"{what}: the journal keeps this column, and would miss what others write to it meanwhile.",
            "Leave out without_journal. It is for a column of hf_expand_column before hf_finalize_column, and before "
            "protection was told of it.",
        )
    if policies_of(stepping):
        details = {"table": str(table_name(stepping)), "column": operation.column}
        record = stepping.dialect.record_intervention("backfill", current().get("actor"), reason, details)
        execute(stepping.connection, record)


def _first(stepping: Stepping, what: str, protected: bool) -> list[Query]:
    """What each batch begins with; HF467 where row security would hide rows from it."""
    first: list[Query] = []
    dialect = stepping.dialect
    if protected:
        context = {**current(), "reason": current().get("reason") or what, "allow": "mass"}
        first += dialect.bind_context(context)
    asked = dialect.row_security(dialect.migrating.filling.name(stepping.table))
    if asked is not None and stepping.ask(asked)[0][0]:
        if find(policies_of(stepping), Tenant) is None:
            raise MigrationError(
                "HF467",
                f"{what}: row security hides rows of the table from this role.",
                "Migrate as a role with BYPASSRLS, or as one that a policy shows every row.",
            )
        first += dialect.work_across_tenants(what, current().get("actor"))
    return first


def _progress(what: str) -> Callable[[Filled], None]:
    """On a terminal one line that is written over; elsewhere nothing."""

    def told(filled: Filled) -> None:
        of = f" of about {max(filled.total, filled.done):,}" if filled.total else ""
        sys.stderr.write(f"\r{what}: {filled.done:,}{of} rows, {filled.changed:,} changed\x1b[K")
        sys.stderr.flush()

    return told if sys.stderr.isatty() else lambda _filled: None


@renderers.dispatch_for(BackfillOp)
def _render(context: AutogenContext, operation: BackfillOp) -> str:
    value = () if operation.value is None else (operation.value,)
    batches = None if operation.batches == BatchSettings() else operation.batches
    return call(
        context, "hf_backfill", operation.table_name, operation.column, *value, where=operation.where,
        without_journal=operation.without_journal, batches=batches, schema=operation.schema,
    )  # fmt: skip
