"""A 32-bit key is used up after two thousand million rows, and to widen it then is to rewrite the table."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, MYSQL, POSTGRESQL, Rule

RULE = Rule(
    "integer-primary-key",
    "A 32-bit primary key",
    "info",
    fix="Use bigint for the key, and for what refers to it.",
    flagged=("CREATE TABLE invoices (id integer PRIMARY KEY);",),
    safe=("CREATE TABLE invoices (id bigint PRIMARY KEY);",),
    databases=(*POSTGRESQL, *MYSQL, *MSSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.CreateTable):
            keys = [each.columns for each in action.constraints if each.kind == "primary key"]
            for column in action.columns:
                alone = column.constrained("primary key") or (column.name,) in keys
                if alone and column.type.name in ("integer", "smallint"):
                    yield RULE.finding(
                        statement, f"{action.table}.{column.name}", f"A key of type {column.type} can run out."
                    )
