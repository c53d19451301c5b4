"""A value that is added without BEFORE or AFTER sorts last, which is seldom what ORDER BY should give."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "enum-value-position",
    "An enum's new value without a position",
    "info",
    fix="Say where it sorts: ADD VALUE 'lost' AFTER 'new'.",
    flagged=("ALTER TYPE status ADD VALUE 'lost';",),
    safe=("ALTER TYPE status ADD VALUE 'lost' BEFORE 'new';",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.AddLabel) and not action.positioned:
            yield RULE.finding(statement, action.type, f"{action.label!r} sorts after all other values.")
