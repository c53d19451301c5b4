"""DETACH PARTITION takes ACCESS EXCLUSIVE on the parent and on the partition."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "detach-partition",
    "DETACH PARTITION without CONCURRENTLY",
    "error",
    fix="DETACH PARTITION … CONCURRENTLY, outside of a transaction.",
    flagged=("ALTER TABLE events DETACH PARTITION events_2024;",),
    safe=("ALTER TABLE events DETACH PARTITION events_2024 CONCURRENTLY;",),
    since=(14,),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.DetachPartition):
        if not action.concurrently:
            yield RULE.finding(
                statement, action.partition, f"Nobody can read or write {action.table}, with all its partitions."
            )
