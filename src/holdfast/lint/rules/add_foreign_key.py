"""A foreign key is looked up for each row at once, under SHARE ROW EXCLUSIVE on both tables: nobody can write either. NOT VALID binds new rows
and looks at none; VALIDATE looks at all of them and stops nobody, but only in a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, POSTGRESQL, Rule, on_existing

RULE = Rule(
    "add-foreign-key",
    "ADD FOREIGN KEY that scans the table",
    "error",
    fix="ADD CONSTRAINT … FOREIGN KEY … NOT VALID; then VALIDATE CONSTRAINT in another transaction (another migration).",
    flagged=("ALTER TABLE orders ADD CONSTRAINT orders_shop FOREIGN KEY (shop_id) REFERENCES shops (id);",),
    safe=(
        "ALTER TABLE orders ADD CONSTRAINT orders_shop FOREIGN KEY (shop_id) REFERENCES shops (id) NOT VALID;\n"
        "ALTER TABLE orders VALIDATE CONSTRAINT orders_shop;",
    ),
    databases=(*POSTGRESQL, *MYSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddConstraint):
        constraint = action.constraint
        if constraint.kind == "foreign key" and not constraint.not_valid:
            yield RULE.finding(
                statement,
                constraint.name or action.table,
                f"Every row of {action.table} is looked up in {constraint.target} while nobody can write either.",
            )
