"""CREATE TABLE … PARTITION OF takes ACCESS EXCLUSIVE on the parent, with all its partitions."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "create-partition-of",
    "CREATE TABLE … PARTITION OF",
    "warning",
    fix="Create the table by itself (LIKE … INCLUDING ALL), then ATTACH PARTITION, which leaves readers and writers alone.",
    flagged=("CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');",),
    safe=(
        "CREATE TABLE events (at date) PARTITION BY RANGE (at);\nCREATE TABLE events_2025 PARTITION OF events DEFAULT;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if (
            isinstance(action, a.CreateTable)
            and action.partition_of is not None
            and not history.is_new(action.partition_of)
        ):
            yield RULE.finding(
                statement,
                action.partition_of,
                f"Nobody can read or write {action.partition_of} for a moment, and all wait behind its longest reader.",
            )
