"""Runs a statement for one page of it, and keeps what it selects apart from what the order needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, DateTime, Enum, Integer, Select, String, Uuid, type_coerce
from sqlalchemy.engine import result_tuple

from holdfast.errors import PagingError
from holdfast.sqlalchemy.paging.listing import AnySession, Listing
from holdfast.sqlalchemy.paging.order import OrderColumn
from holdfast.sqlalchemy.paging.seek import AS_STORED


def read(
    session: AnySession,
    listing: Listing,
    columns: Sequence[OrderColumn],
    *,
    limit: int,
    offset: int | None = None,
    condition: ColumnElement[bool] | None = None,
) -> tuple[list[Any], list[tuple[Any, ...]]]:
    """The rows in the order of the columns, and of each row the values of the columns, as they are stored."""
    statement: Select[Any] = listing.statement
    values = [
        type_coerce(column.expression, AS_STORED).label(f"holdfast_order_{position}")
        for position, column in enumerate(columns, 1)
    ]
    _refuse_unselected(statement, columns)
    paged = statement.add_columns(*values).order_by(*(column.clause() for column in columns)).limit(limit)
    if offset:
        paged = paged.offset(offset)
    if condition is not None:
        # Of groups too that have no aggregate in the order: the database moves such a condition down by itself.
        paged = paged.having(condition) if statement._group_by_clauses else paged.where(condition)
    names = [each["name"] for each in statement.column_descriptions]
    width = len(names)
    # Joined eager loading repeats a row for each of its children. The order tells the rows apart, so nothing else
    # can be taken for a repetition.
    comparable = all(column.expression.type.hashable and not _has_nan(column) for column in columns)
    told_apart = itemgetter(slice(width, None)) if comparable else lambda row: repr(row[width:])
    result = session.execute(paged).unique(told_apart)
    if width > 1 and all(names):
        frozen = result.freeze()
        return list(frozen().columns(*range(width))), [tuple(row)[width:] for row in frozen()]
    found = [tuple(row) for row in result.all()]
    # An alias of an entity has no name, and a result does not count what has none.
    shown: Callable[[Any], Any] = itemgetter(0) if width == 1 else result_tuple(names)
    return [shown(row[:width]) for row in found], [row[width:] for row in found]


def _has_nan(column: OrderColumn) -> bool:
    """Whether it may have values that are not equal to themselves."""
    return not isinstance(column.expression.type, Integer | String | DateTime | Date | Uuid | Boolean | Enum)


def _refuse_unselected(statement: Select[Any], columns: Sequence[OrderColumn]) -> None:
    if not statement._distinct:
        return
    selected = {hash(column) for column in statement.selected_columns}
    for column in columns:
        if hash(column.given) not in selected and hash(column.expression) not in selected:
            raise PagingError(
                "HF641",
                f"A SELECT DISTINCT can be ordered by what it selects only, not by {column.given}.",
                "Select that column too, or leave DISTINCT out.",
            )
