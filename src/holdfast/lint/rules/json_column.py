"""The type json has no equality, so SELECT DISTINCT, GROUP BY and UNION over the table's rows fail as soon as it has such a column. jsonb has."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "json-column",
    "A column of type json",
    "warning",
    fix="Use jsonb, unless the text must be kept as it was written.",
    flagged=("ALTER TABLE orders ADD COLUMN data json;",),
    safe=("ALTER TABLE orders ADD COLUMN data jsonb;",),
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
            if column.type.name == "json" and isinstance(action, a.OnTable):
                yield RULE.finding(
                    statement,
                    f"{action.table}.{column.name}",
                    "json has no equality: SELECT DISTINCT and GROUP BY fail on it.",
                    severity="info" if isinstance(action, a.CreateTable) else None,
                )
