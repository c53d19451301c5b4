"""TRUNCATE takes ACCESS EXCLUSIVE, fires no row trigger (no audit, no soft delete), and CASCADE empties the tables that refer to it."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "truncate",
    "TRUNCATE",
    "error",
    fix="Delete the rows in batches.",
    flagged=("TRUNCATE orders CASCADE;",),
    safe=("CREATE TABLE notes (a text);\nTRUNCATE notes;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.Truncate):
        further = ", and of what refers to it" if action.cascade else ""
        yield RULE.finding(
            statement, action.table, f"All rows of {action.table}{further} are gone, and no row trigger hears of it."
        )
