"""An index that begins with the same columns as another one is seldom worth what it costs each write; and one of many columns is seldom used."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "redundant-index",
    "An index that another one covers",
    "info",
    fix="Leave the shorter index out, or drop it once the longer one is there.",
    flagged=("CREATE INDEX CONCURRENTLY a ON orders (shop_id, id);\nCREATE INDEX CONCURRENTLY b ON orders (shop_id);",),
    safe=(
        "CREATE INDEX CONCURRENTLY a ON orders (shop_id, id);\nCREATE INDEX CONCURRENTLY b ON orders (customer_id);",
    ),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if not isinstance(action, a.CreateIndex) or action.predicate:
            continue
        if len(action.columns) > 3 and not action.unique:
            yield RULE.finding(statement, action.name, f"It has {len(action.columns)} columns.")
        table = history.table(action.table)
        for name, other in table.indexes.items() if table is not None else ():
            if (
                not action.unique
                and not other.predicate
                and other.columns[: len(action.columns)] == action.columns
                and name != action.name
            ):
                yield RULE.finding(statement, action.name, f"{name} begins with the same columns.")
