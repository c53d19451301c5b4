"""DISABLE TRIGGER and session_replication_role switch off audit, stamps and foreign keys without a trace: autogenerate does not see it, and no error reminds anybody."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, POSTGRESQL, Rule, on_existing

RULE = Rule(
    "disable-trigger",
    "Triggers switched off",
    "error",
    fix="Leave them on. What must not be recorded is said with a reason: holdfast.context(reason=…).",
    flagged=("ALTER TABLE orders DISABLE TRIGGER ALL;", "SET session_replication_role = replica;"),
    safe=("ALTER TABLE orders ENABLE TRIGGER stamp;",),
    databases=(*POSTGRESQL, *MSSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.SwitchTrigger):
        if not action.enable:
            yield RULE.finding(statement, action.table, f"{action.name} of {action.table} does not fire from now on.")
    for setting in statement.actions:
        if (
            isinstance(setting, a.Setting)
            and setting.name == "session_replication_role"
            and setting.value in ("replica", "'replica'")
        ):
            yield RULE.finding(
                statement, setting.name, "No trigger fires in this session, and no foreign key is checked."
            )
