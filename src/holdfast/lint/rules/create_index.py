"""CREATE INDEX holds SHARE on the table until the index is built: everybody can read, and nobody can write."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "create-index",
    "CREATE INDEX without CONCURRENTLY",
    "error",
    fix="CREATE INDEX CONCURRENTLY, outside of a transaction: with op.get_context().autocommit_block(): op.create_index(…, postgresql_concurrently=True).",
    flagged=("CREATE INDEX orders_shop ON orders (shop_id);",),
    safe=("CREATE INDEX CONCURRENTLY orders_shop ON orders (shop_id);",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.CreateIndex):
        if not action.concurrently and not action.only:
            yield RULE.finding(
                statement, action.name or action.table, f"Nobody can write {action.table} until the index is built."
            )
