"""Rows of values as something that a statement selects from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Column, Connection, FromClause, Text, bindparam, cast, column, func, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import (
    JSON,
    Boolean,
    Date,
    DateTime,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    TypeDecorator,
    TypeEngine,
    Uuid,
)

from holdfast.dialects import dialect_for

_PLAIN = (Integer, Numeric, Boolean, Date, DateTime, Time, Interval, LargeBinary, Uuid, JSON, String, Enum)
_PARAMETERS = 30_000
"""Fewer than any database takes in one statement: SQLite takes 32,766, PostgreSQL 65,535."""

Source = tuple[FromClause, tuple[Any, ...], dict[str, Any]]
"""What to select from, its columns in the order of those given, and the parameters."""


def rows_at_once(columns: int, wanted: int) -> int:
    return max(1, min(wanted, _PARAMETERS // max(columns, 1)))


def source(
    connection: Connection, columns: Sequence[Column[Any]], values: Sequence[Sequence[Any]], name: str
) -> Source:
    """``values`` has for each column the values of all rows; they become what an INSERT would make of them."""
    if not dialect_for(connection.dialect.name).takes_arrays:
        return _listed(columns, values, name)
    if all(_fits_array(column.type, each, connection.dialect) for column, each in zip(columns, values, strict=True)):
        return _arrays(connection.dialect, columns, values, name)
    rows, found, parameters = _listed(columns, values, name)
    return rows, tuple(_typed(each, connection.dialect) for each in found), parameters


def is_plain(kind: TypeEngine[Any], dialect: Dialect) -> bool:
    """Whether it is one of the types that every driver writes in every form, and needs no SQL around its values."""
    implementation = kind.dialect_impl(dialect)
    if implementation._has_bind_expression:
        return False
    while isinstance(implementation, TypeDecorator):
        implementation = implementation.impl_instance
    return isinstance(implementation, _PLAIN)


def _fits_array(kind: TypeEngine[Any], values: Sequence[Any], dialect: Dialect) -> bool:
    """A list of several Python types, 1 and 2.5, is one that a driver may refuse to take for an array."""
    return is_plain(kind, dialect) and len(set(map(type, values)) - {type(None)}) <= 1


def _arrays(dialect: Dialect, columns: Sequence[Column[Any]], values: Sequence[Sequence[Any]], name: str) -> Source:
    """The text of the statement is the same for any number of rows, so it is compiled and planned once."""
    parameters, arguments = {}, []
    for number, (each, listed) in enumerate(zip(columns, values, strict=True)):
        kind: TypeEngine[Any] = each.type
        if _is_text(kind, dialect):
            # A cast to varchar(5)[] would cut a text off that the column refuses.
            process = kind.dialect_impl(dialect).bind_processor(dialect)
            listed = list(map(process, listed)) if process else listed
            kind = Text()
        parameters[f"{name}_{number}"] = list(listed)
        arguments.append(bindparam(f"{name}_{number}", type_=ARRAY(kind)))
    made = [column(f"c{number}", each.type) for number, each in enumerate(columns)]
    rows = func.unnest(*arguments).table_valued(*made, name=name).render_derived(name=name)
    return rows, tuple(rows.c), parameters


def _is_text(kind: TypeEngine[Any], dialect: Dialect) -> bool:
    implementation: Any = kind.dialect_impl(dialect)
    while isinstance(implementation, TypeDecorator):
        implementation = implementation.impl_instance
    native = isinstance(implementation, Enum) and implementation.native_enum
    return isinstance(implementation, String) and not native


def _typed(column: Any, dialect: Dialect) -> Any:
    """Where all values are NULL, PostgreSQL takes the column for text. A text is not cast: that would cut it off."""
    return column if _is_text(column.type, dialect) else cast(column, column.type)


def _listed(columns: Sequence[Column[Any]], values: Sequence[Sequence[Any]], name: str) -> Source:
    """Both databases call the columns of VALUES column1, column2 …"""
    parameters: dict[str, Any] = {}
    binds, lines = [], []
    for number, row in enumerate(zip(*values, strict=True)):
        names = [f"{name}_{number}_{place}" for place in range(len(columns))]
        parameters.update(zip(names, row, strict=True))
        binds += [bindparam(each, type_=column.type) for each, column in zip(names, columns, strict=True)]
        lines.append(f"({', '.join(f':{each}' for each in names)})")
    made = [column(f"column{number}", each.type) for number, each in enumerate(columns, 1)]
    rows = text(f"values {', '.join(lines)}").bindparams(*binds).columns(*made).subquery(name)
    return rows, tuple(rows.c), parameters
