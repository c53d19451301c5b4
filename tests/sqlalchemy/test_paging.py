"""Keyset pages over every kind of statement: all rows, once each, in order, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import String, cast, distinct, func, orm, select
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload, selectinload, subqueryload

from holdfast.errors import PagingError, RequestError
from holdfast.sqlalchemy.paging import keyset_page
from tests.sqlalchemy.paging import SECRET, Author, Base, Binding, Book, Loan, rows, shelves, walk

SIZES = (1, 4, 11)
books, authors, loans = Book.__table__, Author.__table__, Loan.__table__


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with shelves(database) as session:
        yield session


def all_in_order(session: Session, statement: Any, *order: Any) -> list[Any]:
    """The rows without pages; the order is given in full, so that it does not depend on what is tested."""
    result = session.execute(statement.order_by(*order)).unique()
    return list(result.scalars() if len(result.keys()) == 1 else result)


TYPES = [
    Book.title, Book.pages, Book.price, Book.weight, Book.shelf, Book.binding, Book.printed_at, Book.read_at,
    Book.bought, Book.opens, Book.lent_for, Book.code, Book.lent, Book.digest,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")
def test_every_type_both_directions_nulls_at_both_ends(session: Session) -> None:
    for column in TYPES:
        for key, *order in (
            (column.asc().nulls_last(), column.asc()),
            (column.desc().nulls_first(), column.desc()),
            (column.asc().nulls_first(), column.asc().nulls_first()),
            (column.desc().nulls_last(), column.desc().nulls_last()),
        ):
            tie = Book.id.asc() if order[0].modifier is column.asc().modifier else Book.id
            expected = all_in_order(session, select(Book.id), key, _same_way(key, tie))
            assert rows(walk(session, select(Book.id), order, 4)) == expected, str(key)


def _same_way(key: Any, _tie: Any) -> Any:
    return Book.id.desc() if "DESC" in str(key) else Book.id.asc()
