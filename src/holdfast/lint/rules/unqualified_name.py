"""A name without a schema is looked up along search_path, which is another one for another role. Off unless you set its severity."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule
from holdfast.lint.words import has

RULE = Rule(
    "unqualified-name",
    "A table without its schema",
    "off",
    fix="Write the schema.",
    flagged=("ALTER TABLE orders ADD COLUMN note text;",),
    safe=("ALTER TABLE sales.orders ADD COLUMN note text;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for table in {action.table for action in statement.actions if isinstance(action, a.OnTable)}:
        if not table.schema and table.name and not has(statement.words, "PUBLIC", "."):
            yield RULE.finding(statement, table, f"{table} is looked up along search_path.")
