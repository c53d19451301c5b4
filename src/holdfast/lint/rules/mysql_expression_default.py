"""A default that is an expression makes MySQL copy the table, and nobody can write it until then."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, Rule, on_existing

RULE = Rule(
    "mysql-expression-default",
    "ADD COLUMN with an expression for a default",
    "error",
    fix="Add the column nullable, fill it in batches, then SET DEFAULT.",
    flagged=("ALTER TABLE orders ADD COLUMN token char(36) DEFAULT (uuid()), ALGORITHM=COPY;",),
    safe=("ALTER TABLE orders ADD COLUMN token char(36) DEFAULT 'x', ALGORITHM=INSTANT;",),
    databases=MYSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        if action.column.default and action.column.default[0].is_("("):
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"{action.table} is copied while nobody can write it.",
            )
