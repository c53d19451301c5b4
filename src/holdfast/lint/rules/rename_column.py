"""The code that is running knows the old name, and fails at once. A view in the place of the table does not help: it hides row security."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "rename-column",
    "RENAME COLUMN",
    "error",
    fix="Add a column of the new name, keep both in step by a trigger, fill it, move the code over, then drop the old one.",
    flagged=("ALTER TABLE orders RENAME COLUMN state TO status;",),
    safe=("CREATE TABLE notes (a text);\nALTER TABLE notes RENAME COLUMN a TO b;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.RenameColumn):
        yield RULE.finding(
            statement,
            f"{action.table}.{action.column}",
            f"Running code still asks for {action.table}.{action.column}, and fails at once.",
        )
