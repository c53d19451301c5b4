"""Keyset pages over every kind of statement: all rows, once each, in order, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import func, select, text
from sqlalchemy.orm import (
    Session,
    aliased,
    defer,
    joinedload,
    selectinload,
    sessionmaker,
    subqueryload,
    with_loader_criteria,
)

from holdfast.errors import PagingError
from holdfast.sqlalchemy.paging import keyset_page
from tests.sqlalchemy.paging import SECRET, Author, Base, Binding, Book, Loan, rows, shelves, walk

books, loans = Base.metadata.tables["books"], Base.metadata.tables["loans"]
TYPES = [
    Book.title, Book.pages, Book.price, Book.weight, Book.shelf, Book.binding, Book.printed_at, Book.read_at,
    Book.bought, Book.opens, Book.lent_for, Book.code, Book.lent, Book.digest,
]  # fmt: skip


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with shelves(database) as session:
        yield session


def in_order(session: Session, statement: Any, *order: Any) -> list[Any]:
    """The rows without pages; the order is given in full, so that it does not depend on what is tested."""
    result = session.execute(statement.order_by(*order))
    return list(result.scalars() if len(result.keys()) == 1 else result)


def test_every_type_runs_both_ways_with_nulls_at_both_ends(session: Session) -> None:
    for column in TYPES:
        for order, tie in (
            (column.asc().nulls_first(), Book.id.asc()),
            (column.asc().nulls_last(), Book.id.asc()),
            (column.desc().nulls_first(), Book.id.desc()),
            (column.desc().nulls_last(), Book.id.desc()),
        ):
            expected = in_order(session, select(Book.id), order, tie)
            assert rows(walk(session, select(Book.id), [order], 8)) == expected, str(order)


def test_nulls_count_as_the_largest_unless_said_otherwise(session: Session) -> None:
    missing = set(session.scalars(select(Book.id).where(Book.pages.is_(None))))

    ascending = rows(walk(session, select(Book.id), [Book.pages], 5))
    descending = rows(walk(session, select(Book.id), [Book.pages.desc()], 5))

    assert set(ascending[-len(missing) :]) == missing == set(descending[: len(missing)])


STATEMENTS: dict[str, tuple[Any, list[Any], list[Any]]] = {
    # statement, the order that is asked for, the order in full
    "entity": (select(Book), [Book.title], [Book.title, Book.id]),
    "columns": (select(Book.id, Book.title), [Book.title.desc()], [Book.title.desc(), Book.id.desc()]),
    "entity and column": (select(Book, Book.title), [Book.title], [Book.title, Book.id]),
    "core table": (select(loans), [loans.c.reader], [loans.c.reader, loans.c.book_id, loans.c.number]),
    "one core column": (select(books.c.id), [books.c.title], [books.c.title, books.c.id]),
    "mixed directions": (
        select(Book.id),
        [Book.title.desc(), Book.pages.asc().nulls_first(), Book.id.desc()],
        [Book.title.desc(), Book.pages.asc().nulls_first(), Book.id.desc()],
    ),
    "composite key": (
        select(Loan),
        [Loan.reader.desc()],
        [Loan.reader.desc(), Loan.book_id.desc(), Loan.number.desc()],
    ),
    "part of the key": (select(Loan), [Loan.number], [Loan.number, Loan.book_id]),
    "expression": (
        select(Book.id),
        [func.coalesce(Book.pages, 50).desc(), func.length(Book.title)],
        [func.coalesce(Book.pages, 50).desc(), func.length(Book.title), Book.id],
    ),
    "hybrid": (select(Book.id), [Book.length.desc()], [Book.length.desc(), Book.id.desc()]),
    "filter and in": (
        select(Book.id).where(Book.title > "a", Book.binding.in_([Binding.hard, Binding.paper])),
        [Book.title],
        [Book.title, Book.id],
    ),
    "outer join": (
        select(Book.id, Author.name).outerjoin(Book.author),
        [Author.name.desc().nulls_last()],
        [Author.name.desc().nulls_last(), Book.id.desc()],
    ),
    "join that multiplies": (
        select(Author.name, Book.id, Loan.number).join(Author.books).join(Book.loans),
        [Author.name],
        [Author.name, Author.id, Book.id, Loan.number],
    ),
    "outer join that multiplies": (
        select(Book.id, Loan.number).outerjoin(Book.loans),
        [Book.title],
        [Book.title, Book.id, Loan.book_id.asc().nulls_last(), Loan.number.asc().nulls_last()],
    ),
    "implicit join": (
        select(Book.id, Author.name).where(Book.author_id == Author.id),
        [Author.name],
        [Author.name, Book.id, Author.id],
    ),
    "core join": (
        select(books.c.id, loans.c.number).select_from(books.join(loans)),
        [loans.c.reader],
        [loans.c.reader, books.c.id, loans.c.book_id, loans.c.number],
    ),
    "group by": (
        select(Book.author_id, func.count(Book.id).label("many"), func.sum(Book.pages)).group_by(Book.author_id),
        [func.count(Book.id).desc()],
        [func.count(Book.id).desc(), Book.author_id.desc().nulls_first()],
    ),
    "distinct": (
        select(Book.pages, Book.lent).distinct(),
        [Book.lent],
        [Book.lent.asc().nulls_last(), Book.pages.asc().nulls_last()],
    ),
    "distinct entities": (select(Author).join(Author.books).distinct(), [Author.name], [Author.name, Author.id]),
    "correlated subquery": (
        select(Author.id),
        [select(func.count(Book.id)).where(Book.author_id == Author.id).scalar_subquery().desc()],
        [select(func.count(Book.id)).where(Book.author_id == Author.id).scalar_subquery().desc(), Author.id.desc()],
    ),
}  # fmt: skip


def test_statements(session: Session) -> None:
    for name, (statement, order, in_full) in STATEMENTS.items():
        before = str(statement)
        expected = in_order(session, statement, *in_full)
        for size in (2, 7):
            assert rows(walk(session, statement, order, size)) == expected, name
        assert str(statement) == before


def test_a_label_orders_by_what_it_labels(session: Session) -> None:
    many = func.count(Book.id).label("many")
    statement = select(Author.name, many).join(Author.books).group_by(Author.id, Author.name).having(many > 1)

    found = rows(walk(session, statement, [many.desc()], 1))

    assert found == in_order(session, statement, many.desc(), Author.id.desc())
    assert found[0].many >= found[-1].many > 1


def test_aliases_subqueries_and_ctes(session: Session) -> None:
    for _ in range(2):
        other = aliased(Book)
        expected = in_order(session, select(Book.id), Book.title, Book.id)
        assert rows(walk(session, select(other.id), [other.title], 4)) == expected

        found = rows(walk(session, select(other, other.title), [other.title], 4))
        assert [(book.id, title) for book, title in found] == in_order(
            session, select(Book.id, Book.title), Book.title, Book.id
        )

        inner = select(Book).where(Book.pages.is_not(None)).order_by(Book.id.desc()).limit(9).subquery()
        of_inner = aliased(Book, inner)
        found = rows(walk(session, select(of_inner), [of_inner.title], 2))
        assert [each.id for each in found] == in_order(session, select(of_inner.id), of_inner.title, of_inner.id)

        grouped = select(Book.author_id, func.max(Book.id).label("last")).group_by(Book.author_id).cte()
        found = rows(walk(session, select(grouped), [grouped.c.last], 2))
        assert found == in_order(session, select(grouped), grouped.c.last)


def test_eager_loading_gives_whole_entities(session: Session) -> None:
    expected = in_order(session, select(Book.id), Book.pages.desc().nulls_first(), Book.id.desc())
    for loading in (joinedload, selectinload, subqueryload):
        session.expunge_all()
        statement = select(Book).options(loading(Book.loans), defer(Book.title))

        found = rows(walk(session, statement, [Book.pages.desc()], 4))

        assert [each.id for each in found] == expected
        assert [len(each.__dict__["loans"]) for each in found] == [each.id % 3 if each.id < 13 else 0 for each in found]


def test_the_cursor_has_what_the_database_has_not_what_the_session_has_changed(session: Session) -> None:
    page = keyset_page(session, select(Book), order_by=[Book.title, Book.id], size=5, secret=SECRET)
    expected = in_order(session, select(Book.id), Book.title, Book.id)
    with session.no_autoflush:
        page.items[-1].title = "~"
        again = keyset_page(session, select(Book), order_by=[Book.title, Book.id], size=5, secret=SECRET)
        following = keyset_page(
            session, select(Book), order_by=[Book.title, Book.id], size=5, secret=SECRET, cursor=again.next
        )

    assert [each.id for each in following] == expected[5:10]


def test_values_that_the_type_does_not_show_are_carried(session: Session) -> None:
    """Another program writes a time as SQLite's own functions do, and a number with more digits than the model has."""
    connection = session.connection()
    connection.execute(text("update books set read_at = '2024-05-05 10:00:00' where id % 2 = 0"))
    connection.execute(text("update books set price = 0.12345678901234 where id % 3 = 0"))

    for column in (Book.read_at, Book.price):
        expected = in_order(session, select(Book.id), column.desc().nulls_first(), Book.id.desc())
        assert rows(walk(session, select(Book.id), [column.desc()], 1)) == expected


