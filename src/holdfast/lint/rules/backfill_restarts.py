"""A batch by ranges of the key does not say which rows are done: if the backfill is interrupted, it begins with the first row again, and writes again all that it had
written. A condition on the column that is filled tells the rows that are left, and so does a table that keeps how far it came.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing
from holdfast.lint.words import Words

RULE = Rule(
    "backfill-restarts",
    "A backfill that begins anew",
    "info",
    fix="Add … AND column IS NULL to the condition; or op.hf_backfill, which keeps how far it came.",
    flagged=("UPDATE orders SET note = 'none' WHERE id >= 1 AND id < 1000;",),
    safe=(
        "UPDATE orders SET note = 'none' WHERE id >= 1 AND id < 1000 AND note IS NULL;",
        "UPDATE orders SET note = 'none' WHERE id = 1;",
    ),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.Write):
        if action.verb != "update" or not action.bounded:
            continue
        assigned, condition = _parts(statement.words)
        ranged = any(word.is_("BETWEEN", "<", ">", "<=", ">=", "LIMIT") for word in condition)
        if ranged and not any(word.kind in ("word", "name") and word.text.lower() in assigned for word in condition):
            yield RULE.finding(
                statement,
                action.table,
                "Interrupted, it begins with the first row again: nothing tells which rows are done.",
            )


def _parts(words: Words) -> tuple[set[str], Words]:
    """The columns that are assigned, and the words of the condition."""
    at = next((i for i, word in enumerate(words) if word.is_("SET")), len(words))
    where = next((i for i, word in enumerate(words) if i > at and word.is_("WHERE")), len(words))
    assigned = {
        words[i].text.lower()
        for i in range(at + 1, min(where, len(words) - 1))
        if words[i].kind in ("word", "name") and words[i + 1].is_("=")
    }
    return assigned, words[where:]
