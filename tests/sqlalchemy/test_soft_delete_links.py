"""Many-to-many: links that are removed are marked, and made again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

import holdfast.sqlalchemy
from holdfast.errors import DeclarationError
from holdfast.sqlalchemy import SoftDeletable
from holdfast.sqlalchemy.links import live_link
from tests.sqlalchemy.conftest import Reading
from tests.sqlalchemy.models import Order, Tag, order_tags
from tests.sqlalchemy.zoo import Album, Genre
from tests.sqlalchemy.zoo import Shop as ShopModel


def links(session: Session) -> dict[int, bool]:
    return {tag: at is None for tag, at in session.execute(sa.text("select tag_id, deleted_at from order_tags"))}


def test_links_are_marked_and_made_again(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        order, gift, rush = session.get_one(Order, 1), session.get_one(Tag, 1), session.get_one(Tag, 2)
        order.tags.remove(gift)
        session.flush()
        assert links(session) == {1: False, 2: False}
        order.tags = [gift, rush]
        session.flush()
        assert links(session) == {1: True, 2: True}, "the dead rows hold the keys: they come back"
        order.tags.clear()
        session.flush()
        assert links(session) == {1: False, 2: False}
        new = Tag(id=3, name="new")
        order.tags = [gift, new]
        session.flush()
        session.expire_all()
        assert [tag.id for tag in order.tags] == [1, 3]
        assert links(session) == {1: True, 2: False, 3: True}

    reading.run(scenario)


def test_a_link_that_is_there_is_a_duplicate(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        order, new = session.get_one(Order, 1), Tag(id=3, name="new")
        session.add(new)
        assert order.tags
        session.flush()
        session.connection().execute(insert(order_tags).values(order_id=1, tag_id=3))
        order.tags.append(new)
        with pytest.raises(sa.exc.IntegrityError):
            session.flush()

    reading.run(scenario)


def test_links_with_a_key_of_their_own_leave_their_history(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        album = session.get_one(Album, 1)
        shop = ShopModel(id=1, name="corner")
        for _ in range(3):
            album.shops = [shop]
            session.flush()
            album.shops = []
            session.flush()
        assert session.scalar(sa.text("select count(*) from album_shops where deleted_at is not null")) == 3
        session.expire(album)
        assert album.shops == []

    reading.run(scenario)


def test_links_that_are_not_marked_are_deleted(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        album = session.get_one(Album, 1)
        album.genres = [Genre(id=1, name="jazz"), Genre(id=2, name="folk")]
        session.flush()
        album.genres.pop()
        session.flush()
        assert session.scalar(sa.text("select count(*) from album_genres")) == 1
        session.delete(album)
        session.flush()
        assert session.scalar(sa.text("select count(*) from album_genres")) == 0

    reading.run(scenario)


def test_a_link_through_a_marked_table_must_look_at_the_mark() -> None:
    class Base(DeclarativeBase):
        pass

    class Left(Base, SoftDeletable):
        __tablename__ = "lefts"
        id: Mapped[int] = mapped_column(primary_key=True)

    pairs = holdfast.sqlalchemy.protect(holdfast.SoftDelete())(
        sa.Table(
            "pairs",
            Base.metadata,
            sa.Column("left_id", sa.ForeignKey("lefts.id"), primary_key=True),
            sa.Column("right_id", sa.ForeignKey("rights.id"), primary_key=True),
            sa.Column("deleted_at", sa.DateTime),
        )
    )

    class Right(Base):
        __tablename__ = "rights"
        id: Mapped[int] = mapped_column(primary_key=True)
        lefts: Mapped[list[Left]] = relationship(secondary=pairs)

    engine = sa.create_engine("sqlite://")
    holdfast.sqlalchemy.bind(engine)
    with holdfast.sqlalchemy.Session(engine) as session, pytest.raises(DeclarationError, match="HF117") as caught:
        session.scalars(select(Left)).all()
    assert "live_link(pairs, 'left_id')" in caught.value.hint
    engine.dispose()
    with pytest.raises(DeclarationError, match="HF117"):
        live_link(Left.__table__)()
