"""The server refuses CONCURRENTLY, VACUUM, CREATE DATABASE and the like inside a transaction, and the migration fails there."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "concurrently-in-transaction",
    "What cannot run in a transaction, in one",
    "error",
    fix="with op.get_context().autocommit_block(): … in Alembic; in a file of SQL, no BEGIN before it.",
    flagged=("BEGIN;\nCREATE INDEX CONCURRENTLY orders_shop ON orders (shop_id);\nCOMMIT;",),
    safe=("CREATE INDEX CONCURRENTLY orders_shop ON orders (shop_id);",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if statement.transaction is None:
        return
    for action in statement.actions:
        if isinstance(action, a.CreateIndex | a.DropIndex | a.Reindex | a.DetachPartition) and action.concurrently:
            yield RULE.finding(statement, _name(action), "CONCURRENTLY is refused inside a transaction.")
        elif isinstance(action, a.Outside):
            yield RULE.finding(statement, action.what, f"{action.what} is refused inside a transaction.")


def _name(action: a.CreateIndex | a.DropIndex | a.Reindex | a.DetachPartition) -> object:
    match action:
        case a.CreateIndex():
            return action.name or action.table
        case a.DropIndex():
            return action.index
        case a.Reindex():
            return action.name
        case a.DetachPartition():
            return action.partition
