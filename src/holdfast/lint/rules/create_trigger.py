"""CREATE TRIGGER, ENABLE TRIGGER and DISABLE TRIGGER take SHARE ROW EXCLUSIVE: writers wait, and they wait behind the longest writer that is at work."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "create-trigger",
    "CREATE TRIGGER on a table in use",
    "info",
    fix="Set lock_timeout, and try again when it fails.",
    flagged=("CREATE TRIGGER stamp BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();",),
    safe=("CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.CreateTrigger):
        yield RULE.finding(statement, action.table, f"Writers of {action.table} wait for a moment.")
