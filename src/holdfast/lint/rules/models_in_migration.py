"""A migration that imports the application's models runs against tomorrow's models, and its SELECT names columns that its table does not have yet."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "models-in-migration",
    "The application's models in a migration",
    "warning",
    fix="Describe the few columns that are needed in the migration itself: sa.table('orders', sa.column('id')).",
    flagged=(),
    safe=("ALTER TABLE orders ADD COLUMN note text;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for note in sorted(statement.notes):
        if note.startswith("model:"):
            yield RULE.finding(
                statement,
                note.removeprefix("model:"),
                f"{note.removeprefix('model:')} will have other columns one day than this migration expects.",
            )
