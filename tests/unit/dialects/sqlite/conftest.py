"""Real SQLite through the plain sqlite3 module: a database that is protected by what the dialect renders."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.dialects.log import LogFilter
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite import SQLite
from holdfast.dialects.undo import UndoStatements
from holdfast.journal import Relation
from holdfast.objects import Protection
from holdfast.policies import Audit, Policy, columns_needed
from holdfast.tables import ColumnInfo, ForeignKey, TableInfo, TableName, UniqueKey

ACTIONS: dict[str, Any] = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


class House:
    """A protected database, with what a test needs to look into it."""

    def __init__(self, path: Path, *, recursive: bool) -> None:
        self.dialect = SQLite()
        self.path = path
        self.recursive = recursive
        self.protections: dict[TableName, Protection] = {}
        self.connection = self.connect()

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("pragma foreign_keys = on")
        connection.execute("pragma synchronous = off")
        connection.execute(f"pragma recursive_triggers = {int(self.recursive)}")
        return connection

    def __call__(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.connection.execute(sql, parameters)]

    def script(self, sql: str) -> None:
        self.connection.executescript(sql)

    def query(self, query: Query | str) -> list[sqlite3.Row]:
        query = query if isinstance(query, Query) else Query(query, {})
        for name, (arguments, function) in self.dialect.functions.items():
            if name in query.sql:
                self.connection.create_function(name, arguments, function)
        return list(self.connection.execute(query.sql, dict(query.parameters)))

    # ------------------------------------------------------------------ protecting

    def tables(self) -> dict[TableName, TableInfo]:
        tables = {}
        for row in self.query(self.dialect.catalog.tables):
            table = _table(json.loads(row[0]))
            tables[table.name] = table
        return {
            name: replace(
                table,
                referenced_by=tuple(k for each in tables.values() for k in each.foreign_keys if k.target == name),
            )
            for name, table in tables.items()
        }

    def protect(self, **declared: Policy | tuple[Policy, ...]) -> None:
        self.declare({name: each if isinstance(each, tuple) else (each,) for name, each in declared.items()})

    def declare(self, declared: dict[str, tuple[Policy, ...]]) -> None:
        run = self.connection.execute
        run("begin immediate")
        try:
            for statement in self.dialect.install_journal("0.1.0", False):
                run(statement)
            for name, policies in declared.items():
                table = self.tables()[TableName("main", name)]
                for column, sort in columns_needed(policies):
                    if table.column(column) is None:
                        for statement in self.dialect.columns.add(table.name, column, sort):
                            run(statement)
            for name, policies in declared.items():
                table = self.tables()[TableName("main", name)]
                number = len(self.protections) + 1
                ids = {column.name: column.position for column in table.columns}
                self.protections[table.name] = Protection(table, Relation(number, table.name, table.key, ids), policies)
            for protection in self.protections.values():
                for statement in self.dialect.register(protection):
                    run(statement)
                for each in self.dialect.objects(protection, self.protections):
                    for statement in (*each.create, *self.dialect.mark(each, "0.1.0")):
                        run(statement)
            run("commit")
        except BaseException:
            run("rollback")
            raise

    def __getitem__(self, name: str) -> Protection:
        return self.protections[TableName("main", name)]

    # ------------------------------------------------------------------ looking

    def log(self, table: str | None = None, **wanted: Any) -> list[dict[str, Any]]:
        """The changes, oldest first."""
        name = TableName("main", table) if table else None
        rows = self.query(self.dialect.log.changes(LogFilter(table=name, limit=None, **wanted)))
        changes = []
        for row in reversed(rows):
            change = dict(row)
            for field in ("key", "before", "after"):
                change[field] = json.loads(change[field]) if change[field] is not None else None
            changes.append(change)
        return changes

    def told(self, table: str | None = None) -> list[tuple[Any, ...]]:
        """(operation, key, before, after) of each change, oldest first."""
        return [(each["operation"], each["key"], each["before"], each["after"]) for each in self.log(table)]

    def bind(self, **context: Any) -> None:
        for query in self.dialect.bind_context(context):
            self.query(query)

    def unbind(self) -> None:
        for query in self.dialect.unbind_context():
            self.query(query)

    def work(self, *statements: str, **context: Any) -> str:
        """One transaction with a context; its id."""
        self("begin immediate")
        try:
            self.bind(**context)
            for statement in statements:
                self(statement)
            written = self.query(self.dialect.log.current_transaction())
            self.unbind()
            self("commit")
        except BaseException:
            self("rollback")
            raise
        return str(written[0][0]) if written else ""

    # ------------------------------------------------------------------ undoing

    def undo(self, transaction: str, *tables: str, force: bool = False) -> Undone:
        touched = {row["relation"] for row in self.query(self.dialect.log.tables(transaction))}
        chosen = [
            each
            for each in self.protections.values()
            if each.relation.id in touched and each.get(Audit) and (not tables or each.table.name.name in tables)
        ]
        statements = self.dialect.undo.statements(transaction, chosen, self.protections, force)
        for statement in statements.outside:
            self(statement)
        try:
            return self._undo(statements)
        finally:
            for statement in statements.outside_after:
                self(statement)

    def _undo(self, statements: UndoStatements) -> Undone:
        self("begin immediate")
        try:
            self.bind(reason="undo")
            for query in statements.prepare:
                self.query(query)
            counts = [tuple(row) for row in self.query(statements.counts)]
            preview = [tuple(row) for row in self.query(statements.preview)]
            conflicts = [tuple(row) for query in statements.conflicts for row in self.query(query)]
            if not conflicts:
                for statement in statements.apply:
                    self(statement)
                conflicts = [tuple(row) for query in statements.verify for row in self.query(query)]
            if conflicts:
                self("rollback")
                return Undone(None, counts, preview, conflicts)
            for statement in statements.cleanup:
                self(statement)
            written = self.query(self.dialect.log.current_transaction())
            self.unbind()
            self("commit")
            return Undone(str(written[0][0]) if written else None, counts, preview, [])
        except BaseException:
            self("rollback")
            raise


class Undone:
    def __init__(self, transaction: str | None, counts: list[Any], preview: list[Any], conflicts: list[Any]) -> None:
        self.transaction = transaction
        self.counts = counts
        self.preview = preview
        self.conflicts = conflicts

    @property
    def why(self) -> list[str]:
        return [row[2] for row in self.conflicts]


def _table(document: dict[str, Any]) -> TableInfo:
    name = TableName(document["schema"], document["name"])
    columns = tuple(ColumnInfo(**each) for each in document["columns"])
    uniques = tuple(
        UniqueKey(
            each["name"],
            tuple(each["columns"]),
            each["primary"],
            each["partial"],
            collations=tuple(each["collations"]),
        )
        for each in document["uniques"]
    )  # fmt: skip
    key = next((unique.columns for unique in uniques if unique.primary), ())
    keys = tuple(
        ForeignKey(
            each["name"], name, tuple(each["columns"]), TableName(each["target_schema"], each["target"]),
            tuple(each["target_columns"]), ACTIONS[each["on_delete"]], ACTIONS[each["on_update"]],
        )
        for each in document["foreign_keys"]
    )  # fmt: skip
    return TableInfo(
        name, columns, key, kind=document["kind"], uniques=uniques, foreign_keys=keys,
        without_rowid=document["without_rowid"], autoincrement=document["autoincrement"],
        conflict_clauses=document["conflict_clauses"],
    )  # fmt: skip


@pytest.fixture(params=[False, True], ids=["plain", "recursive"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A new database; on a connection of anybody's, and on one with recursive_triggers as ours have it."""
    house = House(tmp_path / "house.db", recursive=request.param)
    yield house
    house.connection.close()
