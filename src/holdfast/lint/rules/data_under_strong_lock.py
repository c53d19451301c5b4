"""A transaction keeps its locks to the end. An UPDATE of many rows after an ALTER TABLE in the same transaction runs while nobody can read or write the
altered table.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.locks import Lock
from holdfast.lint.rule import Rule

RULE = Rule(
    "data-under-strong-lock",
    "Rows changed under a strong lock",
    "error",
    fix="Change the rows in a migration of their own, in batches, each in its own transaction.",
    flagged=("BEGIN;\nALTER TABLE orders ADD COLUMN status text;\nUPDATE orders SET status = 'new';\nCOMMIT;",),
    safe=(
        "BEGIN;\nALTER TABLE orders ADD COLUMN status text;\nCOMMIT;\nBEGIN;\nUPDATE orders SET status = 'new' WHERE id = 7;\nCOMMIT;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    held = list(history.locked(statement, Lock.SHARE))
    for action in statement.actions:
        if isinstance(action, a.Write) and held and not action.bounded and not history.is_new(action.table):
            strongest = max(held, key=lambda each: each.lock)
            yield RULE.finding(
                statement,
                action.table,
                f"The transaction holds {strongest.lock} on {strongest.table}: {strongest.lock.stops} until all rows are changed.",
            )
