"""A session that has prepared a SELECT * keeps the columns that it had then. After a column came, or changed its type, each such statement fails once on each
connection of the pool: "cached plan must not change result type" (psycopg 3, asyncpg), and with it the transaction that it was in.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "cached-plan",
    "Prepared SELECT * that fails once",
    "off",
    fix="Name the columns (SQLAlchemy's ORM does), or try again on SQLSTATE 0A000; or empty the pools after the migration.",
    flagged=(
        "ALTER TABLE orders ADD COLUMN note text;",
        "ALTER TABLE orders ALTER COLUMN note TYPE text;",
    ),
    safe=(
        "CREATE TABLE notes (a text);\nALTER TABLE notes ADD COLUMN b text;",
        "CREATE INDEX CONCURRENTLY i ON orders (id);",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    changed = {action.table for kind in (a.AddColumn, a.AlterType) for action in on_existing(statement, history, kind)}
    for table in sorted(changed):
        if not any(_changes(each, table) for each in history.statements):
            yield RULE.finding(
                statement, table, f"A prepared SELECT * FROM {table} fails once on each connection that has one."
            )


def _changes(statement: a.Statement, table: object) -> bool:
    return any(isinstance(each, a.AddColumn | a.AlterType) and each.table == table for each in statement.actions)
