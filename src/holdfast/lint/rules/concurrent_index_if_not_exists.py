"""CREATE INDEX CONCURRENTLY that fails (a duplicate, a timeout, a killed session) leaves an INVALID index behind. With IF NOT EXISTS the next run
finds its name, says that all is well, and the unique index that everybody relies on enforces nothing. Without a name the next run builds
a second one beside it.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "concurrent-index-if-not-exists",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS, or without a name",
    "error",
    fix="DROP INDEX CONCURRENTLY IF EXISTS first, then CREATE INDEX CONCURRENTLY with a name and without IF NOT EXISTS; look at pg_index.indisvalid.",
    flagged=(
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS orders_number ON orders (number);",
        "CREATE INDEX CONCURRENTLY ON orders (number);",
    ),
    safe=(
        "DROP INDEX CONCURRENTLY IF EXISTS orders_number;\nCREATE UNIQUE INDEX CONCURRENTLY orders_number ON orders (number);",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.CreateIndex) and action.concurrently:
            if action.if_not_exists:
                yield RULE.finding(
                    statement,
                    action.name,
                    "An INVALID index that a failed run left behind passes for the finished one.",
                )
            elif not action.name:
                yield RULE.finding(
                    statement,
                    action.table,
                    "After a failure there is an INVALID index, and the next run builds another.",
                )
