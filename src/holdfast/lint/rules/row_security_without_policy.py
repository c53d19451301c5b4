"""With row security on and no policy nobody but the owner sees a row: queries give nothing, and no error says why."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule
from holdfast.tables import TableName

RULE = Rule(
    "row-security-without-policy",
    "ENABLE ROW LEVEL SECURITY without a policy",
    "error",
    fix="CREATE POLICY first, then ENABLE and FORCE ROW LEVEL SECURITY, in one transaction.",
    flagged=("ALTER TABLE orders ENABLE ROW LEVEL SECURITY;",),
    safe=(
        "BEGIN;\nCREATE POLICY own ON orders USING (owner = current_user);\nALTER TABLE orders ENABLE ROW LEVEL SECURITY;\nCOMMIT;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    return ()


def finish(history: History) -> Iterable[Finding]:
    made: dict[TableName, a.Statement] = {}
    for statement in history.statements:
        for action in statement.actions:
            if isinstance(action, a.CreatePolicy):
                made.setdefault(action.table, statement)
    for at, statement in enumerate(history.statements):
        for action in statement.actions:
            if isinstance(action, a.RowSecurity) and action.enable:
                table = history.table(action.table)
                policy = made.get(action.table)
                if policy is None and not (table is not None and table.policies):
                    yield RULE.finding(
                        statement, action.table, f"{action.table} has no policy: its readers find nothing."
                    )
                elif policy is not None and _later(policy, statement, at, history) and not history.is_new(action.table):
                    yield RULE.finding(
                        statement,
                        action.table,
                        f"Until its policy comes, in another transaction, the readers of {action.table} find nothing.",
                    )


def _later(policy: a.Statement, enabled: a.Statement, at: int, history: History) -> bool:
    return policy not in history.statements[:at] and (
        policy.transaction is None or policy.transaction != enabled.transaction
    )
