"""Outside of the Enterprise edition a NOT NULL column with a default is written into each row under a lock against everybody."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, Rule, on_existing

RULE = Rule(
    "mssql-add-not-null-default",
    "ADD NOT NULL with a default",
    "warning",
    fix="Add it nullable, fill it in batches, then ALTER COLUMN … NOT NULL.",
    flagged=("ALTER TABLE orders ADD status int NOT NULL DEFAULT 0;",),
    safe=("ALTER TABLE orders ADD status int NULL;",),
    databases=MSSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        if not action.column.nullable and action.column.has_default:
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"Every row of {action.table} is written, unless the edition is Enterprise.",
            )
