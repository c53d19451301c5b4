"""Models that other libraries work on, under protection."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from holdfast import Guard
from holdfast.sqlalchemy import Audited, SoftDeletable, Timestamped, Versioned, protect


class Base(DeclarativeBase):
    pass


@protect(Guard(max_rows=5))
class Book(Base, Timestamped, Versioned, SoftDeletable, Audited):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")


class Author(Base, Audited):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    books: Mapped[list[Book]] = relationship(back_populates="author")
