"""Copies, other sessions and listeners: whatever meets a row that is dead by now."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.orm.exc import StaleDataError

from holdfast.errors import ProtectedError, UnsupportedError
from holdfast.sqlalchemy import Session as HoldfastSession
from holdfast.sqlalchemy import include_deleted, only_deleted
from tests.harness import Protected
from tests.sqlalchemy.conftest import Reading, Shop
from tests.sqlalchemy.models import Line, Order, Parcel
from tests.sqlalchemy.zoo import Album, Room, Song, keys, marks


def test_merge_never_revives(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        copy = session.get_one(Parcel, 1)
        session.expunge(copy)
        session.execute(delete(Parcel))
        for _ in range(2):
            with pytest.raises(ProtectedError, match="HF201"):
                session.merge(copy)
            kept = session.scalars(select(Parcel).options(include_deleted())).all()
            assert len(kept) == 1
        assert keys(session, Parcel) == []

    reading.run(scenario)


def test_merge_of_what_lives_and_of_what_is_said_to_be_dead(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        copy = session.get_one(Parcel, 1)
        session.expunge(copy)
        copy.carrier = "bike"
        assert session.merge(copy).carrier == "bike"
        session.flush()
        session.execute(delete(Parcel))
        copy.carrier = "van"
        merged = session.merge(copy, options=[include_deleted()])
        session.flush()
        assert (merged.carrier, merged.is_deleted, keys(session, Parcel)) == ("van", True, [])
        new = session.merge(Parcel(id=9, order_id=1))
        session.flush()
        assert keys(session, Parcel) == [new.id]

    reading.run(scenario)


def test_an_instance_can_be_pickled(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        statement = select(Order).options(include_deleted(Line), only_deleted(), selectinload(Order.lines))
        order = session.scalars(statement.where(Order.id == 2)).one()
        session.expunge_all()
        again = pickle.loads(pickle.dumps(order))
        session.add(again)
        session.expire(again, ["lines"])
        assert [line.id for line in again.lines] == [4]

    reading.run(scenario)


def test_a_stale_delete_of_a_versioned_row(shop: Shop) -> None:
    def scenario(session: Session) -> None:
        album = session.get_one(Album, 1)
        session.commit()
        with shop.session() as other:
            other.get_one(Album, 1).title = "other"
            other.commit()
        session.delete(album)
        with pytest.raises(StaleDataError):
            session.flush()
        session.rollback()
        assert keys(session, Album) == [1]

    shop.run(scenario, expire_on_commit=False)


def test_two_sessions_delete_one_row(shop: Shop) -> None:
    """The second finds it dead: nothing is left to be done, and the mark is the first one's."""

    def scenario(session: Session) -> None:
        parcel = session.get_one(Parcel, 1)
        session.commit()
        with shop.session() as other:
            other.delete(other.get_one(Parcel, 1))
            other.commit()
            before = marks(other, "parcels")
        session.delete(parcel)
        session.flush()
        assert marks(session, "parcels") == before

    shop.run(scenario, expire_on_commit=False)


def test_a_listener_may_use_a_session_within_a_flush(shop: Shop) -> None:
    seen: list[Any] = []

    def scenario(session: Session) -> None:
        def listener(session: Session, *_: Any) -> None:
            with HoldfastSession(session.connection()) as other:
                seen.append(keys(other, Line))
                seen.append(other.execute(delete(Room)).rowcount)
                other.flush()

        sa.event.listen(session, "before_flush", listener)
        sa.event.listen(session, "after_flush", listener)
        session.delete(session.get_one(Line, 1))
        session.flush()
        assert seen == [[1, 2], 1, [2], 0]

    shop.run(scenario)


def test_an_engine_must_be_bound(sqlite_database: str) -> None:
    engine = sa.create_engine(sqlite_database)
    with HoldfastSession(engine) as session, pytest.raises(UnsupportedError, match="HF416"):
        session.execute(sa.text("select 1"))
    engine.dispose()


def test_each_delete_is_in_the_journal(sync_shop: Shop) -> None:
    def scenario(session: Session) -> None:
        session.delete(session.get_one(Order, 1))
        session.execute(delete(Song).where(Song.id == 1))
        session.commit()

    protected = Protected(sync_shop.engine().url.render_as_string(hide_password=False))
    before = len(protected.log())
    sync_shop.run(scenario)
    found = [(str(each.table).rpartition(".")[2], each.key) for each in protected.log()[before:]]
    assert {each for each in found if each[0] != "order_tags"} == {
        ("orders", 1),
        ("lines", 1),
        ("lines", 2),
        ("parcels", 1),
        ("songs", 1),
    }
    assert len(found) == 6
