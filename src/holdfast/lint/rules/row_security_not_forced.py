"""The owner of a table passes its policies by unless row security is forced; and the application is often the owner."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "row-security-not-forced",
    "ENABLE without FORCE ROW LEVEL SECURITY",
    "info",
    fix="ALTER TABLE … FORCE ROW LEVEL SECURITY.",
    flagged=(
        "CREATE POLICY own ON orders USING (owner = current_user);\nALTER TABLE orders ENABLE ROW LEVEL SECURITY;",
    ),
    safe=(
        "CREATE POLICY own ON orders USING (owner = current_user);\nALTER TABLE orders ENABLE ROW LEVEL SECURITY;\n"
        "ALTER TABLE orders FORCE ROW LEVEL SECURITY;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    return ()


def finish(history: History) -> Iterable[Finding]:
    for statement in history.statements:
        for action in statement.actions:
            if isinstance(action, a.RowSecurity) and action.enable:
                table = history.table(action.table)
                if table is None or not table.forced:
                    yield RULE.finding(
                        statement, action.table, f"The owner of {action.table} is not bound by its policies."
                    )
