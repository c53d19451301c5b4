"""A CHECK is tried on each row under ACCESS EXCLUSIVE: nobody reads or writes until all were looked at."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, POSTGRESQL, Rule, on_existing

RULE = Rule(
    "add-check",
    "ADD CHECK that scans the table",
    "error",
    fix="ADD CONSTRAINT … CHECK (…) NOT VALID; then VALIDATE CONSTRAINT in another transaction (another migration).",
    flagged=("ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0);",),
    safe=(
        "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT positive;",
    ),
    databases=(*POSTGRESQL, *MYSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddConstraint):
        constraint = action.constraint
        if constraint.kind in ("check", "not null") and not constraint.not_valid:
            yield RULE.finding(
                statement,
                constraint.name or action.table,
                f"It is tried on every row of {action.table} while nobody can read or write it.",
            )
