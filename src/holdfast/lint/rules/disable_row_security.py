"""Each row of the table is open to whoever may read it, across all tenants."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "disable-row-security",
    "Row security switched off",
    "error",
    fix="Change the policy instead; for the work of a migration use a role with BYPASSRLS.",
    flagged=("ALTER TABLE orders DISABLE ROW LEVEL SECURITY;", "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY;"),
    safe=("ALTER TABLE orders FORCE ROW LEVEL SECURITY;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.RowSecurity):
        if action.enable is False:
            yield RULE.finding(statement, action.table, f"All rows of {action.table} are open to whoever may read it.")
        elif action.force is False:
            yield RULE.finding(
                statement, action.table, f"The owner of {action.table} is not bound by its policies any more."
            )
