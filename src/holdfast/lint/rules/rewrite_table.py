"""VACUUM FULL, CLUSTER, SET LOGGED or UNLOGGED, SET TABLESPACE and SET ACCESS METHOD write each row anew under ACCESS EXCLUSIVE."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, POSTGRESQL, SQLITE, Rule

RULE = Rule(
    "rewrite-table",
    "VACUUM FULL, CLUSTER and other rewrites",
    "error",
    fix="Use pg_repack, or REPACK CONCURRENTLY on PostgreSQL 19; plain VACUUM stops nobody.",
    flagged=("VACUUM FULL orders;", "ALTER TABLE orders SET UNLOGGED;"),
    safe=("VACUUM orders;",),
    databases=(*POSTGRESQL, *SQLITE, *MYSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.Rewrite) and not history.is_new(action.table):
            whole = action.table or "the whole database"
            yield RULE.finding(statement, whole, f"{action.how} writes {whole} anew while nobody can read or write it.")
