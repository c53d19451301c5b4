"""A copy takes the place of a table, as gh-ost and pt-online-schema-change do it: the triggers of the original, those of holdfast among them, do not come along, and foreign
keys of others go on pointing at the original. gh-ost refuses tables with triggers or foreign keys; pt-online-schema-change needs --preserve-triggers.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, Rule
from holdfast.tables import TableName

RULE = Rule(
    "mysql-table-swap",
    "A copied table takes the place of the original",
    "warning",
    fix="Change the table itself with ALGORITHM=INSTANT or INPLACE; or take its triggers away first and make them anew on the copy.",
    flagged=("RENAME TABLE orders TO _orders_del, _orders_gho TO orders;",),
    safe=("RENAME TABLE drafts TO papers;",),
    databases=MYSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    away: set[TableName] = set()
    for action in statement.actions:
        if isinstance(action, a.Rename) and action.kind == "table":
            place = TableName(action.name.schema, action.new)
            if place in away and not history.is_new(place):
                yield RULE.finding(
                    statement,
                    place,
                    f"The triggers of {place} stay with what is called otherwise now, and so do foreign keys.",
                )
            away.add(action.name)
