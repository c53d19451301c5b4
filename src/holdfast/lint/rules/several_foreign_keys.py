"""Each foreign key locks two tables. Several of them in one transaction lock many, in an order that other transactions need not follow: a deadlock."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "several-foreign-keys",
    "Several foreign keys in one transaction",
    "warning",
    fix="Add one foreign key in one transaction.",
    flagged=(
        "BEGIN;\nALTER TABLE orders ADD CONSTRAINT a FOREIGN KEY (shop_id) REFERENCES shops NOT VALID;\n"
        "ALTER TABLE orders ADD CONSTRAINT b FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;\nCOMMIT;",
    ),
    safe=(
        "ALTER TABLE orders ADD CONSTRAINT a FOREIGN KEY (shop_id) REFERENCES shops NOT VALID;\n"
        "ALTER TABLE orders ADD CONSTRAINT b FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if statement.transaction is None:
        return
    targets = {
        action.constraint.target
        for earlier, action in history.earlier(statement)
        if earlier.transaction == statement.transaction
        and isinstance(action, a.AddConstraint)
        and action.constraint.kind == "foreign key"
        and not history.is_new(action.table)
    }
    for action in on_existing(statement, history, a.AddConstraint):
        constraint = action.constraint
        if constraint.kind == "foreign key" and targets - {constraint.target}:
            others = ", ".join(sorted(str(each) for each in targets - {constraint.target}))
            yield RULE.finding(
                statement,
                constraint.name or action.table,
                f"This transaction already holds locks for a foreign key to {others}.",
            )
