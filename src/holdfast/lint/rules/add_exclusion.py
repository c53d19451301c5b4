"""EXCLUDE builds its index under ACCESS EXCLUSIVE, and there is no concurrent form of it."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "add-exclusion",
    "ADD EXCLUDE",
    "error",
    fix="Fill a new table that has the constraint and swap the names, or do it when nobody is at work.",
    flagged=("ALTER TABLE bookings ADD CONSTRAINT apart EXCLUDE USING gist (room WITH =, during WITH &&);",),
    safe=("CREATE TABLE bookings (room int, during tstzrange, EXCLUDE USING gist (during WITH &&));",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddConstraint):
        if action.constraint.kind == "exclude":
            yield RULE.finding(
                statement,
                action.constraint.name or action.table,
                f"Its index is built while nobody can read or write {action.table}.",
            )
