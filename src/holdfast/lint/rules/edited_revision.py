"""A revision that was run is not run again: what was written into its file since then is on new databases alone.

Each database that had it is without that from then on, and no later revision can know which of the two it meets. With `--url`
the file is compared with what `holdfast migrate`, or `run_migrations` in `env.py`, ran on that database. Comments, formatting and
`downgrade()` may change. Nothing is known of a revision that was run otherwise, or stamped.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "edited-revision",
    "A revision that was edited after it was run",
    "warning",
    fix="Put the file back, and the change into a revision of its own: alembic revision. Where every database has what the file says now, allow it with a reason, at the left margin.",
    flagged=(),
    safe=("ALTER TABLE orders ADD COLUMN note text;",),
    databases=EVERY,
    of_database=True,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for note in statement.notes:
        kind, _, day = note.partition(":")
        if kind == "edited":
            yield RULE.finding(
                statement,
                statement.text,
                f"It was edited after it was run here on {day}; this database has what it did then.",
            )
