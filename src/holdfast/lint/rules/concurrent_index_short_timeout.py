"""CREATE INDEX CONCURRENTLY and VALIDATE stop nobody; they wait for others. A short lock_timeout ends CREATE INDEX CONCURRENTLY while it waits for a long
transaction on any table, and leaves an INVALID index behind.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "concurrent-index-short-timeout",
    "CONCURRENTLY under a short lock_timeout",
    "warning",
    fix="SET lock_timeout = 0 before it, and look for long transactions first.",
    flagged=("SET lock_timeout = '1s';\nCREATE INDEX CONCURRENTLY orders_shop ON orders (shop_id);",),
    safe=("SET lock_timeout = 0;\nCREATE INDEX CONCURRENTLY orders_shop ON orders (shop_id);",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    timeout = history.settings.get("lock_timeout", "0")
    if timeout in ("0", "default", "0s", "0ms", ""):
        return
    for action in statement.actions:
        if isinstance(action, a.CreateIndex | a.DropIndex | a.Reindex) and action.concurrently:
            yield RULE.finding(
                statement,
                "lock_timeout",
                f"After {timeout} of waiting for a transaction it gives up, and leaves an INVALID index.",
            )
