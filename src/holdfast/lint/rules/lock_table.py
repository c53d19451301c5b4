"""LOCK TABLE without a mode is ACCESS EXCLUSIVE to the end of the transaction."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, POSTGRESQL, Rule, on_existing

RULE = Rule(
    "lock-table",
    "LOCK TABLE",
    "error",
    fix="Leave it to the statements, which take the lock they need; or name the weakest mode that serves.",
    flagged=("BEGIN;\nLOCK TABLE orders;\nCOMMIT;",),
    safe=("BEGIN;\nLOCK TABLE orders IN ROW SHARE MODE;\nCOMMIT;",),
    databases=(*POSTGRESQL, *MYSQL),
)
_WEAK = {"ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"}


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.LockTable):
        if action.mode not in _WEAK:
            yield RULE.finding(
                statement, action.table, f"{action.table} is locked ({action.mode}) to the end of the transaction."
            )
