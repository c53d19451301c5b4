"""A stored generated column is computed for each row at once: the table is written anew under ACCESS EXCLUSIVE. There is no gentle form of
it; from PostgreSQL 18 on a VIRTUAL column costs nothing, for it is computed when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "add-column-stored-generated",
    "ADD COLUMN GENERATED … STORED",
    "error",
    fix="Add an ordinary column that a trigger fills, and fill the rows that are there in batches; on PostgreSQL 18 and newer a VIRTUAL column is free.",
    flagged=("ALTER TABLE orders ADD COLUMN total numeric GENERATED ALWAYS AS (price * quantity) STORED;",),
    safe=("ALTER TABLE orders ADD COLUMN total numeric GENERATED ALWAYS AS (price * quantity) VIRTUAL;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        if action.column.generated == "stored":
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"A stored generated column is computed for every row of {action.table} while nobody can read or write it.",
            )
