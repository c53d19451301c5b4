"""Without ALGORITHM and LOCK the server falls back to a copy of the table, during which nobody can write, where it cannot do better, and says nothing."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, Rule
from holdfast.lint.words import has

RULE = Rule(
    "mysql-algorithm",
    "ALTER TABLE without ALGORITHM",
    "warning",
    fix="Write ALGORITHM=INSTANT, or ALGORITHM=INPLACE, LOCK=NONE: it then fails instead of locking.",
    flagged=("ALTER TABLE orders ADD COLUMN note varchar(20);",),
    safe=("ALTER TABLE orders ADD COLUMN note varchar(20), ALGORITHM=INSTANT;",),
    databases=MYSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if not has(statement.words[:2], "ALTER", "TABLE") or has(statement.words, "ALGORITHM"):
        return
    tables = {action.table for action in statement.actions if isinstance(action, a.OnTable)}
    for table in tables:
        if not history.is_new(table):
            yield RULE.finding(statement, table, f"{table} may be copied while nobody can write it.")
