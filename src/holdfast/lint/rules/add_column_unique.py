"""UNIQUE or PRIMARY KEY inside ADD COLUMN builds the index under ACCESS EXCLUSIVE. SQLite refuses it outright."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import POSTGRESQL, SQLITE, Rule, on_existing

RULE = Rule(
    "add-column-unique",
    "ADD COLUMN … UNIQUE or PRIMARY KEY",
    "error",
    fix="Add the column; build the index with CREATE UNIQUE INDEX CONCURRENTLY; then ADD CONSTRAINT … UNIQUE USING INDEX.",
    flagged=("ALTER TABLE orders ADD COLUMN number text UNIQUE;",),
    safe=(
        "ALTER TABLE orders ADD COLUMN number text;\nCREATE UNIQUE INDEX CONCURRENTLY orders_number ON orders (number);",
    ),
    databases=(*POSTGRESQL, *SQLITE),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        if action.column.constrained("unique") or action.column.constrained("primary key"):
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"The index of {action.column.name} is built while nobody can read or write {action.table}.",
            )
