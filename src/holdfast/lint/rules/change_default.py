"""Code that is running, and models that repeat the default, go on with the old value."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "change-default",
    "A default that changes or goes",
    "info",
    fix="Deploy the code that no longer relies on it first.",
    flagged=("ALTER TABLE orders ALTER COLUMN status DROP DEFAULT;",),
    safe=("ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'new';",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.SetDefault):
        known = history.column(statement, action.table, action.column)
        if action.default is None or (known is not None and known.has_default):
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column}",
                f"INSERTs that rely on the default of {action.table}.{action.column} change what they write.",
            )
