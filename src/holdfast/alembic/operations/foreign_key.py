"""A foreign key: for new rows at once, then for the rows that are there, while others write both tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations, ops
from sqlalchemy.schema import AddConstraint

from holdfast.alembic.operations.dropping import DropConstraintOp
from holdfast.alembic.operations.rebuilding import rebuilt
from holdfast.alembic.operations.rendering import call
from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.dialects.changing import ForeignKeyFacts, Target

_OPTIONS = ("onupdate", "ondelete", "deferrable", "initially", "match")


@Operations.register_operation("hf_create_foreign_key")
class CreateForeignKeyOp(MigrateOperation):
    """A foreign key holds from now on."""

    def __init__(
        self,
        name: str,
        source_table: str,
        referent_table: str,
        local_cols: Sequence[str],
        remote_cols: Sequence[str],
        *,
        source_schema: str | None = None,
        referent_schema: str | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        self.source_table = source_table
        self.referent_table = referent_table
        self.local_cols = list(local_cols)
        self.remote_cols = list(remote_cols)
        self.source_schema = source_schema
        self.referent_schema = referent_schema
        self.options = {key: value for key, value in options.items() if value is not None}

    @classmethod
    def hf_create_foreign_key(
        cls,
        operations: Operations,
        name: str,
        source_table: str,
        referent_table: str,
        local_cols: Sequence[str],
        remote_cols: Sequence[str],
        *,
        onupdate: str | None = None,
        ondelete: str | None = None,
        deferrable: bool | None = None,
        initially: str | None = None,
        match: str | None = None,
        source_schema: str | None = None,
        referent_schema: str | None = None,
    ) -> None:
        """The foreign key holds, for rows old and new; readers and writers of both tables wait for moments only.

        Run again after a crash it goes on where it was. Raises HF460 where rows refer to what is not there, and HF462
        where another constraint has the name.
        """
        operations.invoke(
            cls(
                name, source_table, referent_table, local_cols, remote_cols,
                source_schema=source_schema, referent_schema=referent_schema,
                onupdate=onupdate, ondelete=ondelete, deferrable=deferrable, initially=initially, match=match,
            )
        )  # fmt: skip

    def reverse(self) -> DropConstraintOp:
        return DropConstraintOp(self.name, self.source_table, "foreignkey", schema=self.source_schema, reverse=self)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("hf_create_foreign_key", self.source_schema, self.source_table, self.name)

    def added(self, context: Any) -> AddConstraint:
        made = ops.CreateForeignKeyOp(
            self.name, self.source_table, self.referent_table, self.local_cols, self.remote_cols,
            source_schema=self.source_schema, referent_schema=self.referent_schema, postgresql_not_valid=True,
            **self.options,
        )  # fmt: skip
        return AddConstraint(made.to_constraint(context))

    def facts(self) -> ForeignKeyFacts:
        initially = str(self.options.get("initially", "")).upper()
        return ForeignKeyFacts(
            tuple(self.local_cols),
            tuple(self.remote_cols),
            str(self.options.get("onupdate", "NO ACTION")).upper(),
            str(self.options.get("ondelete", "NO ACTION")).upper(),
            bool(self.options.get("deferrable", initially == "DEFERRED")),
            initially == "DEFERRED",
            str(self.options.get("match", "")).upper() == "FULL",
        )


@Operations.implementation_for(CreateForeignKeyOp)
def _create(operations: Operations, operation: CreateForeignKeyOp) -> None:
    table, name = Target(operation.source_schema, operation.source_table), operation.name
    stepping = Stepping(operations, table)
    changing = stepping.changing
    if not changing.stepwise:
        with rebuilt(operations, table) as batch:
            batch.create_foreign_key(
                name, operation.referent_table, operation.local_cols, operation.remote_cols, **operation.options
            )
        return
    what = f"Constraint {name} of {table}"
    referred = Target(operation.referent_schema, operation.referent_table)
    if stepping.version < (18,):
        stepping.refuse_partitioned(what, "Add the foreign key to each partition, or use PostgreSQL 18.")

    def look() -> str:
        named = stepping.ask(changing.constraint(table, name))
        if not named:
            return "absent"
        found = stepping.ask(changing.foreign_key(table, name, referred))
        same = False
        if found:
            [(_valid, target, local, remote, *rest)] = found
            facts = ForeignKeyFacts(tuple(json.loads(local)), tuple(json.loads(remote)), *rest)
            same = bool(target) and facts == operation.facts()
        if not same:
            raise stepping.different(what, named[0][2], f"{operation.facts()} to {referred}")
        return "valid" if found[0][0] else "not valid"

    steps = [
        Step("absent", operation.added(stepping.context)),
        Step("not valid", changing.validate(table, name)),
    ]
    stepping.walk(what, steps, look, "valid", changing.drop_constraint(table, name))


@renderers.dispatch_for(CreateForeignKeyOp)
def _render(context: AutogenContext, operation: CreateForeignKeyOp) -> str:
    return call(
        context, "hf_create_foreign_key", operation.name, operation.source_table, operation.referent_table,
        operation.local_cols, operation.remote_cols, source_schema=operation.source_schema,
        referent_schema=operation.referent_schema, **{key: operation.options.get(key) for key in _OPTIONS},
    )  # fmt: skip
