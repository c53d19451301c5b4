"""A column that is added NOT NULL with a default, and loses the default in the same migration, breaks the INSERT of the code that is still running: it does not know the column."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "drop-default-after-add",
    "A NOT NULL column that loses its default at once",
    "warning",
    fix="Keep the default until no code runs that does not know the column, and drop it with a later release.",
    flagged=(
        "ALTER TABLE orders ADD COLUMN status text NOT NULL DEFAULT 'new';\nALTER TABLE orders ALTER COLUMN status DROP DEFAULT;",
    ),
    safe=("ALTER TABLE orders ADD COLUMN status text NOT NULL DEFAULT 'new';",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.SetDefault):
        if action.default is None and _added(action, history):
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column}",
                f"{action.table}.{action.column} was added NOT NULL a moment ago; without its default the INSERT of running code fails.",
            )


def _added(dropped: a.SetDefault, history: History) -> bool:
    return any(
        isinstance(action, a.AddColumn)
        and (action.table, action.column.name) == (dropped.table, dropped.column)
        and not action.column.nullable
        for statement in history.statements
        for action in statement.actions
    )
