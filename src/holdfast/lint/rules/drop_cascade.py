"""CASCADE takes with it whatever refers to the thing: views, foreign keys, policies, columns. None of them is named in the migration."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "drop-cascade",
    "DROP … CASCADE",
    "warning",
    fix="Drop what depends on it by name first, and leave CASCADE out.",
    flagged=("DROP TABLE orders CASCADE;", "DROP TYPE status CASCADE;"),
    safe=("DROP VIEW open_orders;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.Drop) and action.cascade and not history.is_new(action.name):
            yield RULE.finding(
                statement, action.name, f"Whatever depends on {action.name} goes as well, and is not named here."
            )
