"""The tables of the list as models: the same for both databases."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Mapped, mapped_column, relationship

import holdfast.sqlalchemy as hs
from holdfast.policies import Audit, Tenant


class Base(orm.DeclarativeBase):
    pass


@hs.protect(Tenant(), Audit())
class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    email: Mapped[str | None] = mapped_column(unique=True)
    secret: Mapped[str | None]
    orders: Mapped[list[Order]] = relationship(back_populates="customer", passive_deletes=True)


@hs.protect(Tenant(), Audit())
class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    customer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("customers.id", ondelete="CASCADE"))
    status: Mapped[str | None]
    customer: Mapped[Customer | None] = relationship(back_populates="orders")


@hs.protect(Tenant())
class Event(Base):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    at: Mapped[date] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]


@hs.protect(Tenant(), Audit())
class Booking(Base):
    __tablename__ = "bookings"

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    room: Mapped[str | None]


@hs.protect(Tenant())
class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    text: Mapped[str | None]
