"""UNIQUE and PRIMARY KEY build their index under ACCESS EXCLUSIVE. With USING INDEX they take one that is there; a primary key then still reads the
whole table for NULLs, unless its columns are NOT NULL already.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "add-unique",
    "ADD UNIQUE or PRIMARY KEY that builds its index",
    "error",
    fix="CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX; for a primary key make the columns NOT NULL first.",
    flagged=("ALTER TABLE orders ADD CONSTRAINT orders_number UNIQUE (number);",),
    safe=(
        "CREATE UNIQUE INDEX CONCURRENTLY orders_number ON orders (number);\n"
        "ALTER TABLE orders ADD CONSTRAINT orders_number UNIQUE USING INDEX orders_number;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddConstraint):
        constraint = action.constraint
        if constraint.kind not in ("unique", "primary key"):
            continue
        if not constraint.using_index:
            yield RULE.finding(
                statement,
                constraint.name or action.table,
                f"The index is built while nobody can read or write {action.table}.",
            )
        elif constraint.kind == "primary key" and (nullable := _nullable(statement, action, history)):
            yield RULE.finding(
                statement,
                constraint.name or action.table,
                f"{nullable} is not NOT NULL yet, so {action.table} is read from end to end while nobody can read or write it.",
            )


def _nullable(statement: a.Statement, action: a.AddConstraint, history: History) -> str:
    """The first column of the index that is known to take NULL."""
    table = history.table(action.table)
    index = table.indexes.get(action.constraint.using_index) if table is not None else None
    for column in index.columns if index is not None else ():
        known = history.column(statement, action.table, column)
        if known is not None and known.nullable:
            return column
    return ""
