"""Before version 11 PostgreSQL writes every row anew for a column with a default, even a constant one, under ACCESS EXCLUSIVE."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "add-column-default",
    "ADD COLUMN with a default, before PostgreSQL 11",
    "error",
    fix="Add the column without a default, then SET DEFAULT, and fill the rows that are there in batches.",
    flagged=("ALTER TABLE orders ADD COLUMN status text DEFAULT 'new';",),
    safe=("ALTER TABLE orders ADD COLUMN status text;\nALTER TABLE orders ALTER COLUMN status SET DEFAULT 'new';",),
    before=(11,),
    example_version="10",
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        if action.column.has_default:
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"Before PostgreSQL 11 a column with a default makes it rewrite {action.table}; nobody can read or write until then.",
            )
