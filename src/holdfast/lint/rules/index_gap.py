"""Between the drop of the old index and the end of the new one's build, queries go without."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, MYSQL, POSTGRESQL, Rule, on_existing

RULE = Rule(
    "index-gap",
    "An index dropped before its successor is built",
    "warning",
    fix="Build the new index under a new name first, then drop the old one.",
    flagged=(
        "CREATE INDEX CONCURRENTLY a ON orders (shop_id);\nDROP INDEX CONCURRENTLY a;\nCREATE INDEX CONCURRENTLY a ON orders (shop_id, id);",
    ),
    safe=("CREATE INDEX CONCURRENTLY b ON orders (shop_id, id);\nDROP INDEX CONCURRENTLY a;",),
    databases=(*POSTGRESQL, *MYSQL, *MSSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.CreateIndex):
        built = {each.name for _, each in history.earlier(statement) if isinstance(each, a.CreateIndex)}
        dropped = {each.index.name for _, each in history.earlier(statement) if isinstance(each, a.DropIndex)}
        if action.name in dropped & built:
            yield RULE.finding(
                statement, action.name, f"{action.table} is without this index until the new one is built."
            )
