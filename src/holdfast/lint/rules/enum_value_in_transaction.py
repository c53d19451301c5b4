"""A value that was added to an enum cannot be used before its transaction is committed (55P04); before PostgreSQL 12 it cannot even be added in one."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "enum-value-in-transaction",
    "An enum's new value used in the transaction that adds it",
    "error",
    fix="Add the value in a migration of its own (autocommit_block()), and use it in the next.",
    flagged=(
        "BEGIN;\nALTER TYPE status ADD VALUE 'lost' AFTER 'new';\nUPDATE orders SET status = 'lost' WHERE id = 1;\nCOMMIT;",
    ),
    safe=("ALTER TYPE status ADD VALUE 'lost' AFTER 'new';\nUPDATE orders SET status = 'lost' WHERE id = 1;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if statement.transaction is None:
        return
    if history.server.version < (12,):
        for action in statement.actions:
            if isinstance(action, a.AddLabel):
                yield RULE.finding(
                    statement, action.type, "ALTER TYPE … ADD VALUE fails in a transaction before PostgreSQL 12."
                )
        return
    for earlier, action in history.earlier(statement):
        if (
            isinstance(action, a.AddLabel)
            and earlier.transaction == statement.transaction
            and action.type not in history.types
        ) and any(word.kind == "string" and word.text == action.label for word in statement.words):
            yield RULE.finding(
                statement,
                action.type,
                f"{action.label!r} was added in this transaction and cannot be used before its end.",
            )
