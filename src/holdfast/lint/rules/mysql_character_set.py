"""CONVERT TO CHARACTER SET writes every row anew in a copy of the table, and nobody can write it meanwhile. A text that is longer in bytes may become of another type."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, Rule, on_existing

RULE = Rule(
    "mysql-character-set",
    "CONVERT TO CHARACTER SET",
    "error",
    fix="Add a column of the other character set, fill it in batches and move over; or stop writing meanwhile.",
    flagged=("ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4, ALGORITHM=COPY;",),
    safe=("ALTER TABLE orders DEFAULT CHARACTER SET utf8mb4, ALGORITHM=INPLACE, LOCK=NONE;",),
    databases=MYSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.ChangeSetting):
        if action.setting.startswith("convert"):
            yield RULE.finding(statement, action.table, f"{action.table} is copied, and nobody can write it meanwhile.")
