"""PUBLIC is everybody who can connect, now and later."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "grant-to-public",
    "GRANT … TO PUBLIC",
    "warning",
    fix="Grant to a role.",
    flagged=("GRANT SELECT ON orders TO PUBLIC;",),
    safe=("GRANT SELECT ON orders TO app;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.Grant) and action.to_public and not action.revoke:
            yield RULE.finding(statement, "PUBLIC", "Everybody who can connect has it from now on.")
