"""A library to page through, and how to turn its pages."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import func, orm
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from holdfast.database import prepare_engine
from holdfast.sqlalchemy.paging import Page, keyset_page

SECRET = "a secret that only the tests know"


class Binding(enum.Enum):
    paper = "P"
    hard = "H"
    spiral = "S"


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    nickname: Mapped[str | None] = mapped_column(unique=True)
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    title: Mapped[str]
    pages: Mapped[int | None]
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(20, 2, asdecimal=False))
    weight: Mapped[float | None] = mapped_column(sa.REAL)
    shelf: Mapped[float | None]
    binding: Mapped[Binding | None]
    printed_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    read_at: Mapped[datetime | None]
    bought: Mapped[date | None]
    opens: Mapped[time | None]
    lent_for: Mapped[timedelta | None]
    code: Mapped[UUID | None]
    lent: Mapped[bool | None]
    digest: Mapped[bytes | None]
    author: Mapped[Author | None] = relationship(back_populates="books")
    loans: Mapped[list[Loan]] = relationship(back_populates="book")

    @hybrid_property
    def length(self) -> Any:
        return func.coalesce(self.pages, 0) + 1


class Loan(Base):
    __tablename__ = "loans"
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("books.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    reader: Mapped[str]
    book: Mapped[Book] = relationship(back_populates="loans")


def library() -> list[Any]:
    """Values that repeat, values that are missing, and some that a careless cursor would bend."""
    authors = [
        Author(id=key, name=name, email=f"{name.lower()}{key}@example.com", nickname=nickname)
        for key, name, nickname in ((1, "Ada", None), (2, "Bo", "b"), (3, "Ada", "a"), (4, "Cy", None))
    ]
    books = [
        Book(
            id=key,
            author_id=(1, 1, 2, None, 3, 2)[key % 6],
            title=("Zebra", "apple", "Ärger", "éclair", "it's 100%", "日本", "a\\b_c%", "")[key % 8],
            pages=None if key % 4 == 0 else key % 3 * 100,
            price=(None, Decimal("0.10"), Decimal("123456789012345.67"), Decimal("-1.00"))[key % 4],
            weight=(None, 0.1, 0.1, 16777217.0, -3.3)[key % 5],
            shelf=(None, 0.1, float("inf"), float("-inf"), 1e-300, float("nan"))[key % 6],
            binding=(None, *Binding)[key % 4],
            printed_at=None if key % 5 == 0 else datetime(2024, 3, 31, 1, 30, key % 3, 7, UTC),
            read_at=None if key % 3 == 0 else datetime(1969, 12, 31, 23, 59, 59, key % 2, UTC).replace(tzinfo=None),
            bought=None if key % 7 == 0 else date(2024, 2, 29) - timedelta(days=key % 4),
            opens=None if key % 6 == 0 else time(9, key % 3, 0, 1),
            lent_for=None if key % 4 == 1 else timedelta(days=key % 3 - 1, microseconds=5),
            code=None if key % 5 == 1 else UUID(int=(key % 4) << 120),
            lent=(None, True, False)[key % 3],
            digest=(None, b"", b"\x00\xff", b"a")[key % 4],
        )
        for key in range(1, 24)
    ]
    loans = [
        Loan(book_id=key, number=number, reader=("Uma", "Vic")[(key + number) % 2])
        for key in range(1, 13)
        for number in range(key % 3)
    ]
    return [*authors, *books, *loans]


@contextmanager
def shelves(url: str) -> Iterator[orm.Session]:
    """A session in a transaction that sees the library and leaves nothing behind."""
    engine = sa.create_engine(url)
    prepare_engine(engine)
    try:
        with engine.connect() as connection, connection.begin():
            Base.metadata.create_all(connection)
            with orm.Session(connection) as session:
                session.add_all(library())
                session.flush()
                session.expire_all()
                yield session
    finally:
        engine.dispose()


def walk(session: Any, statement: Any, order_by: Sequence[Any], size: int, **options: Any) -> list[Page[Any]]:
    """All pages from the first to the last, after the way back has shown the same rows."""
    given = {"order_by": order_by, "size": size, "secret": SECRET, **options}
    pages = [keyset_page(session, statement, **given)]
    assert not pages[0].has_previous
    while cursor := pages[-1].next:
        pages.append(keyset_page(session, statement, cursor=cursor, **given))
        assert pages[-1].has_previous
        assert len(pages) < 1_000, "the pages do not end"
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    back: list[Any] = []
    page = pages[-1]
    while page.previous:
        page = keyset_page(session, statement, cursor=page.previous, **given)
        assert page.has_next
        back[:0] = page.items
    assert back == rows(pages[:-1])
    return pages


def rows(pages: Sequence[Page[Any]]) -> list[Any]:
    return [item for page in pages for item in page]
