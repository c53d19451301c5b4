"""DROP CONSTRAINT of a foreign key takes ACCESS EXCLUSIVE on both tables, for a moment; but behind a long reader of either, everybody waits."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "drop-foreign-key",
    "DROP of a foreign key",
    "info",
    fix="Set lock_timeout, and drop one foreign key in one transaction.",
    flagged=(
        "ALTER TABLE orders ADD CONSTRAINT orders_shop FOREIGN KEY (shop_id) REFERENCES shops NOT VALID;\nALTER TABLE orders DROP CONSTRAINT orders_shop;",
    ),
    safe=("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID;\nALTER TABLE orders DROP CONSTRAINT c;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.DropConstraint):
        table = history.table(action.table)
        known = table.constraints.get(action.name) if table is not None else None
        if known is not None and known.constraint.kind == "foreign key":
            yield RULE.finding(
                statement,
                action.name,
                f"{action.table} and {known.constraint.target} are both locked against everybody.",
            )
