"""Most changes of type write each row and each index anew under ACCESS EXCLUSIVE. Some touch the catalog alone, and are not reported where the
type that is there is known: a longer or unlimited varchar, varchar to text, more digits of a numeric with the same scale, more precision of
a time, cidr to inet, timestamp to timestamptz while the time zone is UTC.

Connections that have prepared a statement on the table see it fail once ("cached plan must not change result type"), whatever the change.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.expressions import calls_in
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.reading.types import keeps_rows
from holdfast.lint.rule import MSSQL, MYSQL, POSTGRESQL, Rule, on_existing

RULE = Rule(
    "change-column-type",
    "A change of type that rewrites the table",
    "error",
    fix="Add a column of the new type, keep both in step by a trigger, fill it in batches, then swap the names.",
    flagged=(
        "ALTER TABLE orders ALTER COLUMN id TYPE bigint;",
        "CREATE TABLE IF NOT EXISTS t (a int);\nALTER TABLE orders ALTER COLUMN total TYPE numeric USING total::numeric;",
    ),
    safe=("CREATE TABLE notes (a varchar(10));\nALTER TABLE notes ALTER COLUMN a TYPE text;",),
    databases=(*POSTGRESQL, *MYSQL, *MSSQL),
)
_MAY_BE_WIDER = {
    "varchar",
    "text",
    "numeric",
    "timestamp",
    "timestamptz",
    "time",
    "timetz",
    "interval",
    "varbit",
    "inet",
    "citext",
}


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AlterType):
        known = history.column(statement, action.table, action.column)
        old = known.type if known is not None and known.type.name else None
        thing = f"{action.table}.{action.column}"
        if old is not None:
            if not _free(old, action, history):
                yield RULE.finding(
                    statement,
                    thing,
                    f"From {old} to {action.type} every row of {action.table} is rewritten while nobody can read or write it.",
                )
        elif action.type.name in _MAY_BE_WIDER and not _converts(action):
            yield RULE.finding(
                statement,
                thing,
                f"Unless {action.column} becomes wider by this, every row of {action.table} is rewritten while nobody can read or write it. "
                "Its type is not known here.",
                severity="warning",
                fix="Give --url, or existing_type in the migration, so that the type is known.",
            )
        else:
            yield RULE.finding(
                statement,
                thing,
                f"To {action.type}: every row of {action.table} is rewritten while nobody can read or write it.",
            )


def _free(old: a.Type, action: a.AlterType, history: History) -> bool:
    if history.server.kind != "postgresql":
        return old == action.type
    utc = history.settings.get("timezone", "") in ("utc", "gmt", "etc/utc")
    return not _converts(action) and not action.collated and keeps_rows(old, action.type, utc=utc)


def _converts(action: a.AlterType) -> bool:
    """Whether USING does more than to name the column, as it is or cast to that type."""
    words = action.using or ()
    return len(words) > 1 and not (words[1].is_("::") and not list(calls_in(words)))
