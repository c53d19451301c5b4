"""Numbered pages, and how many rows there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, sessionmaker, with_loader_criteria

from holdfast.errors import PagingError, RequestError, UnsupportedError
from holdfast.problem import to_problem
from holdfast.sqlalchemy.paging import offset_page
from tests.sqlalchemy.paging import Author, Book, Loan, shelves

BOOKS = 23


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with shelves(database) as session:
        yield session


def statements(session: Session) -> list[str]:
    seen: list[str] = []
    sa.event.listen(session.connection(), "before_cursor_execute", lambda _c, _k, sql, *_: seen.append(sql))
    return seen


def test_the_pages_are_the_list(session: Session) -> None:
    expected = list(session.scalars(select(Book.id).order_by(Book.pages.asc().nulls_last(), Book.id)))
    found: list[int] = []
    number = 1
    while True:
        page = offset_page(session, select(Book.id), order_by=[Book.pages], number=number, size=5)
        found += page.items
        assert (page.number, page.size, page.total, page.has_previous) == (number, 5, None, number > 1)
        if not page.has_next:
            break
        number += 1

    assert (found, number) == (expected, 5)
    assert offset_page(session, select(Book.id), order_by=[Book.pages], number=6, size=5).items == []


TOTALS: list[tuple[Any, list[Any], int]] = [
    (select(Book), [Book.title], BOOKS),
    (select(Book).options(joinedload(Book.loans)), [Book.title], BOOKS),
    (select(Book).where(Book.id > 3), [Book.title], BOOKS - 3),
    (select(Author.name).distinct(), [Author.name], 3),
    (select(Author).join(Author.books).distinct(), [Author.name], 3),
    (select(Author.name, Book.id, Loan.number).join(Author.books).join(Book.loans), [Book.id], 12),
    (select(Book.lent, func.count()).group_by(Book.lent), [func.count()], 3),
    (select(Book.id, func.row_number().over(order_by=Book.title)), [Book.id], BOOKS),
]


def test_an_exact_total_counts_the_rows_of_the_statement(session: Session) -> None:
    for statement, order, expected in TOTALS:
        page = offset_page(session, statement, order_by=order, size=2, total="exact")
        counted = (page.total, page.total_is, page.pages, page.has_next)
        assert counted == (expected, "exact", -(-expected // 2), expected > 2), str(statement)
        assert len(page) == 2


def test_nothing_is_counted_in_the_statement_of_the_page(session: Session) -> None:
    seen = statements(session)

    offset_page(session, select(Book), order_by=[Book.title], size=2, total="exact")
    offset_page(session, select(Book), order_by=[Book.title], size=2)

    assert len(seen) == 3
    assert not any("over (" in sql.lower() for sql in seen)


def test_the_last_page_knows_the_total_without_counting(session: Session) -> None:
    seen = statements(session)

    for total in ("exact", "capped"):
        page = offset_page(session, select(Book), order_by=[Book.title], number=3, size=10, total=total, cap=5)
        assert (page.total, page.total_is) == (BOOKS, "exact")
    empty = offset_page(session, select(Book).where(Book.id < 0), order_by=[Book.title], total="exact")
    assert (empty.total, empty.pages) == (0, 0)
    assert len(seen) == 3


def test_past_the_end_the_total_is_still_right(session: Session) -> None:
    page = offset_page(session, select(Book), order_by=[Book.title], number=9, size=10, total="exact")

    assert (page.items, page.total, page.has_next) == ([], BOOKS, False)


def test_a_capped_total_stops_at_the_cap(session: Session) -> None:
    def counted(cap: int) -> tuple[int | None, str | None, int | None]:
        page = offset_page(session, select(Book), order_by=[Book.title], size=3, total="capped", cap=cap)
        return page.total, page.total_is, page.pages

    assert counted(10) == (10, "at least", None)
    assert counted(BOOKS - 1) == (BOOKS - 1, "at least", None)
    assert counted(BOOKS) == (BOOKS, "exact", 8)


def test_an_estimated_total_is_the_planners_or_refused(session: Session) -> None:
    def estimated(statement: Any, run_by: Any = session) -> int:
        page = offset_page(run_by, statement, order_by=[Book.title], size=2, total="estimated")
        assert page.total is not None
        assert page.total_is == "estimated"
        return page.total

    if session.connection().dialect.name == "sqlite":
        with pytest.raises(UnsupportedError) as caught:
            estimated(select(Book))
        assert (caught.value.code, "capped" in caught.value.hint) == ("HF415", True)
        return
    session.connection().exec_driver_sql("analyze books")
    assert estimated(select(Book)) == BOOKS
    assert estimated(select(Book).options(joinedload(Book.loans))) == BOOKS
    assert estimated(select(Book.id).where(Book.title == "apple")) < BOOKS
    assert estimated(select(Book.id), session.connection()) == BOOKS

    class Quiet(Session):
        pass

    @sa.event.listens_for(Quiet, "do_orm_execute")
    def hide(state: Any) -> None:
        if state.is_select:
            state.statement = state.statement.options(with_loader_criteria(Book, Book.id <= 5))

    with sessionmaker(session.connection(), class_=Quiet)() as quiet:
        assert estimated(select(Book), quiet) < BOOKS
        assert quiet.scalars(select(Book.id)).all()
        page = offset_page(quiet, select(Book), order_by=[Book.title], size=2, total="exact")
        assert page.total == 5


@pytest.mark.parametrize(
    "asked",
    [
        {"number": 0}, {"number": -1}, {"number": 10**30}, {"number": "2"}, {"number": 1.5}, {"number": True},
        {"size": 0}, {"size": -5}, {"size": 1_001}, {"size": 10**30}, {"size": None}, {"size": 11, "max_size": 10},
    ],
)  # fmt: skip
def test_a_page_that_cannot_be_is_refused_in_one_sentence(session: Session, asked: dict[str, Any]) -> None:
    seen = statements(session)
    with pytest.raises(RequestError) as caught:
        offset_page(session, select(Book), order_by=[Book.title], **asked)

    assert (caught.value.code, seen) == ("HF620", [])
    assert to_problem(caught.value)["status"] == 400
    assert len(caught.value.message) < 100


@pytest.mark.parametrize("asked", [{"total": "roughly"}, {"total": "capped", "cap": 0}])
def test_a_total_that_is_none_is_refused(session: Session, asked: Any) -> None:
    with pytest.raises(PagingError):
        offset_page(session, select(Book), order_by=[Book.title], **asked)
