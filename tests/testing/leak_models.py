"""Models of many kinds for the leak probes: what a row factory must know to fill."""

from __future__ import annotations

import datetime
import enum
import uuid
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from holdfast.policies import Audit, Tenant, Version
from holdfast.sqlalchemy import SoftDeletable, TenantOwned, UTCDateTime, protect


class Base(DeclarativeBase):
    pass


class State(enum.Enum):
    NEW = "new"
    PAID = "paid"


class Country(Base):
    """No tenant has it."""

    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(sa.String(2), primary_key=True)


@protect(Tenant("shop_id", global_keys=["barcode"]), Audit())
class Product(SoftDeletable, Base):
    """Keys of two columns, and one that all tenants share."""

    __tablename__ = "products"
    __table_args__ = (sa.UniqueConstraint("barcode", name="barcode"), sa.UniqueConstraint("sku", name="sku"))

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    shop_id: Mapped[int] = mapped_column(sa.BigInteger)
    country: Mapped[str] = mapped_column(sa.ForeignKey("countries.code"))
    sku: Mapped[str | None] = mapped_column(sa.String(9))
    barcode: Mapped[str]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(3, 2))
    state: Mapped[State]
    tags: Mapped[list[str]] = mapped_column(pg.ARRAY(sa.String))
    more: Mapped[dict[str, Any]] = mapped_column(pg.JSONB)
    since: Mapped[datetime.date]
    seen: Mapped[datetime.datetime] = mapped_column(UTCDateTime)
    double: Mapped[int | None] = mapped_column(sa.Computed("length(sku) * 2"))


@protect(Tenant("shop_id"), Version(), Audit())
class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(sa.BigInteger)
    version: Mapped[int] = mapped_column(sa.BigInteger, server_default="1")
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("orders.id"))
    lines: Mapped[list[Line]] = relationship(back_populates="order", passive_deletes=True)


@protect(Tenant("shop_id"))
class Line(Base):
    __tablename__ = "lines"

    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True)
    product_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("products.id"), primary_key=True)
    shop_id: Mapped[int] = mapped_column(sa.BigInteger)
    order: Mapped[Order] = relationship(back_populates="lines")
    product: Mapped[Product] = relationship()


@protect(Tenant())
class Note(TenantOwned, Base):
    """Of another tenant column, and another type."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
