"""One UPDATE or DELETE of many rows locks them all to its commit: a writer waited 76 seconds for five million rows. It leaves as many dead rows behind, and
replicas fall back. WHERE helps only where it names rows by a key, or both ends of a range.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "unbounded-write",
    "UPDATE or DELETE of any number of rows",
    "error",
    fix="Change them in batches of a few thousand rows, by ranges of the key, each in its own transaction.",
    flagged=("UPDATE orders SET status = 'new';", "DELETE FROM orders WHERE status = 'gone';"),
    safe=(
        "UPDATE orders SET status = 'new' WHERE id BETWEEN 1 AND 1000;",
        "DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE status = 'gone' LIMIT 1000);",
    ),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.Write):
        if (
            action.verb in ("update", "delete", "merge")
            and not action.bounded
            and action.table.name != "alembic_version"
        ):
            yield RULE.finding(
                statement,
                action.table,
                f"It may be about all rows of {action.table}, and locks each until all are done.",
            )
