"""Checked by mypy, never run: what editors and type checkers see of the schema helpers."""

import enum
import uuid
from typing import assert_type

from sqlalchemy import ForeignKeyConstraint, Index, MetaData, desc
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped

from holdfast.sqlalchemy.foreign_keys import unindexed_foreign_keys
from holdfast.sqlalchemy.keys import PublicId, UUIDKey, uuid7
from holdfast.sqlalchemy.live import index_live, unique_live
from holdfast.sqlalchemy.naming import NAMING_CONVENTION, enum_column


class Status(enum.StrEnum):
    NEW = "new"


class Other(enum.Enum):
    ONE = "one"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Invoice(UUIDKey, Base):
    __tablename__ = "invoices"


class Customer(PublicId, Base):
    __tablename__ = "customers"
    __table_args__ = (unique_live("email"), index_live("status", desc("id"), name="newest"))

    email: Mapped[str]
    status: Mapped[Status] = enum_column(Status, default=Status.NEW)
    other: Mapped[Other | None] = enum_column(Other)
    wrong: Mapped[Status] = enum_column(Other)  # type: ignore[arg-type]


def check(invoice: Invoice, customer: Customer) -> None:
    assert_type(uuid7(), uuid.UUID)
    assert_type(invoice.id, uuid.UUID)
    assert_type(Invoice.id, InstrumentedAttribute[uuid.UUID])
    assert_type(customer.id, int)
    assert_type(customer.public_id, uuid.UUID)
    assert_type(customer.status, Status)
    assert_type(customer.other, Other | None)
    assert_type(unique_live("email"), Index)
    assert_type(unindexed_foreign_keys(Base.metadata), list[ForeignKeyConstraint])
