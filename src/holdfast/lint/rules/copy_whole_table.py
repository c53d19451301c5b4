"""INSERT … SELECT and CREATE TABLE AS read a table in one snapshot. As long as that takes, VACUUM cleans nothing up and CREATE INDEX CONCURRENTLY waits."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.expressions import words_mention
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, MYSQL, POSTGRESQL, Rule
from holdfast.lint.words import has

RULE = Rule(
    "copy-whole-table",
    "A whole table copied at once",
    "warning",
    fix="Copy it in batches, by ranges of the key.",
    flagged=("INSERT INTO archive SELECT * FROM orders;", "CREATE TABLE archive AS SELECT * FROM orders;"),
    safe=(
        "INSERT INTO archive (id) VALUES (1);",
        "CREATE TABLE notes (a text);\nINSERT INTO archive SELECT a FROM notes;",
    ),
    databases=(*POSTGRESQL, *MYSQL, *MSSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.Write) and action.verb == "insert" and action.from_query and not action.bounded:
            new = [
                table for table in history.tables.values() if history.is_new(table.name) and table.name != action.table
            ]
            if not any(words_mention(statement.words, table.name.name) for table in new):
                yield RULE.finding(
                    statement, action.table, f"All that the query finds is copied to {action.table} in one go."
                )
        elif (
            isinstance(action, a.CreateTable)
            and has(action.query, "FROM")
            and not has(action.query, "WITH", "NO", "DATA")
        ):
            yield RULE.finding(
                statement, action.table, f"All that the query finds is copied to {action.table} in one go."
            )
