"""PostgreSQL 14.0 to 14.3 can build an index CONCURRENTLY that silently lacks rows."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "concurrent-index-on-14",
    "CONCURRENTLY on PostgreSQL 14.0 to 14.3",
    "error",
    fix="Upgrade to 14.4 or newer first, and REINDEX what was built before.",
    flagged=("CREATE INDEX CONCURRENTLY orders_shop ON orders (shop_id);",),
    safe=("ALTER TABLE orders ADD COLUMN note text;",),
    since=(14,),
    before=(14, 4),
    example_version="14.2",
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if len(history.server.version) < 2:
        return
    for action in statement.actions:
        if isinstance(action, a.CreateIndex | a.Reindex) and action.concurrently:
            yield RULE.finding(statement, action.name, "This version builds concurrent indexes that can lack rows.")
