"""What stock autogenerate does not see: predicates and INCLUDE of indexes, the text of a CHECK, what is not valid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from sqlalchemy import CheckConstraint, Index, Table, text

from holdfast.alembic.describing import Describer
from holdfast.alembic.expressions import is_different, mentions, predicate_of
from holdfast.alembic.protecting import ProtectOp
from holdfast.alembic.replacing_check import ReplaceCheckOp
from holdfast.database import execute
from holdfast.dialects.revising import FoundConstraint
from holdfast.inventory import Inventory
from holdfast.tables import TableName


@dataclass
class Comparison:
    """The indexes and constraints of the tables that are in the models and in the database."""

    describer: Describer
    upgrade: ops.UpgradeOps
    inventory: Inventory

    def compare(self, tables: Mapping[TableName, Table]) -> None:
        created = {
            self.describer.name(each.schema, each.table_name)
            for each in self.upgrade.ops
            if isinstance(each, ops.CreateTableOp)
        }
        there = {name: table for name, table in tables.items() if name not in created}
        self._indexes(there)
        self._constraints(there)

    # ------------------------------------------------------------------ indexes

    def _indexes(self, tables: Mapping[TableName, Table]) -> None:
        revising = self.describer.dialect.revising
        rows = {
            (TableName(row.schema_name, row.table_name), row.name): row
            for row in execute(self.describer.connection, revising.indexes())
        }
        for name, table in tables.items():
            for index in sorted(table.indexes, key=lambda each: str(each.name)):
                row = rows.get((name, self.describer.constraint_name(index) or ""))
                if row is not None and not self._is_in(name, row.name) and self._is_changed(index, row):
                    self._modify(table, list(self._anew(index, row)))

    def _is_changed(self, index: Index, row: Any) -> bool:
        return (
            not row.valid
            or is_different(self._predicate(index), self._present(row))
            or self._included(index) != json.loads(row.included)
        )

    def _present(self, row: Any) -> str | None:
        if row.predicate is None or not self.describer.dialect.revising.autoindexes:
            return row.predicate  # type: ignore[no-any-return]
        return predicate_of(row.predicate)

    def _predicate(self, index: Index) -> str | None:
        where = self._option(index, "where")
        return None if where is None else self.describer.written(text(where) if isinstance(where, str) else where)

    def _included(self, index: Index) -> list[str]:
        listed = self._option(index, "include") or ()
        return [each if isinstance(each, str) else str(each.name) for each in listed]

    def _option(self, index: Index, name: str) -> Any:
        return index.dialect_options[self.describer.connection.dialect.name].get(name)

    def _anew(self, index: Index, row: Any) -> Iterator[ops.MigrateOperation]:
        prefix = self.describer.connection.dialect.name
        made = ops.CreateIndexOp.from_index(index)
        predicate = self._present(row)
        before: dict[str, Any] = {f"{prefix}_where": None if predicate is None else text(predicate)}
        if included := json.loads(row.included):
            before[f"{prefix}_include"] = included
        options = {key: value for key, value in made.kw.items() if not key.endswith(("_where", "_include"))}
        options |= {key: value for key, value in before.items() if value is not None}
        was = ops.CreateIndexOp(
            made.index_name, made.table_name, made.columns, schema=made.schema, unique=made.unique, **options
        )
        assert made.index_name is not None
        yield ops.DropIndexOp(
            made.index_name, made.table_name, schema=made.schema, _reverse=was, unique=made.unique, **options
        )
        yield made

    # ------------------------------------------------------------------ constraints

    def _constraints(self, tables: Mapping[TableName, Table]) -> None:
        revising = self.describer.dialect.revising
        found: dict[TableName, dict[str, FoundConstraint]] = {}
        for each in revising.read_constraints(execute(self.describer.connection, revising.constraints())):
            found.setdefault(each.table, {})[each.name] = each
        for name, table in tables.items():
            there = found.get(name, {})
            checks = dict(self._checks(table))
            for check, expression in sorted(checks.items()):
                self._check(table, check, expression, there.get(check))
            if revising.verbatim:
                self._without_their_columns(table, [each for each in there.values() if each.name not in checks])
            for each in there.values():
                is_theirs = each.expression is None or each.name in checks
                if not each.valid and is_theirs and not self._is_in(name, each.name):
                    statement = revising.validate(name, each.name)
                    self.upgrade.ops.append(
                        ProtectOp(str(name), [], actions=[f"validate {each.name}"], finish=[statement])
                    )

    def _without_their_columns(self, table: Table, checks: Iterable[FoundConstraint]) -> None:
        """Where a table is made anew, what is in no model goes with a column that it is about."""
        dropped = [
            str(each.column_name)
            for modified in self.upgrade.ops
            if isinstance(modified, ops.ModifyTableOps)
            and (modified.schema, modified.table_name) == (table.schema, table.name)
            for each in modified.ops
            if isinstance(each, ops.DropColumnOp)
        ]
        for each in checks:
            if (
                each.expression is not None
                and mentions(each.expression, dropped)
                and not self._is_in(each.table, each.name)
            ):
                gone = ReplaceCheckOp(table.name, each.name, None, each.expression, schema=table.schema)
                self._modify(table, [gone])

    def _check(self, table: Table, name: str, expression: str, there: FoundConstraint | None) -> None:
        before = None if there is None else there.expression
        verbatim = self.describer.dialect.revising.verbatim
        if before is not None and not is_different(expression, before, verbatim=verbatim):
            return
        named = self.describer.name(table.schema, table.name)
        if not self._is_in(named, name):
            self._replace(table, named, name, expression, before)

    def _checks(self, table: Table) -> Iterator[tuple[str, str]]:
        compiler = self.describer.compiler
        for each in table.constraints:
            if not isinstance(each, CheckConstraint):
                continue
            rule = getattr(each, "_create_rule", None)
            name = self.describer.constraint_name(each) if rule is None or rule(compiler) else None
            if name is not None:
                yield name, self.describer.written(each.sqltext)

    def _replace(self, table: Table, named: TableName, name: str, expression: str, before: str | None) -> None:
        revising = self.describer.dialect.revising
        statements = revising.replace_check(named, name, expression)
        if not statements:
            self._modify(table, [ReplaceCheckOp(table.name, name, expression, before, schema=table.schema)])
            return
        self.upgrade.ops.append(
            ProtectOp(
                str(named),
                statements,
                revising.replace_check(named, name, before),
                actions=[f"{'create' if before is None else 'replace'} check {name}"],
            )
        )

    # ------------------------------------------------------------------ the revision

    def _is_in(self, table: TableName, name: str) -> bool:
        """Whether the revision already does something with what is called so, or it is a policy's."""
        if any(each.name == name and each.table == table for each in self.inventory.installed):
            return True
        for each in self.upgrade.ops:
            for inner in each.ops if isinstance(each, ops.ModifyTableOps) else [each]:
                called = getattr(inner, "index_name", None) or getattr(inner, "constraint_name", None)
                where = getattr(inner, "table_name", None) or getattr(inner, "source_table", None)
                if called == name and where == table.name:
                    return True
        return False

    def _modify(self, table: Table, operations: list[ops.MigrateOperation]) -> None:
        for each in self.upgrade.ops:
            if isinstance(each, ops.ModifyTableOps) and (each.schema, each.table_name) == (table.schema, table.name):
                each.ops.extend(operations)
                return
        self.upgrade.ops.append(ops.ModifyTableOps(table.name, operations, schema=table.schema))
