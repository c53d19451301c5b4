"""What a type checker sees of a protected model: every column, and each query typed by it."""

from __future__ import annotations

from datetime import datetime
from typing import assert_type
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from holdfast import Audit, SoftDelete
from holdfast.errors import StaleVersionError
from holdfast.sqlalchemy import (
    Audited,
    ProtectedModel,
    Session,
    SoftDeletable,
    Timestamped,
    UTCDateTime,
    Versioned,
    hard_delete,
    include_deleted,
    protect,
    restore,
)


class Base(DeclarativeBase):
    pass


class Order(Base, SoftDeletable, Timestamped, Versioned, Audited):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)


class Everything(Base, ProtectedModel):
    __tablename__ = "everything"


@protect(SoftDelete("removed_on"), Audit(exclude={"iban"}))
class Invoice(Base):
    __tablename__ = "invoices"

    id: Mapped[int] = mapped_column(primary_key=True)
    iban: Mapped[str | None]
    removed_on: Mapped[datetime | None] = mapped_column(UTCDateTime)


def instance(order: Order, everything: Everything, invoice: Invoice) -> None:
    assert_type(order.created_at, datetime)
    assert_type(order.updated_at, datetime)
    assert_type(order.deleted_at, datetime | None)
    assert_type(order.version, int)
    assert_type(order.is_deleted, bool)
    assert_type(everything.id, UUID)
    assert_type(everything.version, int)
    assert_type(invoice.removed_on, datetime | None)


def queries(session: Session) -> None:
    statement = select(Order).where(Order.is_deleted, ~Order.is_deleted).options(include_deleted())
    assert_type(session.scalars(statement).one(), Order)
    assert_type(session.get(Order, 1), Order | None)
    assert_type(session.get_one(Order, 1), Order)
    assert_type(restore(session, Order, 1), Order)
    assert_type(restore(session, Order()), Order)
    hard_delete(session, Order())


def stale(error: StaleVersionError) -> None:
    assert_type(error.expected, int | None)
