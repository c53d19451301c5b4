"""A transaction that locks several tables against everybody holds the first while it waits for the next. Another transaction that takes them the other way
round is in a deadlock with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.locks import Lock, locks_of
from holdfast.lint.rule import Rule

RULE = Rule(
    "several-tables-locked",
    "Strong locks on several tables in one transaction",
    "warning",
    fix="One table in one transaction: a migration for each, with transaction_per_migration=True.",
    flagged=("BEGIN;\nALTER TABLE orders ADD COLUMN a text;\nALTER TABLE shops ADD COLUMN a text;\nCOMMIT;",),
    safe=(
        "BEGIN;\nALTER TABLE orders ADD COLUMN a text;\nCOMMIT;\nBEGIN;\nALTER TABLE shops ADD COLUMN a text;\nCOMMIT;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    held = {
        each.table
        for each in history.locked(statement, Lock.ACCESS_EXCLUSIVE)
        if each.statement.migration == statement.migration
    }
    for action in statement.actions:
        for lock, table in locks_of(action):
            if lock is Lock.ACCESS_EXCLUSIVE and len(held) == 1 and table not in held and not history.is_new(table):
                first = next(iter(held))
                if history.owner_of(table) is None or history.owner_of(table) is not history.table(first):
                    yield RULE.finding(
                        statement, table, f"It waits for {table} while nobody can read or write {first}."
                    )
                    return
