"""serial, bigserial and identity take a number for each row that is there: the table is written anew under ACCESS EXCLUSIVE (MySQL copies it)."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, MYSQL, POSTGRESQL, Rule, on_existing

RULE = Rule(
    "add-column-serial",
    "ADD COLUMN of serial or identity",
    "error",
    fix="Create the sequence, add the column without a default, SET DEFAULT nextval(…), fill the rows in batches, then add its key with USING INDEX.",
    flagged=(
        "ALTER TABLE orders ADD COLUMN number bigserial;",
        "ALTER TABLE orders ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;",
    ),
    safe=(
        "ALTER TABLE orders ADD COLUMN number bigint;",
        "CREATE TABLE invoices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);",
    ),
    databases=(*POSTGRESQL, *MYSQL, *MSSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        if action.column.identity:
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"Every row of {action.table} gets a number at once: the table is rewritten while nobody can read or write it.",
            )