def test_a_session_that_filters_filters_the_pages(session: Session) -> None:
    class Quiet(Session):
        pass

    @sa.event.listens_for(Quiet, "do_orm_execute")
    def hide(state: Any) -> None:
        if state.is_select:
            state.statement = state.statement.options(with_loader_criteria(Book, Book.lent.is_not(True)))

    with sessionmaker(session.connection(), class_=Quiet)() as quiet:
        found = rows(walk(quiet, select(Book.id), [Book.title.desc()], 3))

    visible = select(Book.id).where(Book.lent.is_not(True))
    assert found == in_order(session, visible, Book.title.desc(), Book.id.desc())


def test_a_connection_will_do(session: Session) -> None:
    found = rows(walk(session.connection(), select(books.c.id), [books.c.title], 5))

    assert found == in_order(session, select(Book.id), Book.title, Book.id)


def test_a_page_that_was_emptied_leads_back(session: Session) -> None:
    given: dict[str, Any] = {"order_by": [Book.id], "secret": SECRET, "size": 5}
    first = keyset_page(session, select(Book.id), **given)
    session.execute(sa.delete(Loan))
    session.execute(sa.delete(Book).where(Book.id > 5))

    nothing = keyset_page(session, select(Book.id), cursor=first.next, **given)
    assert nothing.previous is not None
    back = keyset_page(session, select(Book.id), cursor=nothing.previous, **given)

    assert (nothing.items, nothing.next) == ([], None)
    assert (back.items, back.has_previous) == (first.items, False)


