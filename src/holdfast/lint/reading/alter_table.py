"""ALTER TABLE, of every database: each part after a comma is an action."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from holdfast.lint.actions import (
    Action,
    AddColumn,
    AddConstraint,
    AlterType,
    AttachPartition,
    ChangeSetting,
    CreateIndex,
    DetachPartition,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropNotNull,
    Rename,
    RenameColumn,
    RenameTable,
    Rewrite,
    RowSecurity,
    SetDefault,
    SetNotNull,
    SwitchTrigger,
    ValidateConstraint,
)
from holdfast.lint.reading.columns import column_names, read_column, read_constraint, starts_constraint
from holdfast.lint.reading.types import AFTER_TYPE, read_type
from holdfast.lint.words import Cursor
from holdfast.tables import TableName

Actions = Iterator[Action]
_REWRITES = (("SET", "LOGGED"), ("SET", "UNLOGGED"), ("SET", "TABLESPACE"), ("SET", "ACCESS", "METHOD"))
_SETTINGS = (
    *("OWNER", "REPLICA", "CLUSTER", "SET", "RESET", "INHERIT", "NO", "OF", "NOT", "ENGINE", "COMMENT"),
    *("AUTO_INCREMENT", "ROW_FORMAT", "ALGORITHM", "LOCK", "OPTIONS", "CHARACTER", "CHARSET", "COLLATE", "CONVERT"),
    "DEFAULT",
)


def read_alter_table(cursor: Cursor) -> Actions:
    """After ALTER TABLE."""
    cursor.take("IF", "EXISTS")
    cursor.take("ONLY")
    if cursor.take("ALL", "IN", "TABLESPACE"):
        cursor.rest()
        yield Rewrite("SET TABLESPACE")
        return
    table = cursor.name()
    cursor.take("*")
    mssql_check = "check" if cursor.take("WITH", "CHECK") else "nocheck" if cursor.take("WITH", "NOCHECK") else ""
    previous = ""
    while True:
        verb = cursor.next.text.upper()
        if previous == "ADD" and cursor.server.kind == "mssql" and verb not in _PARTS:
            # SQL Server writes ADD once for several columns.
            yield from _add_definition(cursor, table)
        elif verb in _PARTS:
            cursor.skip()
            yield from _PARTS[verb](cursor, table)
            previous = verb
        elif verb in _SETTINGS:
            yield _setting(cursor, table)
        else:
            cursor.refuse("This part of ALTER TABLE is not known")
        if mssql_check == "nocheck":
            yield ChangeSetting(table, "nocheck")
        if not cursor.take(","):
            return


def _add(cursor: Cursor, table: TableName) -> Actions:
    if cursor.take("INDEX|KEY") or cursor.take("FULLTEXT|SPATIAL"):
        cursor.take("INDEX|KEY")
        name = "" if cursor.sees("(") else cursor.identifier()
        cursor.take("USING", "BTREE|HASH")
        yield CreateIndex(table, name, column_names(cursor))
        return
    if starts_constraint(cursor) or cursor.sees("NOT", "NULL"):
        yield AddConstraint(table, read_constraint(cursor))
        return
    cursor.take("COLUMN")
    cursor.take("IF", "NOT", "EXISTS")
    if cursor.sees("("):
        inner = cursor.inside(cursor.group())
        while not inner.done:
            yield AddColumn(table, read_column(inner))
            inner.take(",")
        return
    yield AddColumn(table, read_column(cursor))


def _add_definition(cursor: Cursor, table: TableName) -> Actions:
    if starts_constraint(cursor):
        yield AddConstraint(table, read_constraint(cursor))
    else:
        yield AddColumn(table, read_column(cursor))


def _alter(cursor: Cursor, table: TableName) -> Actions:
    if cursor.take("CONSTRAINT"):
        cursor.identifier()
        cursor.until()
        yield ChangeSetting(table, "constraint")
        return
    cursor.take("COLUMN")
    column = cursor.identifier()
    if cursor.take("SET", "DATA", "TYPE") or cursor.take("TYPE"):
        type_ = read_type(cursor)
        collated = cursor.take("COLLATE")
        if collated:
            cursor.name()
        using = cursor.until() if cursor.take("USING") else None
        yield AlterType(table, column, type_, using, collated)
    elif cursor.take("SET", "NOT", "NULL"):
        yield SetNotNull(table, column)
    elif cursor.take("DROP", "NOT", "NULL"):
        yield DropNotNull(table, column)
    elif cursor.take("SET", "DEFAULT"):
        yield SetDefault(table, column, cursor.until())
    elif cursor.take("DROP", "DEFAULT"):
        yield SetDefault(table, column, None)
    elif cursor.take("DROP", "EXPRESSION|IDENTITY"):
        cursor.take("IF", "EXISTS")
        yield ChangeSetting(table, "column")
    elif cursor.take("SET", "EXPRESSION"):
        cursor.until()
        yield Rewrite("SET EXPRESSION", table)
    elif cursor.sees("SET|RESET|ADD|RESTART"):
        cursor.until()
        yield ChangeSetting(table, "column")
    else:
        yield from _retyped(cursor, table, column)


def _retyped(cursor: Cursor, table: TableName, column: str) -> Actions:
    """``ALTER COLUMN c bigint NOT NULL`` of SQL Server."""
    if cursor.done or cursor.next.is_(*AFTER_TYPE):
        cursor.refuse("This change of a column is not known")
    yield AlterType(table, column, read_type(cursor))
    if cursor.take("NOT", "NULL"):
        yield SetNotNull(table, column)
    else:
        cursor.take("NULL")
    cursor.until()


def _modify(cursor: Cursor, table: TableName) -> Actions:
    """MODIFY of MySQL."""
    cursor.take("COLUMN")
    column = read_column(cursor)
    yield AlterType(table, column.name, column.type)
    if not column.nullable:
        yield SetNotNull(table, column.name)


def _change(cursor: Cursor, table: TableName) -> Actions:
    """CHANGE of MySQL: a new name and a new type in one."""
    cursor.take("COLUMN")
    old = cursor.identifier()
    column = read_column(cursor)
    yield AlterType(table, old, column.type)
    if old != column.name:
        yield RenameColumn(table, old, column.name)


def _drop(cursor: Cursor, table: TableName) -> Actions:
    if cursor.take("CONSTRAINT|CHECK"):
        cursor.take("IF", "EXISTS")
        yield DropConstraint(table, cursor.identifier())
    elif cursor.take("FOREIGN", "KEY"):
        yield DropConstraint(table, cursor.identifier(), foreign_key=True)
    elif cursor.take("PRIMARY", "KEY"):
        yield DropConstraint(table, "PRIMARY")
    elif cursor.server.kind in ("mysql", "mariadb") and cursor.take("INDEX|KEY"):
        yield DropIndex(TableName("", cursor.identifier()), table=table)
    else:
        cursor.take("COLUMN")
        cursor.take("IF", "EXISTS")
        yield DropColumn(table, cursor.identifier())
    cursor.take("CASCADE|RESTRICT")


def _rename(cursor: Cursor, table: TableName) -> Actions:
    if cursor.take("TO|AS"):
        yield RenameTable(table, cursor.name())
    elif cursor.take("CONSTRAINT|INDEX|KEY"):
        name = TableName(table.schema, cursor.identifier())
        cursor.expect("TO")
        yield Rename("constraint", name, cursor.identifier())
    else:
        cursor.take("COLUMN")
        old = cursor.identifier()
        cursor.expect("TO")
        yield RenameColumn(table, old, cursor.identifier())


def _validate(cursor: Cursor, table: TableName) -> Actions:
    cursor.expect("CONSTRAINT")
    yield ValidateConstraint(table, cursor.identifier())


def _check(cursor: Cursor, table: TableName) -> Actions:
    """WITH CHECK CHECK CONSTRAINT of SQL Server."""
    cursor.expect("CONSTRAINT")
    yield ValidateConstraint(table, cursor.identifier())


def _enable(cursor: Cursor, table: TableName) -> Actions:
    yield from _switch(cursor, table, enable=True)


def _disable(cursor: Cursor, table: TableName) -> Actions:
    yield from _switch(cursor, table, enable=False)


def _switch(cursor: Cursor, table: TableName, *, enable: bool) -> Actions:
    if cursor.take("ROW", "LEVEL", "SECURITY"):
        yield RowSecurity(table, enable=enable)
        return
    cursor.take("REPLICA|ALWAYS")
    if cursor.take("RULE"):
        cursor.identifier()
        yield ChangeSetting(table, "rule")
        return
    cursor.expect("TRIGGER")
    yield SwitchTrigger(table, cursor.identifier(), enable)


def _force(cursor: Cursor, table: TableName) -> Actions:
    cursor.expect("ROW", "LEVEL", "SECURITY")
    yield RowSecurity(table, force=True)


def _attach(cursor: Cursor, table: TableName) -> Actions:
    cursor.expect("PARTITION")
    yield AttachPartition(table, cursor.name())
    cursor.until()


def _detach(cursor: Cursor, table: TableName) -> Actions:
    cursor.expect("PARTITION")
    partition = cursor.name()
    if cursor.take("FINALIZE"):
        # What a DETACH CONCURRENTLY that was interrupted has left to do: it stops nobody.
        return
    yield DetachPartition(table, partition, cursor.take("CONCURRENTLY"))


def _setting(cursor: Cursor, table: TableName) -> Action:
    if cursor.take("NO", "FORCE"):
        cursor.expect("ROW", "LEVEL", "SECURITY")
        return RowSecurity(table, force=False)
    if cursor.take("SET", "SCHEMA"):
        return RenameTable(table, TableName(cursor.identifier(), table.name))
    for keywords in _REWRITES:
        if cursor.take(*keywords):
            cursor.until()
            return Rewrite(" ".join(keywords), table)
    setting = cursor.skip().text.lower()
    cursor.take("BY|TO|=")
    words = cursor.until()
    return ChangeSetting(table, " ".join([setting, *(word.text.lower() for word in words[:3])]))


_PARTS: dict[str, Callable[[Cursor, TableName], Actions]] = {
    "ADD": _add,
    "ALTER": _alter,
    "MODIFY": _modify,
    "CHANGE": _change,
    "DROP": _drop,
    "RENAME": _rename,
    "VALIDATE": _validate,
    "CHECK": _check,
    "ENABLE": _enable,
    "DISABLE": _disable,
    "FORCE": _force,
    "ATTACH": _attach,
    "DETACH": _detach,
}
