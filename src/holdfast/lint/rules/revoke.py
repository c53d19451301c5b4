"""Code that is running fails as soon as it needs the right that is taken away."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, MYSQL, POSTGRESQL, Rule

RULE = Rule(
    "revoke",
    "REVOKE",
    "warning",
    fix="Deploy the code that does without it first.",
    flagged=("REVOKE UPDATE ON orders FROM app;",),
    safe=("REVOKE ALL ON orders FROM PUBLIC;",),
    databases=(*POSTGRESQL, *MYSQL, *MSSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.Grant) and action.revoke and not action.to_public:
            yield RULE.finding(statement, "REVOKE", "Running code that needs this right fails.")
