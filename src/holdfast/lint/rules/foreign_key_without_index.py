"""PostgreSQL makes no index for a foreign key. Without one, each DELETE in the other table reads this one from end to end."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.known import Table
from holdfast.lint.rule import MSSQL, POSTGRESQL, SQLITE, Rule

RULE = Rule(
    "foreign-key-without-index",
    "A foreign key without an index",
    "info",
    fix="CREATE INDEX CONCURRENTLY on the column first.",
    flagged=("ALTER TABLE orders ADD CONSTRAINT a FOREIGN KEY (shop_id) REFERENCES shops NOT VALID;",),
    safe=(
        "CREATE INDEX CONCURRENTLY orders_shop ON orders (shop_id);\n"
        "ALTER TABLE orders ADD CONSTRAINT a FOREIGN KEY (shop_id) REFERENCES shops NOT VALID;",
    ),
    databases=(*POSTGRESQL, *SQLITE, *MSSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    return ()


def finish(history: History) -> Iterable[Finding]:
    for statement in history.statements:
        for action in statement.actions:
            if isinstance(action, a.AddConstraint):
                constraints = [action.constraint]
            elif isinstance(action, a.AddColumn):
                constraints = list(action.column.constraints)
            else:
                continue
            table = history.table(action.table)
            for constraint in constraints:
                if constraint.kind == "foreign key" and table is not None and not _indexed(table, constraint.columns):
                    yield RULE.finding(
                        statement,
                        constraint.name or action.table,
                        f"No index is known on {action.table} ({', '.join(constraint.columns)}).",
                    )


def _indexed(table: Table, columns: tuple[str, ...]) -> bool:
    keys = [index.columns for index in table.indexes.values() if not index.predicate]
    keys += [
        each.constraint.columns
        for each in table.constraints.values()
        if each.constraint.kind in ("unique", "primary key")
    ]
    return any(key[: len(columns)] == columns for key in keys)
