"""A comment that allows what is not reported is out of date, or has the name of the rule wrong."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "unused-allow",
    "An allow that allows nothing",
    "warning",
    fix="Remove the comment, or correct the name of the rule.",
    flagged=("-- holdfast: allow drop-column nobody reads it\nALTER TABLE orders ADD COLUMN note text;",),
    safe=("-- holdfast: allow drop-column nobody reads it\nALTER TABLE orders DROP COLUMN note;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    """Whoever checks knows what was allowed, and reports it."""
    return ()
