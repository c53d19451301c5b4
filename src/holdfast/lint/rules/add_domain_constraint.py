"""A constraint on a domain is tried on each row of each table that uses the domain."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "add-domain-constraint",
    "ALTER DOMAIN … ADD CONSTRAINT",
    "error",
    fix="Add it NOT VALID and validate it in another transaction, or put a CHECK on the columns instead.",
    flagged=("ALTER DOMAIN percent ADD CONSTRAINT small CHECK (VALUE < 101);",),
    safe=("ALTER DOMAIN percent ADD CONSTRAINT small CHECK (VALUE < 101) NOT VALID;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.CreateDomain) and action.constrained:
            message = f"To change what {action.name} allows will be to read every table that uses it."
            yield RULE.finding(
                statement, action.name, message, severity="info", fix="Put a CHECK on the columns instead."
            )
        if isinstance(action, a.ConstrainDomain) and not action.not_valid:
            yield RULE.finding(
                statement, action.name, f"Every table with a column of {action.name} is read from end to end."
            )
