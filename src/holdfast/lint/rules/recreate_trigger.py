"""DROP TRIGGER takes ACCESS EXCLUSIVE, and outside of a transaction the rows that are written between DROP and CREATE miss the trigger. CREATE OR REPLACE FUNCTION takes no
lock on the table at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "recreate-trigger",
    "A trigger dropped and made again",
    "error",
    fix="Leave the trigger, and CREATE OR REPLACE the function that it calls; or CREATE OR REPLACE TRIGGER (PostgreSQL 14 and newer).",
    flagged=(
        "DROP TRIGGER stamp ON orders;\nCREATE TRIGGER stamp BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();",
    ),
    safe=("CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    dropped = {(each.table, each.name) for _, each in history.earlier(statement) if isinstance(each, a.DropTrigger)}
    for action in on_existing(statement, history, a.CreateTrigger):
        if (action.table, action.name) in dropped:
            yield RULE.finding(
                statement,
                action.name,
                f"{action.table} was locked against everybody to drop {action.name}, which is made again.",
            )
