"""A foreign key between columns of two types compares with a cast, may do without the index, and one day meets a value that the smaller type cannot hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.known import Table
from holdfast.lint.rule import MSSQL, MYSQL, POSTGRESQL, SQLITE, Rule
from holdfast.tables import TableName

RULE = Rule(
    "foreign-key-type-mismatch",
    "A foreign key between two types",
    "warning",
    fix="Give both columns the same type.",
    flagged=(
        "CREATE TABLE shops (id bigint PRIMARY KEY);\nCREATE TABLE orders (id bigint PRIMARY KEY, shop_id integer REFERENCES shops (id));",
    ),
    safe=(
        "CREATE TABLE shops (id bigint PRIMARY KEY);\nCREATE TABLE orders (id bigint PRIMARY KEY, shop_id bigint REFERENCES shops (id));",
    ),
    databases=(*POSTGRESQL, *SQLITE, *MYSQL, *MSSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        for table, column, constraint in _keys(statement, action, history):
            target = history.table(constraint.target) if constraint.target is not None else None
            if column is None or target is None or len(constraint.columns) != 1:
                continue
            name = constraint.target_columns[0] if constraint.target_columns else _key_of(target)
            other = target.columns.get(name)
            if other is not None and other.type.name and other.type.name != column.type.name:
                yield RULE.finding(
                    statement,
                    f"{table}.{column.name}",
                    f"{column.name} is {column.type}, and {target.name}.{name} is {other.type}.",
                )


def _keys(
    statement: a.Statement, action: a.Action, history: History
) -> Iterator[tuple[TableName, a.Column | None, a.Constraint]]:
    match action:
        case a.CreateTable(table=table, columns=columns, constraints=constraints):
            known = {column.name: column for column in columns}
            for column in columns:
                yield from ((table, column, each) for each in column.constraints if each.kind == "foreign key")
            for each in constraints:
                if each.kind == "foreign key":
                    yield table, known.get(each.columns[0]), each
        case a.AddColumn(table=table, column=column):
            yield from ((table, column, each) for each in column.constraints if each.kind == "foreign key")
        case a.AddConstraint(table=table, constraint=each) if each.kind == "foreign key":
            yield table, history.column(statement, table, each.columns[0]), each


def _key_of(table: Table) -> str:
    for known in table.constraints.values():
        if known.constraint.kind == "primary key" and len(known.constraint.columns) == 1:
            return known.constraint.columns[0]
    return ""
