"""advanced-alchemy's repository over a protected schema: what it lets through, the database refuses or records."""

from __future__ import annotations

import pytest
from advanced_alchemy.exceptions import RepositoryError
from advanced_alchemy.filters import CollectionFilter, LimitOffset
from advanced_alchemy.repository import SQLAlchemySyncRepository
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from holdfast.sqlalchemy import include_deleted
from tests.harness import Protected
from tests.peers.models import Book

# What they do that is going out of use is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::sqlalchemy.exc.SADeprecationWarning")


class Books(SQLAlchemySyncRepository[Book]):
    model_type = Book


def test_a_stale_write_that_it_would_accept_is_refused(session: Session) -> None:
    first = session.get_one(Book, 1)
    first.title = "Second edition"
    session.commit()
    assert first.version == 2
    with pytest.raises((RepositoryError, StaleDataError, DBAPIError)):
        Books(session=session).update(Book(id=1, title="From an old form", version=1), auto_commit=True)
    session.rollback()
    session.expire_all()
    assert (first.title, first.version) == ("Second edition", 2)


def test_a_filter_that_resolves_to_nothing_does_not_empty_the_table(session: Session) -> None:
    with pytest.raises((RepositoryError, DBAPIError)):
        Books(session=session).delete_where(CollectionFilter("id", None), sanity_check=False, auto_commit=True)
    session.rollback()
    assert len(session.scalars(select(Book)).all()) == 10


def test_its_deletes_mark_and_can_be_undone(session: Session, database: str) -> None:
    Books(session=session).delete(3, auto_commit=True)
    assert session.get(Book, 3) is None
    assert session.get_one(Book, 3, options=[include_deleted()]).title == "Book 3"
    session.rollback()
    protected = Protected(database)
    [change] = protected.log(table="books", operation="delete")
    protected.undo(change.transaction)
    session.expire_all()
    assert session.get_one(Book, 3).title == "Book 3"


def test_its_lists_and_counts_are_of_what_lives(session: Session) -> None:
    books = Books(session=session)
    books.delete_many([1, 2], auto_commit=True)
    found, total = books.get_many_and_count(LimitOffset(limit=3, offset=0), order_by=("id", False))
    assert ([book.id for book in found], total) == ([3, 4, 5], 8)
    assert not books.exists(id=1)


def test_its_bulk_writes_are_recorded(session: Session, database: str) -> None:
    books = Books(session=session)
    books.add_many([Book(id=20, title="New"), Book(id=21, title="Newer")], auto_commit=True)
    books.upsert(Book(id=20, title="Not so new"), auto_commit=True)
    changes = [(change.key, change.operation) for change in Protected(database).log(table="books") if change.key >= 20]
    assert sorted(changes) == [(20, "insert"), (20, "update"), (21, "insert")]
