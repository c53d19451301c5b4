"""A shop, declared on its models."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship

from holdfast import Audit, Guard, SoftDelete
from holdfast.sqlalchemy import Audited, SoftDeletable, Timestamped, UTCDateTime, Versioned, protect


class Base(DeclarativeBase):
    pass


class Customer(Base, SoftDeletable, Timestamped, Versioned, Audited):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    orders: Mapped[list[Order]] = relationship(back_populates="customer", order_by="Order.id")


order_tags = protect(SoftDelete(), Audit())(
    Table(
        "order_tags",
        Base.metadata,
        Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
        Column("tag_id", ForeignKey("tags.id"), primary_key=True),
        Column("deleted_at", UTCDateTime),
    )
)


class Tag(Base):
    """Not protected at all."""

    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Order(Base, SoftDeletable, Timestamped, Versioned, Audited):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[str] = mapped_column(default="pending")
    note: Mapped[str | None]
    customer: Mapped[Customer | None] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship(back_populates="order", cascade="all, delete-orphan", order_by="Line.id")
    parcels: Mapped[list[Parcel]] = relationship(back_populates="order", cascade="all", order_by="Parcel.id")
    tags: Mapped[list[Tag]] = relationship(
        secondary=order_tags,
        secondaryjoin=lambda: (Tag.id == order_tags.c.tag_id) & order_tags.c.deleted_at.is_(None),
        order_by="Tag.id",
    )


class Line(Base, SoftDeletable, Audited):
    """Follows its order in the database."""

    __tablename__ = "lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    sku: Mapped[str]
    quantity: Mapped[int] = mapped_column(default=1)
    order: Mapped[Order] = relationship(back_populates="lines")


class Parcel(Base, SoftDeletable, Audited):
    """Follows its order in the ORM alone: the foreign key has no action."""

    __tablename__ = "parcels"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    carrier: Mapped[str] = mapped_column(default="post")
    order: Mapped[Order] = relationship(back_populates="parcels")


@protect(SoftDelete("removed_on"), Audit(exclude={"iban"}), Guard(max_rows=1000))
class Invoice(Base):
    """Columns of its own, and no mixin."""

    __tablename__ = "invoices"

    id: Mapped[int] = mapped_column(primary_key=True)
    iban: Mapped[str | None]
    removed_on: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Person(Base, SoftDeletable, Versioned, Audited):
    """Joined inheritance."""

    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, object]:
        if cls.__name__ == "Person":
            return {"polymorphic_on": "kind", "polymorphic_identity": "person"}
        return {"polymorphic_identity": cls.__name__.lower()}


class Clerk(Person):
    __tablename__ = "clerks"

    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    till: Mapped[int]


class Boss(Person):
    """Single-table, within joined."""

    car: Mapped[str | None] = mapped_column(use_existing_column=True)


class Node(Base, SoftDeletable, Audited):
    """Refers to itself."""

    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"))
    name: Mapped[str]
    children: Mapped[list[Node]] = relationship(back_populates="parent", cascade="all", order_by="Node.id")
    parent: Mapped[Node | None] = relationship(back_populates="children", remote_side="Node.id")
