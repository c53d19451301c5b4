"""DO, CALL, a function that is called for its effects, and Python code that reads rows and writes what follows from them: what they do cannot be told from the text."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "opaque-statement",
    "A statement that cannot be seen through",
    "warning",
    fix="Write what it does as statements; or say why it is safe: -- holdfast: allow opaque-statement …",
    flagged=("DO $$ BEGIN PERFORM 1; END $$;",),
    safe=("SELECT set_config('lock_timeout', '100ms', true);",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.Opaque):
            yield RULE.finding(statement, action.what, f"What {action.what} does cannot be told from here.")
    if "python" in statement.notes:
        yield RULE.finding(
            statement, "python", "The migration goes on with what this query gives, which is not known here."
        )
