"""CREATE INDEX without ONLINE locks the table until the index is built."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, Rule, on_existing

RULE = Rule(
    "mssql-index-online",
    "CREATE INDEX without ONLINE",
    "error",
    fix="WITH (ONLINE = ON), where the edition has it.",
    flagged=("CREATE INDEX orders_shop ON orders (shop_id);",),
    safe=("CREATE INDEX orders_shop ON orders (shop_id) WITH (ONLINE = ON);",),
    databases=MSSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.CreateIndex):
        if not action.online:
            yield RULE.finding(statement, action.name, f"Nobody can write {action.table} until the index is built.")
