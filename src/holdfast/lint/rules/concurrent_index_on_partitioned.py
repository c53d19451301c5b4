"""A partitioned table takes no concurrent index: the statement fails."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "concurrent-index-on-partitioned",
    "CONCURRENTLY on a partitioned table",
    "error",
    fix="CREATE INDEX ON ONLY the parent, CREATE INDEX CONCURRENTLY on each partition, then ALTER INDEX … ATTACH PARTITION.",
    flagged=(
        "CREATE TABLE events (at date) PARTITION BY RANGE (at);\nCREATE INDEX CONCURRENTLY events_at ON events (at);",
    ),
    safe=("CREATE TABLE events (at date) PARTITION BY RANGE (at);\nCREATE INDEX events_at ON ONLY events (at);",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.CreateIndex) and action.concurrently:
            table = history.table(action.table)
            if table is not None and table.partitioned:
                yield RULE.finding(
                    statement, action.name, f"{action.table} is partitioned, and takes no concurrent index."
                )
