"""A nullable column that is added with REFERENCES is not checked: all its values are NULL. With a default, be it NULL, the server
looks each row up in the other table, while nobody can write either.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "add-column-references",
    "ADD COLUMN … REFERENCES with a default",
    "error",
    fix="Add the column with REFERENCES and without a default, or add the foreign key NOT VALID and validate it in a later transaction.",
    flagged=("ALTER TABLE orders ADD COLUMN shop_id bigint DEFAULT 1 REFERENCES shops;",),
    safe=("ALTER TABLE orders ADD COLUMN shop_id bigint REFERENCES shops;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        if action.column.constrained("foreign key") and action.column.default:
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"Every row of {action.table} is looked up in the other table while nobody can read or write {action.table}.",
            )
