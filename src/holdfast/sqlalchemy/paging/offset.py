"""Numbered pages, for lists in which people jump; the deeper the page, the more rows the database passes over."""

from __future__ import annotations

from typing import Any, Required, TypedDict, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import Row, Select

from holdfast.sqlalchemy.paging.listing import AnySession, OrderBy, listing
from holdfast.sqlalchemy.paging.pages import MAX_SIZE, OffsetPage, Total, check_number, check_size
from holdfast.sqlalchemy.paging.reading import read
from holdfast.sqlalchemy.paging.totals import CAP, check_total, count

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class OffsetOptions(TypedDict, total=False):
    """What ``offset_page`` takes by name."""

    order_by: Required[OrderBy]
    number: int
    size: int
    total: Total | None
    cap: int
    max_size: int
    unique_order: bool


@overload
def offset_page(  # type: ignore[overload-overlap]
    session: AnySession, statement: Select[tuple[T]], **options: Unpack[OffsetOptions]
) -> OffsetPage[T]: ...
@overload
def offset_page(session: AnySession, statement: Select[T], **options: Unpack[OffsetOptions]) -> OffsetPage[T]: ...
@overload
def offset_page(  # type: ignore[overload-cannot-match]
    session: AnySession, statement: Select[*Ts], **options: Unpack[OffsetOptions]
) -> OffsetPage[Row[*Ts]]: ...
def offset_page(
    session: AnySession,
    statement: Select[*tuple[Any, ...]],
    *,
    order_by: OrderBy,
    number: int = 1,
    size: int = 20,
    total: Total | None = None,
    cap: int = CAP,
    max_size: int = MAX_SIZE,
    unique_order: bool = False,
) -> OffsetPage[Any]:
    """Page ``number`` of the list, the first is 1, in an order that no two rows share; past the end it is empty.

    ``total``: ``"exact"`` counts all rows, in a statement of its own; ``"capped"`` counts ``cap`` rows at most;
    ``"estimated"`` asks the planner, where the database's has an answer (HF415); None asks nothing. Where the page
    itself shows it, the total is exact for nothing. ``order_by`` and ``unique_order`` are those of ``keyset_page``.

    Errors: HF620 for a number below 1 and for a size that is not within 1 to ``max_size``, HF641 and HF642 for what
    cannot be paged. See docs/how-to/paginate.md for examples.
    """
    check_size(size, max_size)
    check_number(number, size)
    check_total(session, statement, total, cap)
    asked = listing(session, statement, order_by, unique_order=unique_order)
    passed = (number - 1) * size
    items, _ = read(session, asked, asked.frame.forward, limit=size + 1, offset=passed)
    has_next = len(items) > size
    items = items[:size]
    page: OffsetPage[Any] = OffsetPage(items, number, size, has_next)
    if total is None:
        return page
    seen = passed + len(items)
    if not has_next and (items or number == 1):
        return OffsetPage(items, number, size, has_next, seen, "exact")
    counted, how = count(session, statement, total, cap)
    # Others may have written since the page was read; what was seen is the least there is.
    return OffsetPage(items, number, size, has_next, max(counted, seen + 1) if has_next else counted, how)
