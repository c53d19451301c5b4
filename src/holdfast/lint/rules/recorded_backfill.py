"""Each row that is changed is recorded by holdfast, with what it was before: a backfill of all rows writes them twice, and the journal keeps them. Seen with `--url` alone."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "recorded-backfill",
    "Many rows of a recorded table changed",
    "warning",
    fix="Say why, so that the journal can tell: with holdfast.context(reason=…); and change them in batches.",
    flagged=(),
    safe=("UPDATE orders SET note = '' WHERE id = 1;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.Write):
        table = history.table(action.table)
        if table is not None and table.audited and not action.bounded:
            yield RULE.finding(
                statement, action.table, f"Every row of {action.table} that is changed goes to the journal as well."
            )
