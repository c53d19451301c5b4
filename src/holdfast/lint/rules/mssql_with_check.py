"""A constraint that is added WITH CHECK, which is the default, is tried on each row under a lock against everybody."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, Rule, on_existing
from holdfast.lint.words import has

RULE = Rule(
    "mssql-with-check",
    "ADD CONSTRAINT that scans the table",
    "error",
    fix="ALTER TABLE … WITH NOCHECK ADD CONSTRAINT …, later WITH CHECK CHECK CONSTRAINT …, or the server does not trust it.",
    flagged=("ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0);",),
    safe=("ALTER TABLE orders WITH NOCHECK ADD CONSTRAINT positive CHECK (total > 0);",),
    databases=MSSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if has(statement.words, "WITH", "NOCHECK"):
        return
    for action in on_existing(statement, history, a.AddConstraint):
        if action.constraint.kind in ("check", "foreign key"):
            yield RULE.finding(
                statement,
                action.constraint.name or action.table,
                f"It is tried on every row of {action.table}, which is locked against everybody.",
            )
