"""A table with rows cannot get a NOT NULL column without a default: the statement fails. On an empty one it succeeds, and then the INSERT of the code that is still running fails."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "add-column-not-null",
    "ADD COLUMN NOT NULL without a default",
    "error",
    fix="Give it a constant default, or add it nullable, fill it, and set NOT NULL in a later migration.",
    flagged=("ALTER TABLE orders ADD COLUMN status text NOT NULL;",),
    safe=(
        "ALTER TABLE orders ADD COLUMN status text NOT NULL DEFAULT 'new';",
        "ALTER TABLE orders ADD COLUMN status text;",
    ),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        column = action.column
        if not column.nullable and not column.has_default and not column.generated and not column.identity:
            yield RULE.finding(
                statement,
                f"{action.table}.{column.name}",
                f"The rows of {action.table} have no value for {column.name}, so it fails; and so does an INSERT that does not know it.",
            )
