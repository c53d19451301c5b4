"""The statement is not understood, so nothing can be said of it; that is never a pass (exit code 3)."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "unreadable-statement",
    "A statement that cannot be read",
    "error",
    fix="Mend it; or, where the server does take it, say so: -- holdfast: allow unreadable-statement …",
    flagged=("ALTER TABLE orders FROB COLUMN note;",),
    safe=("ALTER TABLE orders ADD COLUMN note text;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if statement.problem:
        yield RULE.finding(statement, "", statement.problem)
