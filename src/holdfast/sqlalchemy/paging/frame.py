"""What a page's statement has besides the one that is paged: its order, its places, and how its rows are told apart.

It is the same for all statements of one shape, and to build it takes longer than the database takes for a page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    Enum,
    FromClause,
    Integer,
    Select,
    SelectBase,
    String,
    Table,
    Uuid,
    bindparam,
    type_coerce,
)
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import Over

from holdfast.sqlalchemy.paging.cursor import Position
from holdfast.sqlalchemy.paging.order import OrderColumn
from holdfast.sqlalchemy.paging.seek import AS_STORED, bound, segments

_PLACE = "holdfast_place_"
_LIMIT = "holdfast_limit"
LIMIT: BindParameter[int] = bindparam(_LIMIT, type_=Integer())


class Way:
    """An order read in one direction."""

    def __init__(self, columns: Sequence[OrderColumn], row_ranges: bool) -> None:
        self.columns = tuple(columns)
        self.clauses = tuple(column.clause() for column in columns)
        self._row_ranges = row_ranges
        self._behind: dict[Any, list[ColumnElement[bool]]] = {}

    def behind(self, start: Position) -> list[ColumnElement[bool]]:
        """The conditions for the rows that come after the place, one after the other; ``parameters`` has its values."""
        kinds = tuple(None if value is None else type(value) for value in start.values)
        found = self._behind.get((kinds, start.inclusive))
        if found is None:
            values = [
                None if kind is None else bound(column, f"{_PLACE}{number}", kind)
                for number, (column, kind) in enumerate(zip(self.columns, kinds, strict=True))
            ]
            found = segments(self.columns, values, inclusive=start.inclusive, row_ranges=self._row_ranges)
            self._behind[kinds, start.inclusive] = found
        return found


class Frame:
    """``keyed`` finds the values of the order in an instance's key, where they are all there: nothing else is read.
    ``row_ranges``: whether the database makes a range of an index of a row value."""

    def __init__(
        self, statement: Select[Any], columns: Sequence[OrderColumn], dialect: Dialect, row_ranges: bool
    ) -> None:
        self.columns = tuple(columns)
        self.keyed = _keyed(statement, columns, dialect)
        self.names = [each["name"] for each in statement.column_descriptions]
        self.width = len(self.names)
        self.forward = Way(columns, row_ranges)
        self.has_window = any(
            _has_window(each) for each in (*statement._raw_columns, *(column.expression for column in columns))
        )
        self._row_ranges = row_ranges

    @cached_property
    def backward(self) -> Way:
        return Way([column.reversed() for column in self.columns], self._row_ranges)

    @cached_property
    def values(self) -> tuple[ColumnElement[Any], ...]:
        """The columns of the order as they are stored, behind what the statement itself selects."""
        return tuple(
            type_coerce(column.expression, AS_STORED).label(f"holdfast_order_{position}")
            for position, column in enumerate(self.columns, 1)
        )

    @cached_property
    def told_apart(self) -> Callable[[Any], Any]:
        """What no two rows share. Joined eager loading repeats a row for each of its children; the order tells the
        rows apart, so nothing else can be taken for a repetition."""
        width = self.width
        if any(_is_incomparable(column) for column in self.columns):
            return lambda row: repr(row[width:])
        return itemgetter(*range(width, width + len(self.columns)))


def _keyed(
    statement: Select[Any], columns: Sequence[OrderColumn], dialect: Dialect
) -> Callable[[Sequence[Any]], tuple[Any, ...]] | None:
    """What finds the values of the order in the key of the one entity that is selected; None where they are not there
    as they are stored. A key is never stale, unlike what else a session has of a row."""
    [selected, *others] = statement._raw_columns
    entity = selected._annotations.get("parententity")
    if others or not isinstance(selected, FromClause) or not isinstance(entity, Mapper):
        return None
    key = [hash(column) for column in entity.primary_key]
    places = []
    for column in columns:
        expression = column.expression
        if column.nullable or hash(expression) not in key or not isinstance(expression.type, Integer | String | Uuid):
            return None
        if expression.type.dialect_impl(dialect).result_processor(dialect, None) is not None:
            return None
        places.append(key.index(hash(expression)))
    return lambda identity: tuple(identity[place] for place in places)


def parameters(limit: int, start: Position | None = None) -> dict[str, Any]:
    """The values of what a frame leaves open."""
    found: dict[str, Any] = {_LIMIT: limit}
    if start is not None:
        for number, value in enumerate(start.values):
            found[f"{_PLACE}{number}"] = value
    return found


def is_lasting(column: OrderColumn) -> bool:
    """Whether it means the same in every statement of one shape. An alias is another one each time it is made, and a
    parameter has another value."""
    given: Any = column.given
    if not isinstance(given, Column):
        return False
    table: Any = given.table
    entity = given._annotations.get("parententity")
    return isinstance(table, Table) and not (entity is not None and entity.is_aliased_class)


def _has_window(element: Any) -> bool:
    if isinstance(element, Over):
        return True
    if isinstance(element, FromClause | SelectBase):
        return False
    return any(_has_window(each) for each in element.get_children())


def _is_incomparable(column: OrderColumn) -> bool:
    """Whether it may have values that have no hash, or are not equal to themselves."""
    kind = column.expression.type
    return not kind.hashable or not isinstance(kind, Integer | String | DateTime | Date | Uuid | Boolean | Enum)
