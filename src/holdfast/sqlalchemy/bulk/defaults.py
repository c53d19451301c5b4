"""What SQLAlchemy would add to an INSERT or an UPDATE by itself: defaults made in Python, the kind of a class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Connection

from holdfast.sqlalchemy.bulk.rows import Chunk
from holdfast.sqlalchemy.bulk.targets import Target


class RowContext:
    """What a default that takes a context may ask: the connection, and the values of its row so far."""

    def __init__(self, connection: Connection, columns: Sequence[Column[Any]], values: Sequence[Sequence[Any]]) -> None:
        self.connection = connection
        self.dialect = connection.dialect
        self._columns, self._values = columns, values
        self.row = 0

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:
        return {column.key: values[self.row] for column, values in zip(self._columns, self._values, strict=True)}

    @property
    def current_parameters(self) -> dict[str, Any]:
        return self.get_current_parameters()


def left_out(target: Target, names: Iterable[str]) -> list[Column[Any]]:
    """The columns that no row gives and that have a default on this side."""
    given = set(target.of(names))
    return [column for column in target.table.columns if column.default is not None and column not in given]


def in_sql(column: Column[Any]) -> bool:
    """Whether its default is an expression or a sequence, which only a statement can hold."""
    return column.default is not None and (column.default.is_clause_element or column.default.is_sequence)


def completed(connection: Connection, target: Target, chunk: Chunk) -> tuple[tuple[Column[Any], ...], list[list[Any]]]:
    """Columns and, for each, the values of all rows: those given, and the defaults that are made in Python."""
    columns = list(target.of(chunk.names))
    values: list[list[Any]] = [list(column) for column in zip(*chunk.values, strict=True)]
    kind = kind_of(target, chunk.names)
    if kind is not None:
        columns.append(kind[0])
        values.append([kind[1]] * len(chunk.values))
    context = RowContext(connection, columns, values)
    for column in left_out(target, chunk.names):
        default: Any = column.default
        if in_sql(column) or column in columns:
            continue
        if default.is_callable:
            made = []
            for context.row in range(len(chunk.values)):
                made.append(default.arg(context))
            values.append(made)
        else:
            values.append([default.arg] * len(chunk.values))
        columns.append(column)
    return tuple(columns), values


def adds_to(target: Target, names: Iterable[str]) -> bool:
    """Whether ``completed`` has anything to add."""
    names = tuple(names)
    return kind_of(target, names) is not None or any(not in_sql(column) for column in left_out(target, names))


def runs_code(target: Target, chunk: Chunk) -> bool:
    """Whether ``completed`` calls a function of the program's, which is given the connection."""
    return any(column.default is not None and column.default.is_callable for column in left_out(target, chunk.names))


def kind_of(target: Target, names: Iterable[str]) -> tuple[Column[Any], Any] | None:
    """The column that says of which class of a hierarchy a row is, and what it says; None where the row says so."""
    column = target.mapper.polymorphic_on
    if not isinstance(column, Column) or column.table is not target.table or column in target.of(names):
        return None
    return column, target.mapper.polymorphic_identity


def on_update(connection: Connection, target: Target, names: Iterable[str]) -> dict[Column[Any], Any]:
    """What an UPDATE sets besides, by ``onupdate``: once for a statement, as SQLAlchemy does."""
    given, found = set(target.of(names)), {}
    context = RowContext(connection, (), ())
    for column in target.table.columns:
        made: Any = column.onupdate
        if made is None or column in given or column.primary_key:
            continue
        found[column] = made.arg(context) if made.is_callable else made.arg
    return found
