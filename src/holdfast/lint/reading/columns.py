"""Column definitions and table constraints, as CREATE TABLE and ALTER TABLE write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from holdfast.lint.actions import Column, Constraint, Type
from holdfast.lint.reading.types import AFTER_TYPE, read_type
from holdfast.lint.words import Cursor, Words, has, split_at_commas, text_of
from holdfast.tables import TableName

_SERIAL = {"serial": "integer", "bigserial": "bigint", "smallserial": "smallint"}
_OPTIONS = (
    ("NOT", "DEFERRABLE|ENFORCED"),
    ("NO", "INHERIT"),
    ("DEFERRABLE|ENFORCED",),
    ("INITIALLY", "DEFERRED|IMMEDIATE"),
)
_CONSTRAINT = ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE")


def starts_constraint(cursor: Cursor) -> bool:
    return cursor.sees("|".join(_CONSTRAINT))


def read_column(cursor: Cursor) -> Column:
    """A name, a type, and whatever follows them up to the next comma."""
    name = cursor.identifier()
    type_ = read_type(cursor)
    column = Column(name, type_)
    if type_.name in _SERIAL:
        column = replace(column, type=Type(_SERIAL[type_.name]), identity=True, nullable=False)
    while not cursor.done and not cursor.sees(","):
        column = _part(cursor, column)
    return column


def _part(cursor: Cursor, column: Column) -> Column:
    constraint = ""
    if cursor.take("CONSTRAINT"):
        constraint = cursor.identifier()
    if cursor.take("NOT", "NULL"):
        _options(cursor)
        return replace(column, nullable=False)
    if cursor.take("NULL"):
        return column
    if cursor.take("DEFAULT"):
        return replace(column, default=_expression(cursor))
    if cursor.sees("CHECK") or cursor.sees("UNIQUE|PRIMARY|KEY|REFERENCES"):
        found = _inline(cursor, column.name, constraint)
        nullable = column.nullable and found.kind != "primary key"
        return replace(column, constraints=(*column.constraints, found), nullable=nullable)
    if cursor.sees("GENERATED|AS|IDENTITY|AUTO_INCREMENT|AUTOINCREMENT"):
        return _computed(cursor, column)
    return _other(cursor, column)


def _expression(cursor: Cursor) -> Words:
    """A default: up to the next part of the definition. NOT NULL after it is no part of it, and neither is CHECK."""
    start = cursor.at
    if cursor.sees("NULL"):
        cursor.skip()
    cursor.until(*AFTER_TYPE)
    return tuple(cursor.words[start : cursor.at])


def _inline(cursor: Cursor, column: str, name: str) -> Constraint:
    if cursor.take("REFERENCES"):
        target, columns = _target(cursor)
        _options(cursor)
        return Constraint("foreign key", name, (column,), target, columns)
    if cursor.take("CHECK"):
        words = cursor.group()
        _options(cursor)
        return Constraint("check", name, (column,), not_null=not_null_column(words), words=words)
    if cursor.take("UNIQUE"):
        cursor.take("KEY")
        _nulls_distinct(cursor)
        _storage(cursor)
        return Constraint("unique", name, (column,))
    cursor.take("PRIMARY")
    cursor.expect("KEY")
    cursor.take("ASC|DESC")
    _storage(cursor)
    return Constraint("primary key", name, (column,))


def _computed(cursor: Cursor, column: Column) -> Column:
    if cursor.take("AUTO_INCREMENT|AUTOINCREMENT"):
        return replace(column, identity=True)
    if cursor.take("IDENTITY"):
        if cursor.sees("("):
            cursor.group()
        return replace(column, identity=True, nullable=False)
    if cursor.take("GENERATED"):
        if cursor.take("BY"):
            cursor.expect("DEFAULT")
        elif not cursor.take("ALWAYS"):
            cursor.refuse("ALWAYS or BY DEFAULT is missing")
    cursor.expect("AS")
    if cursor.take("IDENTITY"):
        if cursor.sees("("):
            cursor.group()
        return replace(column, identity=True, nullable=False)
    cursor.group()
    kind: Literal["stored", "virtual"] = "virtual"
    if cursor.take("STORED|PERSISTED"):
        kind = "stored"
    else:
        cursor.take("VIRTUAL")
    return replace(column, generated=kind)


def _other(cursor: Cursor, column: Column) -> Column:
    """What says nothing of the rows: how and where they are kept, and in which order they sort."""
    if cursor.take("COLLATE"):
        cursor.name()
    elif cursor.take("COMMENT|STORAGE|COMPRESSION"):
        cursor.skip()
    elif cursor.take("ON", "UPDATE"):
        cursor.skip()
        if cursor.sees("("):
            cursor.group()
    elif cursor.take("AFTER"):
        cursor.identifier()
    elif cursor.take("FIRST|SPARSE|ROWGUIDCOL|INVISIBLE|VISIBLE") or cursor.take("WITH", "VALUES"):
        pass
    elif cursor.sees("DEFERRABLE|INITIALLY|NOT|ENFORCED"):
        _options(cursor)
        if cursor.sees("NOT"):
            cursor.refuse("NULL, DEFERRABLE or VALID is missing after NOT")
    else:
        cursor.refuse("This is no part of a column that is known")
    return column


def _target(cursor: Cursor) -> tuple[TableName, tuple[str, ...]]:
    target = cursor.name()
    columns = column_names(cursor) if cursor.sees("(") else ()
    while cursor.take("MATCH"):
        cursor.skip()
    while cursor.take("ON"):
        cursor.expect("DELETE|UPDATE")
        if cursor.take("SET|NO"):
            cursor.skip()
            if cursor.sees("("):
                cursor.group()
        else:
            cursor.expect("CASCADE|RESTRICT")
    return target, columns


def _options(cursor: Cursor) -> bool:
    """DEFERRABLE and the like; whether it is NOT VALID."""
    not_valid = False
    while True:
        if cursor.take("NOT", "VALID"):
            not_valid = True
        elif not any(cursor.take(*words) for words in _OPTIONS):
            return not_valid


def column_names(cursor: Cursor) -> tuple[str, ...]:
    """Names in parentheses; what is an expression is left as text."""
    names = []
    for part in split_at_commas(cursor.group()):
        first = part[0]
        if len(part) == 1 or not any(each.is_("(") for each in part):
            names.append(cursor.inside(part).identifier() if first.kind in ("word", "name") else text_of(part))
        else:
            names.append(text_of(part))
    return tuple(names)


def read_constraint(cursor: Cursor) -> Constraint:
    """A constraint that stands by itself, up to the next comma."""
    name = cursor.identifier() if cursor.take("CONSTRAINT") and not cursor.sees("CHECK|UNIQUE|PRIMARY|FOREIGN") else ""
    constraint = _body(cursor, name)
    if _options(cursor):
        constraint = replace(constraint, not_valid=True)
    return constraint


def _body(cursor: Cursor, name: str) -> Constraint:
    if cursor.take("CHECK"):
        words = cursor.group()
        return Constraint("check", name, not_null=not_null_column(words), words=words)
    if cursor.take("FOREIGN"):
        cursor.expect("KEY")
        name = name or ("" if cursor.sees("(") else cursor.identifier())
        columns = column_names(cursor)
        cursor.expect("REFERENCES")
        target, target_columns = _target(cursor)
        return Constraint("foreign key", name, columns, target, target_columns)
    if cursor.take("EXCLUDE"):
        cursor.until("DEFERRABLE", "INITIALLY")
        return Constraint("exclude", name)
    if cursor.take("NOT", "NULL"):
        column = cursor.identifier()
        return Constraint("not null", name, (column,), not_null=column)
    kind: Literal["primary key", "unique"] = "unique"
    if cursor.take("PRIMARY"):
        cursor.expect("KEY")
        kind = "primary key"
    else:
        cursor.expect("UNIQUE")
        cursor.take("KEY|INDEX")
    _nulls_distinct(cursor)
    if cursor.take("USING", "INDEX"):
        return Constraint(kind, name, using_index=cursor.identifier())
    cursor.take("CLUSTERED|NONCLUSTERED")
    if not cursor.sees("("):
        name = cursor.identifier()
    columns = column_names(cursor)
    _storage(cursor)
    return Constraint(kind, name, columns)


def _nulls_distinct(cursor: Cursor) -> None:
    if cursor.take("NULLS"):
        cursor.take("NOT")
        cursor.expect("DISTINCT")


def _storage(cursor: Cursor) -> None:
    while True:
        if cursor.take("INCLUDE") or cursor.take("WITH"):
            cursor.group()
        elif cursor.take("USING", "INDEX", "TABLESPACE"):
            cursor.identifier()
        elif cursor.take("ON", "CONFLICT"):
            cursor.skip()
        else:
            return


def not_null_column(words: Words) -> str:
    """The column of ``c IS NOT NULL``, where the condition is that and no more."""
    while len(words) > 2 and words[0].is_("(") and words[-1].is_(")"):
        words = words[1:-1]
    if len(words) == 4 and has(words[1:], "IS", "NOT", "NULL"):
        return words[0].text if words[0].kind == "name" else words[0].text.lower()
    return ""
