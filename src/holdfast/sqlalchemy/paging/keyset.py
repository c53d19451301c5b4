"""Keyset pages: a page begins where a row stood, so that the thousandth costs what the first one does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Required, TypedDict, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import Row, Select

from holdfast.sqlalchemy.paging.cursor import Position, Sealer, Secret
from holdfast.sqlalchemy.paging.listing import AnySession, Listing, OrderBy, listing, refuse_windows
from holdfast.sqlalchemy.paging.pages import MAX_SIZE, Page, check_size
from holdfast.sqlalchemy.paging.reading import read
from holdfast.sqlalchemy.paging.seek import segments

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class KeysetOptions(TypedDict, total=False):
    """What ``keyset_page`` takes by name."""

    order_by: Required[OrderBy]
    secret: Required[Secret | Sequence[Secret]]
    size: int
    cursor: str | None
    scope: Any
    max_size: int
    unique_order: bool


# A statement is a Select[tuple[Order]] to SQLAlchemy 2.0 and a Select[Order] to 2.1, and mypy takes one type
# variable for as many as one likes.
@overload
def keyset_page(  # type: ignore[overload-overlap]
    session: AnySession, statement: Select[tuple[T]], **options: Unpack[KeysetOptions]
) -> Page[T]: ...
@overload
def keyset_page(session: AnySession, statement: Select[T], **options: Unpack[KeysetOptions]) -> Page[T]: ...
@overload
def keyset_page(  # type: ignore[overload-cannot-match]
    session: AnySession, statement: Select[*Ts], **options: Unpack[KeysetOptions]
) -> Page[Row[*Ts]]: ...
def keyset_page(
    session: AnySession,
    statement: Select[*tuple[Any, ...]],
    *,
    order_by: OrderBy,
    secret: Secret | Sequence[Secret],
    size: int = 20,
    cursor: str | None = None,
    scope: Any = None,
    max_size: int = MAX_SIZE,
    unique_order: bool = False,
) -> Page[Any]:
    """The page at ``cursor`` (the first without one): every row that stays in the list is on exactly one page,
    in order, whatever is inserted and deleted between the pages.

    ``order_by``: columns and expressions in any directions; what is wanting to tell rows apart is added to it.
    Nulls count as larger than every value, on every database, unless it says ``nulls_first()`` or ``nulls_last()``.
    ``secret`` signs the cursors, 16 bytes or more; of several the first signs, and cursors of all are taken.
    ``scope`` (a tenant, a user) is part of what a cursor is bound to, beside the order and the filter.
    ``unique_order=True`` promises that no two rows are equal in all of ``order_by``.

    A statement of one entity or column gives it as it is, one of several gives rows. Errors: HF620 for a size that
    is not within 1 to ``max_size``, HF621 for a cursor that was not made for this list, HF641 to HF644 for what
    cannot be paged. See docs/how-to/paginate.md for examples.
    """
    check_size(size, max_size)
    asked = listing(session, statement, order_by, unique_order=unique_order, scope=scope)
    refuse_windows(asked)
    sealer = Sealer(secret, asked.identity)
    start = sealer.open(cursor, len(asked.columns)) if cursor is not None else None
    items, values = _read(session, asked, start, size + 1)
    more = len(items) > size
    items, values = items[:size], values[:size]
    backward = start is not None and start.backward
    if backward:
        items.reverse()
        values.reverse()
    if values:
        before = sealer.seal(Position(values[0], backward=True))
        after = sealer.seal(Position(values[-1]))
    elif start is not None:
        # Nothing is left on this side of the place; the row that stood there may be.
        before = after = sealer.seal(Position(start.values, not start.backward, inclusive=not start.inclusive))
    else:
        return Page(items)
    return Page(
        items,
        next=after if more or backward else None,
        previous=before if (more if backward else start is not None) else None,
    )


def _read(
    session: AnySession, asked: Listing, start: Position | None, limit: int
) -> tuple[list[Any], list[tuple[Any, ...]]]:
    if start is None:
        return read(session, asked, asked.columns, limit=limit)
    columns = [column.reversed() for column in asked.columns] if start.backward else asked.columns
    items: list[Any] = []
    values: list[tuple[Any, ...]] = []
    for condition in segments(columns, start.values, inclusive=start.inclusive, row_ranges=asked.row_ranges):
        more_items, more_values = read(session, asked, columns, limit=limit - len(items), condition=condition)
        items += more_items
        values += more_values
        if len(items) == limit:
            break
    return items, values
