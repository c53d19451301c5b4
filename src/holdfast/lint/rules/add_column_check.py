"""A CHECK inside ADD COLUMN is checked against each row under ACCESS EXCLUSIVE, also where the column is new."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "add-column-check",
    "ADD COLUMN … CHECK",
    "warning",
    fix="Add the column; add the CHECK as NOT VALID; validate it in a later transaction.",
    flagged=("ALTER TABLE orders ADD COLUMN discount numeric CHECK (discount < 1);",),
    safe=(
        "ALTER TABLE orders ADD COLUMN discount numeric;\nALTER TABLE orders ADD CONSTRAINT small CHECK (discount < 1) NOT VALID;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        if action.column.constrained("check"):
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"The CHECK is tried on every row of {action.table} while nobody can read or write it.",
            )
