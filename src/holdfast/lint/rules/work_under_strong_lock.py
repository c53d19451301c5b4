"""A transaction keeps its locks to the end, so whatever it does after an ALTER TABLE makes readers and writers of that table wait: a query, a function, COPY,
the build of an index on another table.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.locks import Lock
from holdfast.lint.rule import Rule

RULE = Rule(
    "work-under-strong-lock",
    "Long work under a strong lock",
    "warning",
    fix="Do it before the lock is taken, or in a transaction of its own.",
    flagged=("BEGIN;\nALTER TABLE orders ADD COLUMN note text;\nSELECT count(*) FROM orders;\nCOMMIT;",),
    safe=("BEGIN;\nSELECT count(*) FROM shops;\nALTER TABLE orders ADD COLUMN note text;\nCOMMIT;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    held = list(history.locked(statement, Lock.ACCESS_EXCLUSIVE))
    if held and (what := _long(statement, history)):
        yield RULE.finding(statement, held[0].table, f"{what} runs while nobody can read or write {held[0].table}.")


def _long(statement: a.Statement, history: History) -> str:
    for action in statement.actions:
        match action:
            case a.Read(tables=tables) if tables and not all(history.is_new(each) for each in tables):
                return "A query"
            case a.Opaque(what=what):
                return what
            case a.Write(verb="copy", table=table) if not history.is_new(table):
                return "COPY"
            case a.CreateIndex(table=table, concurrently=False) if not history.is_new(table):
                return "The build of an index"
            case a.RefreshView():
                return "REFRESH MATERIALIZED VIEW"
            case a.CreateTable(query=query) if query:
                return "The query that fills a table"
    return ""
