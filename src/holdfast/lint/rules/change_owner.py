"""OWNER TO and REPLICA IDENTITY take ACCESS EXCLUSIVE for a moment. A new owner also passes row security by, unless it is forced."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "change-owner",
    "ALTER TABLE … OWNER TO, REPLICA IDENTITY",
    "warning",
    fix="Set lock_timeout, and look at what the new owner may do.",
    flagged=("ALTER TABLE orders OWNER TO app;",),
    safe=("ALTER TABLE orders SET (fillfactor = 80);",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.ChangeSetting):
        if action.setting.startswith(("owner", "replica")):
            yield RULE.finding(statement, action.table, f"{action.table} is locked against everybody for a moment.")
