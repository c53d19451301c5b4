"""Code that is running still writes and compares the old label, and fails at once."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "rename-enum-value",
    "RENAME of an enum's value",
    "error",
    fix="Add the new value; write and read both; change the rows in batches; leave the old value where it is.",
    flagged=("ALTER TYPE status RENAME VALUE 'new' TO 'fresh';",),
    safe=("ALTER TYPE status ADD VALUE 'fresh' AFTER 'new';",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.RenameLabel):
            yield RULE.finding(
                statement, action.type, f"Running code still writes {action.label!r}, which is not there any more."
            )
