"""REFRESH MATERIALIZED VIEW locks its readers out until the query has been run."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "refresh-materialized-view",
    "REFRESH MATERIALIZED VIEW without CONCURRENTLY",
    "warning",
    fix="REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index.",
    flagged=("REFRESH MATERIALIZED VIEW totals;",),
    safe=("REFRESH MATERIALIZED VIEW CONCURRENTLY totals;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.RefreshView) and not action.concurrently and action.name not in history.views:
            yield RULE.finding(statement, action.name, f"Nobody can read {action.name} until its query has been run.")
