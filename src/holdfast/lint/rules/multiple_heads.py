"""With two heads `alembic upgrade head` fails, and which migration comes first is not decided."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "multiple-heads",
    "More than one head",
    "warning",
    fix="alembic merge heads",
    flagged=(),
    safe=("ALTER TABLE orders ADD COLUMN note text;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if "heads" in statement.notes:
        yield RULE.finding(statement, statement.text, "There are several heads.")
