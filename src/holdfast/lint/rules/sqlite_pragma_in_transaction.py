"""PRAGMA foreign_keys does nothing inside a transaction: it is neither obeyed nor refused."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import SQLITE, Rule

RULE = Rule(
    "sqlite-pragma-in-transaction",
    "PRAGMA foreign_keys inside a transaction",
    "error",
    fix="Set it before BEGIN.",
    flagged=("BEGIN;\nPRAGMA foreign_keys = OFF;\nCOMMIT;",),
    safe=("PRAGMA foreign_keys = OFF;\nBEGIN;\nCOMMIT;",),
    databases=SQLITE,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if (
            isinstance(action, a.Setting)
            and action.name == "foreign_keys"
            and action.value
            and statement.transaction is not None
        ):
            yield RULE.finding(
                statement, "foreign_keys", "Inside a transaction it has no effect, and no error says so."
            )
