"""REINDEX holds SHARE on the table and ACCESS EXCLUSIVE on the index, which the planner of each reader wants as well."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "reindex",
    "REINDEX without CONCURRENTLY",
    "error",
    fix="REINDEX … CONCURRENTLY, outside of a transaction.",
    flagged=("REINDEX TABLE orders;",),
    safe=("REINDEX TABLE CONCURRENTLY orders;",),
    since=(12,),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.Reindex) and not action.concurrently:
            yield RULE.finding(
                statement, action.name, "Nobody can write the table, and readers stall, until the index is built."
            )
