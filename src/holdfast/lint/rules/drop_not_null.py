"""Code that reads the column may not expect NULL."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "drop-not-null",
    "DROP NOT NULL",
    "info",
    fix="Deploy the code that can read NULL first.",
    flagged=("ALTER TABLE orders ALTER COLUMN status DROP NOT NULL;",),
    safe=("ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'new';",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.DropNotNull):
        yield RULE.finding(
            statement,
            f"{action.table}.{action.column}",
            f"Whoever reads {action.table}.{action.column} may meet NULL from now on.",
        )
