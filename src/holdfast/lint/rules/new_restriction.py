"""A constraint that was not there yesterday, NOT VALID or not, refuses what the code that is still running may write."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "new-restriction",
    "A new constraint refuses writes of running code",
    "info",
    fix="Deploy the code that keeps to it first.",
    flagged=("CREATE UNIQUE INDEX CONCURRENTLY orders_number ON orders (number);",),
    safe=("CREATE INDEX CONCURRENTLY orders_number ON orders (number);",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddConstraint):
        if not action.constraint.using_index:
            yield RULE.finding(
                statement,
                action.constraint.name or action.table,
                f"Running code that breaks it fails when it writes {action.table}.",
            )
    for index in on_existing(statement, history, a.CreateIndex):
        if index.unique:
            yield RULE.finding(
                statement, index.name or index.table, f"Running code that writes a value twice fails on {index.table}."
            )
