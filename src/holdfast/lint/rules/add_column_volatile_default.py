"""A volatile default (`random()`, `gen_random_uuid()`, `clock_timestamp()`, `nextval()`, any function of your own that is not declared
STABLE) has to be computed for each row, so PostgreSQL writes the table and all its indexes anew under ACCESS EXCLUSIVE: nobody reads or
writes until that is done. A constant and `now()` are kept in the catalog and cost nothing, whatever the size.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.expressions import first_volatile
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "add-column-volatile-default",
    "ADD COLUMN with a volatile default",
    "error",
    fix="Add the column without a default, then SET DEFAULT, fill the rows that are there in batches, and set NOT NULL at the end.",
    flagged=("ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",),
    safe=(
        "ALTER TABLE orders ADD COLUMN token uuid;\nALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();",
        "ALTER TABLE orders ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();",
    ),
    since=(11,),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.AddColumn):
        function = first_volatile(action.column.default or (), history)
        if function and not action.column.generated:
            yield RULE.finding(
                statement,
                f"{action.table}.{action.column.name}",
                f"{function}() is computed for every row of {action.table}: the table is rewritten, and nobody can read or write it until then.",
            )
