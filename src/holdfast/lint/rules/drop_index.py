"""DROP INDEX takes ACCESS EXCLUSIVE on the table: behind a long reader everybody waits."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "drop-index",
    "DROP INDEX without CONCURRENTLY",
    "error",
    fix="DROP INDEX CONCURRENTLY, outside of a transaction (autocommit_block()).",
    flagged=("DROP INDEX orders_shop;",),
    safe=("DROP INDEX CONCURRENTLY orders_shop;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.DropIndex) and not action.concurrently:
            owner = history.owner_of(action.index)
            if owner is None or not history.is_new(owner.name):
                yield RULE.finding(
                    statement,
                    action.index,
                    "Its table is locked against readers and writers, and they wait behind whoever holds it.",
                )
