"""ATTACH PARTITION reads the whole new partition under ACCESS EXCLUSIVE, unless a valid CHECK of its own already says that its rows belong there."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "attach-partition",
    "ATTACH PARTITION that scans",
    "warning",
    fix="Add a CHECK with the bounds to the partition first (NOT VALID, then VALIDATE), and drop it afterwards.",
    flagged=("ALTER TABLE events ATTACH PARTITION events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');",),
    safe=(
        "ALTER TABLE events_2025 ADD CONSTRAINT fits CHECK (at >= '2025-01-01' AND at < '2026-01-01') NOT VALID;\n"
        "ALTER TABLE events_2025 VALIDATE CONSTRAINT fits;\n"
        "ALTER TABLE events ATTACH PARTITION events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.AttachPartition) and not history.is_new(action.partition):
            table = history.table(action.partition)
            checks = (
                [each for each in table.constraints.values() if each.constraint.kind == "check"]
                if table is not None
                else []
            )
            if not any(each.valid for each in checks):
                yield RULE.finding(
                    statement, action.partition, f"{action.partition} is read from end to end while nobody can use it."
                )
