"""A statement that needs a strong lock waits for whoever holds the table, and everybody who comes later waits behind it: a report that runs for eight
seconds stalls all readers for eight seconds. With a short lock_timeout it gives up, and is tried again.

It is told as information, for the timeout is often set where the linter cannot see it: by whoever runs the migrations, or for the role.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.locks import Lock, locks_of
from holdfast.lint.rule import MSSQL, MYSQL, POSTGRESQL, Rule
from holdfast.tables import TableName

RULE = Rule(
    "missing-lock-timeout",
    "A strong lock without lock_timeout",
    "info",
    fix="SET lock_timeout = '100ms' and try again when it fails; holdfast's own runner does both.",
    flagged=("ALTER TABLE orders ADD COLUMN note text;",),
    safe=("SET lock_timeout = '100ms';\nALTER TABLE orders ADD COLUMN note text;",),
    databases=(*POSTGRESQL, *MYSQL, *MSSQL),
)
_SETTINGS = ("lock_timeout", "lock_wait_timeout", "innodb_lock_wait_timeout")


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if history.runner_sets_timeout or any(
        history.settings.get(name, "0") not in ("0", "default", "") for name in _SETTINGS
    ):
        return
    if any(_first(each, history) for each in history.statements):
        return
    if (found := _first(statement, history)) is not None:
        lock, table = found
        yield RULE.finding(statement, table, f"While it waits for {lock} on {table}, everybody waits behind it.")


def _first(statement: a.Statement, history: History) -> tuple[Lock, TableName] | None:
    for action in statement.actions:
        for lock, table in locks_of(action):
            if lock.strong and not history.is_new(table):
                return lock, table
    return None
