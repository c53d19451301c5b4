"""What the shop has no need of: one class for each way in which a mapping can be unusual, and its rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, String, Table, delete, func, select
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.orm import (
    DynamicMapped,
    Mapped,
    Session,
    WriteOnlyMapped,
    column_property,
    foreign,
    mapped_column,
    query_expression,
    relationship,
)

from holdfast import SoftDelete
from holdfast.sqlalchemy import Audited, SoftDeletable, UTCDateTime, Versioned, protect
from holdfast.sqlalchemy.links import live_link
from holdfast.sqlalchemy.live import unique_live
from tests.sqlalchemy.models import Base, Boss, Clerk, Customer, Line, Node, Order, Parcel, Person, Tag, order_tags


class Review(Base):
    """Not protected, and without a foreign key: it stays when what it is about dies."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int]
    text: Mapped[str]
    customer: Mapped[Customer | None] = relationship(primaryjoin=lambda: Customer.id == foreign(Review.customer_id))


class Song(Base, SoftDeletable, Audited):
    __tablename__ = "songs"

    id: Mapped[int] = mapped_column(primary_key=True)
    album_id: Mapped[int] = mapped_column(ForeignKey("albums.id", ondelete="CASCADE"))
    title: Mapped[str]
    album: Mapped[Album] = relationship(back_populates="songs")


album_genres = Table(
    "album_genres",
    Base.metadata,
    Column("album_id", ForeignKey("albums.id"), primary_key=True),
    Column("genre_id", ForeignKey("genres.id"), primary_key=True),
)
album_shops = protect(SoftDelete())(
    Table(
        "album_shops",
        Base.metadata,
        Column("id", Integer, primary_key=True),
        Column("album_id", ForeignKey("albums.id", ondelete="CASCADE")),
        Column("shop_id", ForeignKey("shops.id")),
        Column("deleted_at", UTCDateTime),
    )
)


class Genre(Base):
    __tablename__ = "genres"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Shop(Base):
    __tablename__ = "shops"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Album(Base, SoftDeletable, Versioned, Audited):
    __tablename__ = "albums"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    songs: Mapped[list[Song]] = relationship(back_populates="album", cascade="all", passive_deletes=True)
    written: WriteOnlyMapped[Song] = relationship(viewonly=False, overlaps="songs,album", passive_deletes=True)
    dynamic: DynamicMapped[Song] = relationship(overlaps="songs,album,written", passive_deletes="all")
    titles: AssociationProxy[list[str]] = association_proxy("songs", "title")
    genres: Mapped[list[Genre]] = relationship(secondary=album_genres)
    shops: Mapped[list[Shop]] = relationship(
        secondary=album_shops, secondaryjoin=live_link(album_shops, "shop_id"), order_by="Shop.id"
    )
    size: Mapped[int | None] = query_expression()
    song_count: Mapped[int] = column_property(
        select(func.count(Song.id)).where(Song.album_id == id).correlate_except(Song).scalar_subquery()  # noqa: A003
    )


class Account(Base, SoftDeletable, Audited):
    __tablename__ = "accounts"
    __table_args__ = (unique_live("email", name="accounts_email_live"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(100))


@protect(SoftDelete("gone_on", live_view=True))
class Room(Base):
    __tablename__ = "rooms"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    gone_on = mapped_column(UTCDateTime)


class Book(Base):
    """Not protected, and in no relation to anything that is."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    pages: Mapped[list[Page]] = relationship(back_populates="book", cascade="all, delete-orphan", order_by="Page.id")


class Page(Base):
    __tablename__ = "pages"

    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))
    number: Mapped[int]
    book: Mapped[Book] = relationship(back_populates="pages")


def fill(session: Session) -> None:
    """Rows that live beside rows that are dead; whatever is called dead, or is of something dead, is dead.

    Customer 1 has order 1 (lines 1 and 2, line 3 dead, tag 1, the link to tag 2 dead) and order 2, dead, with line 4;
    customer 2 has but a dead order, 3; customer 3 is dead, and review 2 is still about it.
    """
    tags = [Tag(id=1, name="gift"), Tag(id=2, name="rush")]
    lines = [Line(id=1, sku="a"), Line(id=2, sku="b"), Line(id=3, sku="dead")]
    session.add_all(
        [
            Customer(id=1, name="Ada"),
            Customer(id=2, name="Bo"),
            Customer(id=3, name="Cy"),
            Order(id=1, customer_id=1, note="live", lines=lines, parcels=[Parcel(id=1)], tags=tags),
            Order(id=2, customer_id=1, note="dead", lines=[Line(id=4, sku="dead")]),
            Order(id=3, customer_id=2, note="dead"),
            Review(id=1, customer_id=1, text="good"),
            Review(id=2, customer_id=3, text="bad"),
            Clerk(id=1, name="Di", till=1),
            Clerk(id=2, name="dead", till=2),
            Boss(id=3, name="dead", car="red"),
            Person(id=4, name="Ed"),
            Boss(id=5, name="Fay", car="blue"),
            Node(id=1, name="root", children=[Node(id=2, name="leaf"), Node(id=3, name="dead")]),
            Album(id=1, title="one", songs=[Song(id=1, title="a"), Song(id=2, title="b"), Song(id=3, title="dead")]),
            Album(id=2, title="dead", songs=[Song(id=4, title="dead")]),
            Room(id=1, name="hall"),
            Room(id=2, name="dead"),
            Book(id=1, title="b", pages=[Page(id=1, number=1), Page(id=2, number=2)]),
        ]
    )
    session.flush()
    for entity, keys in DEAD.items():
        session.execute(delete(entity).where(entity.id.in_(keys)))
    session.execute(delete(order_tags).where(order_tags.c.tag_id == 2))
    session.commit()


DEAD = {Line: [3], Order: [2, 3], Customer: [3], Person: [2, 3], Node: [3], Song: [3], Album: [2], Room: [2]}


def keys(session: Session, entity: Any, *options: Any) -> list[int]:
    return sorted(session.scalars(select(entity.id).options(*options)))


def marks(session: Session, table: str) -> dict[int, Any]:
    """Each row's mark, as the database has it."""
    return {row.id: row.deleted_at for row in session.execute(sa.text(f"select id, deleted_at from {table}"))}
