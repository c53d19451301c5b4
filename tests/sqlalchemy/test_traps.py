"""Deletes and reads through the ORM that lose rows, or show dead ones, where nothing stands behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from holdfast.errors import ForeignKeyError, NotNullError, ProtectedError, UniqueError
from holdfast.sqlalchemy import explained, include_deleted, only_deleted, restore
from tests.sqlalchemy.conftest import Shop
from tests.sqlalchemy.models import Customer, Line, Order, Parcel
from tests.sqlalchemy.zoo import Account, Album, Song

Delete = Callable[[Session], None]


def by_session_delete(session: Session) -> None:
    session.delete(session.get_one(Order, 1))
    session.flush()


def by_bulk_delete(session: Session) -> None:
    # The parcel's key has no action, so a living one would be in the way.
    session.execute(delete(Parcel).where(Parcel.order_id == 1))
    assert session.execute(delete(Order).where(Order.id == 1)).rowcount == 1  # type: ignore[attr-defined]


def by_core(session: Session) -> None:
    connection = session.connection()
    connection.execute(delete(Parcel.__table__).where(Parcel.order_id == 1))
    assert connection.execute(delete(Order.__table__).where(Order.id == 1)).rowcount == 1


def by_raw_sql(session: Session) -> None:
    session.execute(sa.text("delete from parcels where order_id = 1"))
    session.execute(sa.text("delete from orders where id = 1"))


every_delete = pytest.mark.parametrize("path", [by_session_delete, by_bulk_delete, by_core, by_raw_sql])


def marks(session: Session, entity: type[Line] | type[Order]) -> dict[int, Any]:
    rows = session.execute(select(entity.id, entity.deleted_at).options(include_deleted(entity)))
    return {row[0]: row[1] for row in rows}


@every_delete
def test_no_row_is_lost_and_the_dead_keep_the_mark_of_their_own_delete(sync_shop: Shop, path: Delete) -> None:
    def scenario(session: Session) -> None:
        before, orders_before = marks(session, Line), marks(session, Order)
        path(session)
        after, orders = marks(session, Line), marks(session, Order)
        assert after.keys() == {1, 2, 3, 4}
        assert after[1] == after[2] == orders[1] is not None
        assert (after[3], after[4]) == (before[3], before[4]) != (None, None)
        assert (orders[2], orders[3]) == (orders_before[2], orders_before[3])
        assert session.scalars(select(Line)).all() == []

    sync_shop.run(scenario)


@every_delete
def test_who_reads_what_changed_since_the_last_time_hears_of_a_delete(sync_shop: Shop, path: Delete) -> None:
    def scenario(session: Session) -> None:
        last, version = session.execute(select(Order.updated_at, Order.version).where(Order.id == 1)).one()
        path(session)
        changed = select(Order.id, Order.is_deleted, Order.version).where(Order.updated_at > last, Order.id == 1)
        assert session.execute(changed.options(include_deleted())).all() == [(1, True, version + 1)]

    sync_shop.run(scenario)


def test_every_word_of_a_query_leaves_the_dead_out(shop: Shop) -> None:
    """``first`` and ``limit``, counting what is limited, ``get``, lazy and eager loads, joins."""

    def scenario(session: Session) -> None:
        orders = session.query(Order)
        assert [order.id for order in orders.all()] == [1]
        assert orders.order_by(Order.id.desc()).first().id == 1  # type: ignore[union-attr]
        assert orders.filter(Order.note == "dead").first() is None
        assert [order.id for order in orders.order_by(Order.id.desc()).limit(2)] == [1]
        assert (orders.count(), orders.limit(5).count(), orders.limit(1).offset(1).count()) == (1, 1, 0)
        assert session.get(Order, 2) is None
        assert session.query(Order).filter_by(id=2).one_or_none() is None
        assert [order.id for order in session.get_one(Customer, 1).orders] == [1]
        for load in (selectinload, joinedload):
            session.expire_all()
            customers = session.scalars(select(Customer).options(load(Customer.orders)).order_by(Customer.id)).unique()
            assert [[order.id for order in customer.orders] for customer in customers] == [[1], []]
        assert session.execute(select(Customer.id, Order.id).join(Customer.orders)).all() == [(1, 1)]

    shop.run(scenario)


def test_bulk_writes_leave_the_dead_alone(shop: Shop) -> None:
    def scenario(session: Session) -> None:
        assert session.execute(update(Line).values(sku="new")).rowcount == 2  # type: ignore[attr-defined]
        assert session.query(Line).filter(Line.quantity == 1).update({"sku": "newer"}) == 2
        rows = session.execute(select(Line.sku).options(include_deleted()).order_by(Line.id)).scalars()
        assert list(rows) == ["newer", "newer", "dead", "dead"]
        before = marks(session, Line)
        assert session.query(Line).delete() == 2
        after = marks(session, Line)
        assert [after[key] == before[key] for key in (1, 2, 3, 4)] == [False, False, True, True]

    shop.run(scenario)


def test_a_statement_that_sees_the_dead_still_does_not_delete_for_good(sync_shop: Shop) -> None:
    def scenario(session: Session) -> None:
        before = marks(session, Line)
        dead = session.execute(delete(Line).options(only_deleted()))
        assert dead.rowcount == 0  # type: ignore[attr-defined]
        every = session.execute(delete(Line).options(include_deleted()))
        assert every.rowcount == 2  # type: ignore[attr-defined]
        after = marks(session, Line)
        assert after.keys() == before.keys()
        assert (after[3], after[4]) == (before[3], before[4])

    sync_shop.run(scenario)


def test_what_a_deleted_row_held_is_free_and_a_restore_says_who_has_it(sync_shop: Shop) -> None:
    def scenario(session: Session) -> None:
        old = Account(email="a@x")
        session.add(old)
        session.flush()
        key = old.id
        session.delete(old)
        session.flush()
        session.add(Account(email="a@x"))
        session.commit()
        with pytest.raises(UniqueError) as caught, explained(session):
            restore(session, Account, key)
        session.rollback()
        assert caught.value.constraint in ("accounts_email_live", None)
        assert session.query(Account).count() == 1

    sync_shop.run(scenario)


def test_is_deleted_means_the_same_in_python_and_in_sql(sync_shop: Shop) -> None:
    def scenario(session: Session) -> None:
        every = select(Order).options(include_deleted()).order_by(Order.id)
        assert [order.is_deleted for order in session.scalars(every)] == [False, True, True]
        assert [order.id for order in session.scalars(every.where(Order.is_deleted))] == [2, 3]
        assert [order.id for order in session.scalars(every.where(~Order.is_deleted))] == [1]

    sync_shop.run(scenario)


def test_children_that_are_left_to_the_database_are_no_orphans(shop: Shop) -> None:
    """``passive_deletes``: the ORM loads none of them, and on SQLite nothing happens without the pragma."""

    def scenario(session: Session) -> None:
        session.delete(session.get_one(Album, 1))
        session.flush()
        songs = session.scalars(select(Song).options(include_deleted()).order_by(Song.id)).all()
        assert [song.is_deleted for song in songs] == [True] * 4
        assert songs[0].deleted_at == songs[1].deleted_at != songs[2].deleted_at
        restore(session, Album, 1)
        assert [song.id for song in session.scalars(select(Song).order_by(Song.id))] == [1, 2]

    shop.run(scenario)


def test_a_child_taken_out_of_its_collection_is_marked_or_refused(sync_shop: Shop) -> None:
    """With ``delete-orphan`` it is marked; without, its key would be empty: nothing is written, and it says why."""

    def scenario(session: Session) -> None:
        order, album = session.get_one(Order, 1), session.get_one(Album, 1)
        order.lines.clear()
        session.commit()
        assert session.query(Line).count() == 0
        assert marks(session, Line).keys() == {1, 2, 3, 4}
        album.songs.clear()
        with pytest.raises(NotNullError) as caught, explained(session):
            session.flush()
        session.rollback()
        assert caught.value.columns == ("album_id",)
        assert session.query(Song).count() == 2

    sync_shop.run(scenario)


def test_a_row_without_its_parent_is_refused_on_every_connection(shop: Shop) -> None:
    def scenario(session: Session) -> None:
        with pytest.raises(ForeignKeyError), explained(session):
            session.execute(sa.text("insert into lines (id, order_id, sku, quantity) values (99, 999, 'x', 1)"))
        session.rollback()
        session.add(Line(id=99, order_id=2, sku="under a dead order"))
        with pytest.raises(ProtectedError), explained(session):
            session.flush()

    shop.run(scenario)
