"""A book of which the past is read: values of every kind, keys of several columns, inheritance both ways."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import JSON, Date, Enum, Float, ForeignKey, LargeBinary, Numeric, String, TypeDecorator, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.pool import NullPool

import holdfast.sqlalchemy
from holdfast import Audit
from holdfast.sqlalchemy import Audited, SoftDeletable, Timestamped, UTCDateTime, Versioned, protect
from tests.conftest import _server
from tests.sqlalchemy.conftest import ASYNC, DRIVERS, Shop, installed


class Base(DeclarativeBase):
    pass


class Color(enum.Enum):
    red = "r"
    blue = "b"


class Cents(TypeDecorator[Decimal]):
    """Money as a number of cents."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> int | None:
        return None if value is None else int(value * 100)

    def process_result_value(self, value: int | None, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value) / 100


@protect(Audit(exclude={"iban"}, mask={"pin"}))
class Entry(Base, Versioned, Timestamped, SoftDeletable):
    """A value of every kind, under other names than the columns have."""

    __tablename__ = "entries"

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    title: Mapped[str] = mapped_column("caption:x", String(20))
    color: Mapped[Color | None] = mapped_column(Enum(Color))
    amount: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    fee: Mapped[Decimal | None] = mapped_column("cents", Cents)
    at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    day: Mapped[date | None] = mapped_column(Date)
    details: Mapped[Any] = mapped_column(JSON, nullable=True)
    scan: Mapped[bytes | None] = mapped_column(LargeBinary)
    ratio: Mapped[float | None] = mapped_column(Float)
    done: Mapped[bool | None]
    iban: Mapped[str | None]
    pin: Mapped[str | None]


class Seat(Base, Audited):
    """A key of two columns, in another order than that of the table."""

    __tablename__ = "seats"
    __table_args__ = (sa.PrimaryKeyConstraint("show", "row"),)

    row: Mapped[int] = mapped_column("row")
    show: Mapped[datetime] = mapped_column(UTCDateTime)
    holder: Mapped[str | None]


class Vehicle(Base, Audited, Versioned):
    """Joined inheritance, and single-table within."""

    __tablename__ = "vehicles"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]


class Truck(Vehicle):
    __tablename__ = "trucks"
    __mapper_args__ = {"polymorphic_identity": "truck"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"), primary_key=True)
    load: Mapped[int]


class Taxi(Vehicle):
    __mapper_args__ = {"polymorphic_identity": "taxi"}  # noqa: RUF012

    sign: Mapped[str | None] = mapped_column(use_existing_column=True)


class Author(Base, SoftDeletable, Audited, Timestamped, Versioned):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")


class Book(Base, SoftDeletable, Audited):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    title: Mapped[str]
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2), default=Decimal(1))
    author: Mapped[Author | None] = relationship(back_populates="books")
    prizes: Mapped[list[Prize]] = relationship(back_populates="book", order_by="Prize.id")
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelves.id"))
    shelf: Mapped[Shelf | None] = relationship()


class Prize(Base, Audited):
    """Really deleted."""

    __tablename__ = "prizes"

    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))
    name: Mapped[str]
    book: Mapped[Book] = relationship(back_populates="prizes")


class Shelf(Base):
    """Not recorded."""

    __tablename__ = "shelves"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def built(url: str) -> None:
    installed(url, Base)


def ledger(request: pytest.FixtureRequest, driver: str) -> Iterator[Shop]:
    """An empty one, over that driver."""
    servers = request.getfixturevalue("servers")
    if driver in ("pysqlite", "aiosqlite"):
        copy = request.getfixturevalue("tmp_path") / "ledger.db"
        copy.write_bytes(servers.template_file(built).read_bytes())
        yield Shop(sa.make_url(f"sqlite:///{copy}").set(drivername=DRIVERS[driver]), driver in ASYNC)
        return
    server = _server(servers, None)
    with server.new_database(servers.template(server, built)) as url:
        yield Shop(sa.make_url(url).set(drivername=DRIVERS[driver]), driver in ASYNC)


def moment(shop: Shop) -> datetime:
    """A time after all that was committed, and before all that is written from here on, by the journal's clock."""
    if shop.url.get_backend_name() != "sqlite":
        engine = sa.create_engine(shop.url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
        with engine.connect() as connection:
            found: datetime = connection.execute(sa.text("select clock_timestamp()")).scalar_one()
        return found
    # The clock of the journal counts milliseconds.
    time.sleep(0.0025)
    found = datetime.now(UTC)
    time.sleep(0.0025)
    return found


def execute(shop: Shop, *statements: str) -> None:
    """As somebody does who knows nothing of the models."""
    with shop.engine().begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def session(shop: Shop) -> holdfast.sqlalchemy.Session:
    return holdfast.sqlalchemy.Session(shop.engine())
