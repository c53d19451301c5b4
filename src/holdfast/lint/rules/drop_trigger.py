"""What the trigger ensured is not ensured any more, for each writer, from this moment on. It takes ACCESS EXCLUSIVE on the table."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "drop-trigger",
    "DROP TRIGGER",
    "warning",
    fix="Make sure that nobody relies on it; to change what it does, CREATE OR REPLACE its function.",
    flagged=("DROP TRIGGER stamp ON orders;",),
    safe=("CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.DropTrigger):
        yield RULE.finding(
            statement, action.name, f"Rows of {action.table} are written without {action.name} from now on."
        )
