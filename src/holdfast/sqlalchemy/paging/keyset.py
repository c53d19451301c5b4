"""Keyset pages: a page begins where a row stood, so that the thousandth costs what the first one does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Required, TypedDict, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import Row, Select

from holdfast.sqlalchemy.paging.cursor import Keys, Position, Sealer, Secret
from holdfast.sqlalchemy.paging.listing import AnySession, Listing, OrderBy, listing, refuse_windows
from holdfast.sqlalchemy.paging.pages import MAX_SIZE, Page, check_size
from holdfast.sqlalchemy.paging.reading import place_of, read

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class KeysetOptions(TypedDict, total=False):
    """What ``keyset_page`` takes by name."""

    order_by: Required[OrderBy]
    secret: Required[Keys | Secret | Sequence[Secret]]
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
    secret: Keys | Secret | Sequence[Secret],
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
    start = sealer.open(cursor, len(asked.frame.columns)) if cursor is not None else None
    backward = start is not None and start.backward
    items, rows = _read(session, asked, start, size + 1)
    more = len(items) > size
    items = items[:size]
    if items:
        ends = place_of(rows[0], asked.frame), place_of(rows[len(items) - 1], asked.frame)
        if backward:
            items.reverse()
            ends = ends[::-1]
        before = sealer.seal(Position(ends[0], backward=True))
        after = sealer.seal(Position(ends[1]))
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


def _read(session: AnySession, asked: Listing, start: Position | None, limit: int) -> tuple[list[Any], Sequence[Any]]:
    if start is None:
        return read(session, asked, asked.frame.forward, limit=limit)
    way = asked.frame.backward if start.backward else asked.frame.forward
    first, *others = way.behind(start)
    items, rows = read(session, asked, way, limit=limit, start=start, condition=first)
    for condition in others:
        if len(items) == limit:
            break
        more_items, more_rows = read(session, asked, way, limit=limit - len(items), start=start, condition=condition)
        items, rows = items + more_items, [*rows, *more_rows]
    return items, rows