def test_an_empty_list_is_one_page(session: Session) -> None:
    page = keyset_page(session, select(Book).where(Book.id < 0), order_by=[Book.title], secret=SECRET)

    assert (page.items, page.next, page.previous) == ([], None, None)


def order_by_of(session: Session, statement: Any, order: list[Any]) -> str:
    seen: list[str] = []
    connection = session.connection()
    sa.event.listen(connection, "before_cursor_execute", lambda _c, _k, sql, *_: seen.append(sql))
    keyset_page(session, statement, order_by=order, secret=SECRET)
    return seen[0].split("ORDER BY ")[1].split("\n")[0].strip()


def test_the_key_is_added_only_where_it_is_wanting(session: Session) -> None:
    for statement, order, expected in (
        (select(Author), [Author.email.desc()], "authors.email DESC"),
        (select(Author), [Author.name.desc()], "authors.name DESC, authors.id DESC"),
        # Two authors may have none, so a unique nickname does not tell all of them apart.
        (select(Author.id), [Author.nickname], "authors.nickname ASC NULLS LAST, authors.id ASC"),
        (select(Book.id).join(Book.author), [Author.email], "authors.email ASC, books.id ASC"),
        (
            select(Book.id).join(Book.loans),
            [Book.id],
            "books.id ASC, loans.book_id ASC, loans.number ASC",
        ),
    ):
        assert order_by_of(session, statement, order) == expected


def refused(session: Session, statement: Any, order: Any, **options: Any) -> PagingError:
    with pytest.raises(PagingError) as caught:
        keyset_page(session, statement, order_by=order, secret=SECRET, **options)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    "statement, order, word",
    [
        (select(Book).order_by(Book.id), [Book.id], "order_by"),
        (select(Book).limit(3), [Book.id], "limit"),
        (select(Book).offset(3), [Book.id], "offset"),
        (select(Book).fetch(3), [Book.id], "limit"),
        (select(Book.id).distinct(), [Book.title], "DISTINCT"),
        (select(Book), [], "empty"),
        (select(Book), ["title"], "text 'title'"),
        (select(Book), "title", "text 'title'"),
        (select(Book), [text("title")], "text 'title'"),
        (select(Book.id, func.row_number().over(order_by=Book.id)), [Book.id], "window"),
        (select(Book.id).union(select(Loan.book_id)), [text("id")], "CompoundSelect"),
        (select(Book).from_statement(text("select * from books")), [Book.id], "only a select"),
    ],
)
def test_what_cannot_be_paged_is_refused(session: Session, statement: Any, order: Any, word: str) -> None:
    error = refused(session, statement, order)

    assert (error.code, word in error.message) == ("HF641", True), error


def test_rows_that_cannot_be_told_apart_are_refused_unless_promised(session: Session) -> None:
    without_key = select(Book.title, Book.pages).subquery()
    either = select(Book.id).union_all(select(Loan.book_id)).subquery()

    assert refused(session, select(without_key), [without_key.c.title]).code == "HF642"
    assert refused(session, select(either), [either.c.id]).code == "HF642"

    once = select(Book.id).union(select(Loan.book_id)).subquery()
    promised = rows(walk(session, select(once), [once.c.id], 4, unique_order=True))
    assert promised == in_order(session, select(Book.id), Book.id)


def test_statements_of_one_shape_share_neither_values_nor_aliases(session: Session) -> None:
    for last in (9, 23):
        other = aliased(Book)
        for statement, key in (
            (select(Book).where(Book.id <= last), Book.id),
            (select(other).where(other.id <= last), other.id),
            (select(Book.title).where(Book.id <= last), Book.id),
        ):
            expected = session.scalars(statement.order_by(key)).all()
            assert rows(walk(session, statement, [key], 4)) == expected


def test_a_page_begins_at_the_key_that_is_stored(session: Session) -> None:
    with session.no_autoflush:
        last = session.get_one(Book, 4)
        last.id = 99
        page = keyset_page(session, select(Book), order_by=[Book.id], secret=SECRET, size=4)
        after = keyset_page(session, select(Book), order_by=[Book.id], secret=SECRET, size=4, cursor=page.next)
    assert page.items[-1] is last
    assert after.items[0].id == 5
