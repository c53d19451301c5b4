"""A CHECK on the column is tried on each row under ACCESS EXCLUSIVE, even where the type itself costs nothing. A trigger (`UPDATE OF`, `WHEN`), a
policy, a view or a generated column that names the column makes the statement fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from holdfast.lint import actions as a
from holdfast.lint.expressions import words_mention
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.known import Table
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "change-type-of-used-column",
    "A change of type under a constraint, policy, trigger or view",
    "error",
    fix="Drop what names the column, change the type, and make it again in the same transaction; a CHECK as NOT VALID, validated later.",
    flagged=(
        "CREATE POLICY own ON orders USING (owner = current_user);\nALTER TABLE orders ALTER COLUMN owner TYPE text;",
    ),
    safe=(
        "CREATE POLICY own ON orders USING (owner = current_user);\nALTER TABLE orders ALTER COLUMN note TYPE text;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AlterType):
        table = history.table(action.table)
        if table is None:
            continue
        for what in _users(table, action.column, history):
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column}",
                f"{what} names {action.column}: the change fails, or scans the table under the lock.",
            )


def _users(table: Table, column: str, history: History) -> Iterator[str]:
    for name, known in table.constraints.items():
        if known.constraint.kind == "check" and known.valid and words_mention(known.constraint.words, column):
            yield f"The CHECK {name}"
    for policy in table.policies.values():
        if words_mention(policy.words, column):
            yield f"The policy {policy.name}"
    for trigger in table.triggers.values():
        if words_mention(trigger.words, column):
            yield f"The trigger {trigger.name}"
    for view in history.views.values():
        if words_mention(view.words, column) and words_mention(view.words, table.name.name):
            yield f"The view {view.name}"
