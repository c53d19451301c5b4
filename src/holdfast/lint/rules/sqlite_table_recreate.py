"""SQLite changes most of a table by making it anew: a new table, the rows copied, the old one dropped, the new one renamed. With foreign keys on, DROP TABLE first deletes the
rows, and ON DELETE CASCADE deletes all their children. The triggers of the old table are gone afterwards, and nothing says so. Alembic's batch mode does just this.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.expressions import words_mention
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import SQLITE, Rule
from holdfast.tables import TableName

RULE = Rule(
    "sqlite-table-recreate",
    "A table of SQLite made anew",
    "error",
    fix="PRAGMA foreign_keys = OFF before the transaction; make the triggers and indexes again; PRAGMA foreign_key_check before COMMIT.",
    flagged=(
        "CREATE TABLE new_orders (id integer PRIMARY KEY);\nINSERT INTO new_orders SELECT id FROM orders;\nDROP TABLE orders;\nALTER TABLE new_orders RENAME TO orders;",
    ),
    safe=(
        "PRAGMA foreign_keys = OFF;\nBEGIN;\nCREATE TABLE new_orders (id integer PRIMARY KEY);\nINSERT INTO new_orders SELECT id FROM orders;\n"
        "DROP TABLE orders;\nALTER TABLE new_orders RENAME TO orders;\nPRAGMA foreign_key_check;\nCOMMIT;",
    ),
    databases=SQLITE,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    off = history.settings.get("foreign_keys") in ("off", "0", "false", "no")
    if "batch" in statement.notes and not off:
        tables = [action.table for action in statement.actions if isinstance(action, a.OnTable)]
        if tables and not history.is_new(tables[0]):
            yield RULE.finding(
                statement,
                tables[0],
                f"Batch mode makes {tables[0]} anew: its triggers are lost, and with foreign keys on the rows that refer to it.",
            )
    for action in statement.actions:
        if isinstance(action, a.Drop) and action.kind == "table" and not off and _copied(action.name, history):
            yield RULE.finding(
                statement,
                action.name,
                f"With foreign keys on, the rows that refer to {action.name} ON DELETE CASCADE are deleted with it.",
            )


def _copied(name: TableName, history: History) -> bool:
    return any(
        isinstance(action, a.Write)
        and action.from_query
        and history.is_new(action.table)
        and words_mention(each.words, name.name)
        for each in history.statements
        for action in each.actions
    )
