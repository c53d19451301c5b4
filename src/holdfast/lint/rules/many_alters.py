"""Each ALTER TABLE of the same table takes its lock anew, and each can be the one that waits behind a long reader. In one statement they take it once."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule
from holdfast.tables import TableName

RULE = Rule(
    "many-alters",
    "Many ALTER TABLE of one table",
    "info",
    fix="Write them as one ALTER TABLE with commas.",
    flagged=(
        "ALTER TABLE orders ADD COLUMN a text;\nALTER TABLE orders ADD COLUMN b text;\nALTER TABLE orders ADD COLUMN c text;\nALTER TABLE orders ADD COLUMN d text;",
    ),
    safe=("ALTER TABLE orders ADD COLUMN a text, ADD COLUMN b text, ADD COLUMN c text, ADD COLUMN d text;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    def altered(each: a.Statement) -> set[TableName]:
        return {
            action.table
            for action in each.actions
            if isinstance(action, a.AddColumn | a.DropColumn | a.SetDefault) and not history.is_new(action.table)
        }

    for table in altered(statement):
        if sum(table in altered(each) for each in history.statements) == 3:
            yield RULE.finding(statement, table, f"This is the fourth ALTER TABLE of {table} in this migration.")
