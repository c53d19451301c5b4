"""Models that are running still name the column in each SELECT and INSERT, and fail. With the column go its indexes and constraints, and the data."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "drop-column",
    "DROP COLUMN",
    "error",
    fix="Release code that does not map the column first (and a default, or DROP NOT NULL); drop it with the release after.",
    flagged=("ALTER TABLE orders DROP COLUMN note;",),
    safe=("CREATE TABLE notes (a text, b text);\nALTER TABLE notes DROP COLUMN a;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.DropColumn):
        yield RULE.finding(
            statement,
            f"{action.table}.{action.column}",
            f"Code that still maps {action.column} fails on each SELECT and INSERT, and the values are gone.",
        )
