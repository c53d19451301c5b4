"""A warehouse, for the repository: one model under protection, and plain ones that each have something odd."""

from __future__ import annotations

import enum
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, ForeignKey, Numeric, String, UniqueConstraint, create_engine, event, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, validates

import holdfast.sqlalchemy
from holdfast.sqlalchemy import Audited, SoftDeletable, Timestamped, UTCDateTime, Versioned
from holdfast.sqlalchemy.async_repository import AsyncRepository
from holdfast.sqlalchemy.naming import enum_column
from holdfast.sqlalchemy.repository import Repository


class Kind(enum.Enum):
    SOLID = "solid"
    LIQUID = "liquid"


class Base(DeclarativeBase):
    pass


class Depot(Base):
    """Plain."""

    __tablename__ = "depots"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    items: Mapped[list[Item]] = relationship(back_populates="depot", order_by="Item.id")


class Item(Base, SoftDeletable, Timestamped, Versioned, Audited):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]
    name: Mapped[str | None]
    count: Mapped[int] = mapped_column(default=0)
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    kind: Mapped[Kind] = enum_column(Kind, check="item_kind", default=Kind.SOLID)
    fragile: Mapped[bool | None]
    made: Mapped[date | None]
    seen: Mapped[datetime | None] = mapped_column(UTCDateTime)
    token: Mapped[UUID | None]
    secret: Mapped[str] = mapped_column(default="hash")
    depot_id: Mapped[int | None] = mapped_column(ForeignKey("depots.id"))
    depot: Mapped[Depot | None] = relationship(back_populates="items")
    labels: Mapped[list[Label]] = relationship(back_populates="item", cascade="all, delete-orphan", order_by="Label.id")


class Label(Base, SoftDeletable, Audited):
    __tablename__ = "labels"

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"))
    text: Mapped[str]
    item: Mapped[Item] = relationship(back_populates="labels")


class Place(Base):
    """Of two key columns."""

    __tablename__ = "places"
    __table_args__ = (UniqueConstraint("code"),)

    aisle: Mapped[str] = mapped_column(primary_key=True)
    shelf: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str]
    load: Mapped[int] = mapped_column(default=0)


class Strict(Base):
    """With a rule in Python."""

    __tablename__ = "strict"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]

    @validates("email")
    def _checked(self, key: str, value: str) -> str:
        return value.strip().lower()


class Counter(Base):
    """With a version that SQLAlchemy counts, not the database."""

    __tablename__ = "counters"

    id: Mapped[int] = mapped_column(primary_key=True)
    hits: Mapped[int]
    revision: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012


class Animal(Base):
    """Joined inheritance."""

    __tablename__ = "animals"

    id: Mapped[int] = mapped_column(primary_key=True)
    species: Mapped[str]
    name: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "species", "polymorphic_identity": "animal"}  # noqa: RUF012


class Dog(Animal):
    __tablename__ = "dogs"

    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    tricks: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012


FILTERABLE = (
    "id", "sku", "name", "count", "price", "kind", "fragile", "made", "seen", "token", "is_deleted", "depot_id",
)  # fmt: skip
SORTABLE = ("id", "sku", "name", "count", "price")
WRITABLE = ("sku", "name", "count", "price", "kind", "depot_id")


class Items(Repository[Item]):
    filterable = FILTERABLE
    sortable = SORTABLE
    writable = WRITABLE
    cursor_secret = "sixteen bytes or more"


class AsyncItems(AsyncRepository[Item]):
    filterable = FILTERABLE
    sortable = SORTABLE
    writable = WRITABLE
    cursor_secret = "sixteen bytes or more"


def build(url: str) -> str:
    """The tables, protected and empty."""
    engine = create_engine(url)
    holdfast.sqlalchemy.bind(engine)
    Base.metadata.create_all(engine)
    # It stays for long, and a role of the journal's own would stand in the way of tests about that role.
    holdfast.sqlalchemy.install(engine, Base, roles_apart=False)
    engine.dispose()
    return url


@contextmanager
def stocked(warehouse: str, folder: Path) -> Iterator[Engine]:
    """The warehouse with a depot and four items, of which the last is deleted; it is empty again afterwards."""
    url = make_url(warehouse)
    if url.database is not None and url.get_backend_name() == "sqlite":
        url = url.set(database=str(shutil.copy(url.database, folder / "warehouse.db")))
    engine = create_engine(url)
    holdfast.sqlalchemy.bind(engine)
    try:
        with holdfast.sqlalchemy.Session(engine) as session:
            _stock(session)
        yield engine
        if url.get_backend_name() != "sqlite":
            tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
            with engine.begin() as connection:
                connection.exec_driver_sql("set local session_replication_role = replica")
                connection.exec_driver_sql(f"truncate {tables} restart identity")
    finally:
        engine.dispose()


def _stock(session: Session) -> None:
    session.add(Depot(name="north"))
    session.flush()
    session.add_all(
        [
            Item(sku="a", name="Anvil", count=3, price=Decimal("9.50"), depot_id=1, labels=[Label(text="x")]),
            Item(sku="b", name=None, count=5, labels=[Label(text="y"), Label(text="z")]),
            Item(sku="c", name="Cog", count=5, depot_id=1),
            Item(sku="d", name="Dye", count=7, kind=Kind.LIQUID),
        ]
    )
    session.commit()
    session.delete(session.get_one(Item, 4))
    session.commit()


@contextmanager
def sent(engine: Engine) -> Iterator[list[str]]:
    """The statements that the block sends for its rows, in one line each."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        text = " ".join(statement.split())
        if text.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
            statements.append(text)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
