"""A shop for the test kit: one table that is protected, one that is not."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Engine, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from holdfast import Audit, Guard
from holdfast.sqlalchemy import Audited, Timestamped, UTCDateTime, Versioned, install, protect


class Base(DeclarativeBase):
    pass


class State(enum.Enum):
    PAID = "paid"
    SENT = "sent"


@protect(Guard(max_rows=2))
class Order(Base, Timestamped, Versioned, Audited):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(default="paid")
    total: Mapped[Decimal | None]
    state: Mapped[State | None]
    due: Mapped[datetime | None] = mapped_column(UTCDateTime)
    lines: Mapped[list[Line]] = relationship()


@protect(Audit())
class Line(Base):
    """A key of two columns."""

    __tablename__ = "lines"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]


@protect(Audit())
class Token(Base):
    """A key that drivers spell each in its own way."""

    __tablename__ = "tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    note: Mapped[str | None]


class Visit(Base):
    """Not protected."""

    __tablename__ = "visits"

    id: Mapped[int] = mapped_column(primary_key=True)


def make(engine: Engine) -> None:
    """The tables, protected, with an order that was there before any test."""
    Base.metadata.create_all(engine)
    # It stays for long, and a role of the journal's own would stand in the way of tests about that role.
    install(engine, Base, roles_apart=False)
    with engine.begin() as connection:
        connection.exec_driver_sql("insert into orders (id, status) values (1, 'paid')")
