"""SET NOT NULL reads the whole table under ACCESS EXCLUSIVE, unless a valid CHECK already says that this very column is not null (PostgreSQL 12 and newer)."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "set-not-null",
    "SET NOT NULL that scans the table",
    "error",
    fix="ADD CONSTRAINT … CHECK (column IS NOT NULL) NOT VALID; VALIDATE it in another transaction; SET NOT NULL; drop the CHECK.",
    flagged=(
        "ALTER TABLE orders ALTER COLUMN status SET NOT NULL;",
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (note IS NOT NULL) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT c;\n"
        "ALTER TABLE orders ALTER COLUMN status SET NOT NULL;",
    ),
    safe=(
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (status IS NOT NULL) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT c;\n"
        "ALTER TABLE orders ALTER COLUMN status SET NOT NULL;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.SetNotNull):
        known = history.column(statement, action.table, action.column)
        if known is not None and not known.nullable:
            continue
        check = history.not_null_check(action.table, action.column)
        if check is not None and check.valid and history.server.version >= (12,):
            continue
        table = history.table(action.table)
        unknown = [name for name in sorted(table.validated) if action.column in name] if table is not None else []
        if unknown:
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column}",
                f"{unknown[0]} was validated; unless it says that {action.column} is not null, {action.table} is read from end to end.",
                severity="info",
            )
            continue
        why = (
            "the CHECK that says so is not validated"
            if check is not None
            else "no valid CHECK says that it is not null"
        )
        yield RULE.finding(
            statement,
            f"{action.table}.{action.column}",
            f"{action.table} is read from end to end while nobody can read or write it: {why}.",
        )
