"""ALTER POLICY and DROP POLICY change who may see which rows, and take ACCESS EXCLUSIVE. A policy that is dropped and made again in two transactions leaves a time
without it.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "change-policy",
    "ALTER or DROP POLICY",
    "warning",
    fix="Drop and make it in one transaction, and let somebody look at who sees what afterwards.",
    flagged=("DROP POLICY own ON orders;", "ALTER POLICY own ON orders USING (true);"),
    safe=("CREATE POLICY own ON orders USING (owner = current_user);",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.AlterPolicy | a.DropPolicy) and not history.is_new(action.table):
            yield RULE.finding(statement, action.name, f"Who sees which rows of {action.table} changes.")
