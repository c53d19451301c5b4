"""MySQL reads REFERENCES behind a column and forgets it: there is no foreign key afterwards."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "mysql-inline-references",
    "REFERENCES behind a column",
    "warning",
    fix="FOREIGN KEY (column) REFERENCES … as a constraint of the table.",
    flagged=("CREATE TABLE lines (id int PRIMARY KEY, order_id int REFERENCES orders (id));",),
    safe=("CREATE TABLE lines (id int PRIMARY KEY, order_id int, FOREIGN KEY (order_id) REFERENCES orders (id));",),
    databases=("mysql",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        columns = (
            action.columns
            if isinstance(action, a.CreateTable)
            else (action.column,)
            if isinstance(action, a.AddColumn)
            else ()
        )
        for column in columns:
            if column.constrained("foreign key"):
                yield RULE.finding(statement, column.name, f"MySQL makes no foreign key of {column.name}.")
