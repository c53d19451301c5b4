"""The migration cannot be taken back: downgrade() is missing, is empty, or raises."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "irreversible-migration",
    "A migration without a way back",
    "info",
    fix="Write downgrade(), or raise an error in it that says why there is none.",
    flagged=(),
    safe=("ALTER TABLE orders ADD COLUMN note text;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if "irreversible" in statement.notes:
        yield RULE.finding(statement, statement.migration, "downgrade() does nothing.")
