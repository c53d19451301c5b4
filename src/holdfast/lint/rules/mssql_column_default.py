"""A default is a constraint of its own in SQL Server, and a column that has one cannot be dropped: the statement fails. Nobody knows the name that the server gave it."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, Rule

RULE = Rule(
    "mssql-column-default",
    "DROP COLUMN that has a default",
    "warning",
    fix="Drop the default's constraint first; in Alembic drop_column(…, mssql_drop_default=True) finds its name.",
    flagged=("ALTER TABLE orders ADD note int DEFAULT 1;\nALTER TABLE orders DROP COLUMN note;",),
    safe=(
        "ALTER TABLE orders ADD note int CONSTRAINT note_default DEFAULT 1;\n"
        "ALTER TABLE orders DROP CONSTRAINT note_default;\nALTER TABLE orders DROP COLUMN note;",
    ),
    databases=MSSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if not isinstance(action, a.DropColumn):
            continue
        known = history.column(statement, action.table, action.column)
        freed = any(
            isinstance(each, a.DropConstraint) and each.table == action.table for _, each in history.earlier(statement)
        )
        if known is not None and known.default and not freed:
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column}",
                f"{action.column} has a default, which has to go first, or this fails.",
            )
