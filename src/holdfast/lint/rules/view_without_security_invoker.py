"""A view reads with the rights of its owner, and so past the policies of the table: each tenant sees all. From PostgreSQL 15 on `security_invoker` ends that."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.expressions import words_mention
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "view-without-security-invoker",
    "A view over a table with row security",
    "error",
    fix="CREATE VIEW … WITH (security_invoker = true), PostgreSQL 15 and newer.",
    flagged=(
        "CREATE POLICY own ON orders USING (owner = current_user);\nALTER TABLE orders ENABLE ROW LEVEL SECURITY;\n"
        "CREATE VIEW open_orders AS SELECT * FROM orders;",
    ),
    safe=(
        "CREATE POLICY own ON orders USING (owner = current_user);\nALTER TABLE orders ENABLE ROW LEVEL SECURITY;\n"
        "CREATE VIEW open_orders WITH (security_invoker = true) AS SELECT * FROM orders;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.CreateView) and not action.invoker:
            for table in history.tables.values():
                if table.row_security and words_mention(action.words, table.name.name):
                    yield RULE.finding(statement, action.name, f"It shows the rows of {table.name} past the policies.")
