"""A policy, or a trigger of holdfast, that names the column fails or goes stale when it is renamed, dropped or given another type."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.expressions import words_mention
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "change-protected-column",
    "A column that protection names, renamed or dropped",
    "error",
    fix="Drop the policy or trigger, change the column, and make it again in the same transaction; holdfast's autogenerate writes that.",
    flagged=(
        "CREATE POLICY own ON orders USING (owner = current_user);\nALTER TABLE orders RENAME COLUMN owner TO keeper;",
    ),
    databases=EVERY,
    safe=(
        "CREATE POLICY own ON orders USING (owner = current_user);\nALTER TABLE orders RENAME COLUMN note TO remark;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.RenameColumn | a.DropColumn | a.AlterType):
            table = history.table(action.table)
            if table is None:
                continue
            thing = f"{action.table}.{action.column}"
            if action.column in table.policies_of:
                message = f"The policy {table.policies_of[action.column]} of {action.table} is about {action.column}."
                yield RULE.finding(statement, thing, message)
            elif table.audited:
                message = f"The triggers that record {action.table} name {action.column}; without new ones no row can be written."
                yield RULE.finding(statement, thing, message, severity="warning")
            if isinstance(action, a.AlterType):
                # What else a change of type meets is for change-type-of-used-column.
                continue
            policies = [(each.name, each.words) for each in table.policies.values()]
            triggers = [(each.name, each.words) for each in table.triggers.values()]
            for name, words in (*policies, *triggers):
                if words_mention(words, action.column):
                    yield RULE.finding(statement, thing, f"{name} names {action.column}.")
