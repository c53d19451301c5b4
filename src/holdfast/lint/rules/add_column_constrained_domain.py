"""A column of a domain with a constraint makes PostgreSQL write each row anew, for the constraint has to be tried; and to change the domain
later is to scan every table that uses it.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing
from holdfast.tables import TableName

RULE = Rule(
    "add-column-constrained-domain",
    "ADD COLUMN of a domain with a constraint",
    "warning",
    fix="Use the domain's base type, and a CHECK that is added NOT VALID.",
    flagged=("CREATE DOMAIN percent AS int CHECK (VALUE < 101);\nALTER TABLE orders ADD COLUMN discount percent;",),
    safe=("CREATE DOMAIN label AS text;\nALTER TABLE orders ADD COLUMN discount label;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        if history.domains.get(TableName("", action.column.type.name)):
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"{action.column.type.name} has a constraint: {action.table} is rewritten while nobody can read or write it.",
            )
