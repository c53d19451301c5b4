"""The rows are gone, and so is whatever the code that is running reads from them. Tables that are bound to it by a foreign key are locked as well."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.expressions import words_mention
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "drop-table",
    "DROP TABLE, SCHEMA or DATABASE",
    "error",
    fix="Rename it out of the way when nothing uses it any more, wait for a release, make a backup, then drop it.",
    flagged=("DROP TABLE orders;", "DROP SCHEMA sales CASCADE;"),
    safe=("CREATE TABLE notes (a text);\nDROP TABLE notes;", "DROP VIEW open_orders;"),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    kinds = ("table", "foreign table", "schema", "database", "owned")
    for action in statement.actions:
        if not isinstance(action, a.Drop) or action.kind not in kinds or history.is_new(action.name):
            continue
        if not _made_anew(action, history):
            message = f"The {action.kind} {action.name} is gone with all that is in it."
            yield RULE.finding(statement, action.name, message)


def _made_anew(drop: a.Drop, history: History) -> bool:
    """SQLite's way to change a table: what it held was copied to a new one before."""
    if history.server.kind != "sqlite":
        return False
    return any(
        isinstance(action, a.Write)
        and action.from_query
        and history.is_new(action.table)
        and words_mention(each.words, drop.name.name)
        for each in history.statements
        for action in each.actions
    )
