"""Runs a statement for one page of it, and keeps what it selects apart from what the order needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, inspect
from sqlalchemy.engine import result_tuple

from holdfast.errors import PagingError
from holdfast.sqlalchemy.paging.cursor import Position
from holdfast.sqlalchemy.paging.frame import LIMIT, Frame, Way, parameters
from holdfast.sqlalchemy.paging.listing import AnySession, Listing
from holdfast.sqlalchemy.paging.order import OrderColumn


def read(
    session: AnySession,
    listing: Listing,
    way: Way,
    *,
    limit: int,
    start: Position | None = None,
    condition: ColumnElement[bool] | None = None,
    offset: int | None = None,
) -> tuple[list[Any], Sequence[Any]]:
    """What the statement gives, in the order of the way, and the rows as they were read: ``place_of`` says where each
    of them stands."""
    statement, frame = listing.statement, listing.frame
    if statement._distinct:
        _refuse_unselected(statement, way.columns)
    keyed = frame.keyed is not None and not isinstance(session, Connection)
    selected = statement if keyed else statement.add_columns(*frame.values)
    paged = selected.order_by(*way.clauses).limit(LIMIT)
    if offset:
        paged = paged.offset(offset)
    if condition is not None:
        # Of groups too that have no aggregate in the order: the database moves such a condition down by itself.
        paged = paged.having(condition) if statement._group_by_clauses else paged.where(condition)
    result = session.execute(paged, parameters(limit, start))
    if keyed:
        found = result.scalars().unique().all()
        return list(found), found
    result = result.unique(frame.told_apart)
    width = frame.width
    if width == 1:
        rows = result.all()
        return [row[0] for row in rows], rows
    if all(frame.names):
        frozen = result.freeze()
        return list(frozen().columns(*range(width))), list(frozen())
    # An alias of an entity has no name, and a result does not count what has none.
    rows = result.all()
    shown = result_tuple(frame.names)
    return [shown(tuple(row)[:width]) for row in rows], rows


def place_of(row: Any, frame: Frame) -> tuple[Any, ...]:
    """The values that the row has in the columns of the order, as they are stored."""
    if isinstance(row, Row):
        return tuple(row)[frame.width :]
    assert frame.keyed is not None
    state: Any = inspect(row)
    return frame.keyed(state.identity)


def _refuse_unselected(statement: Select[Any], columns: Sequence[OrderColumn]) -> None:
    selected = {hash(column) for column in statement.selected_columns}
    for column in columns:
        if hash(column.given) not in selected and hash(column.expression) not in selected:
            raise PagingError(
                "HF641",
                f"A SELECT DISTINCT can be ordered by what it selects only, not by {column.given}.",
                "Select that column too, or leave DISTINCT out.",
            )
