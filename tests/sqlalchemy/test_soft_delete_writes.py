"""Every way to delete and to write: what is deleted is marked, is counted as deleted, and stays dead."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from holdfast.sqlalchemy import include_deleted, only_deleted
from tests.sqlalchemy.conftest import Reading
from tests.sqlalchemy.models import Line, Node, Order, Parcel, Person
from tests.sqlalchemy.zoo import Album, Song, keys, marks


def test_session_delete_is_soft(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        order = session.get_one(Order, 1)
        session.delete(order)
        session.flush()
        assert sa.inspect(order).deleted
        assert (keys(session, Order), keys(session, Order, only_deleted())) == ([], [1, 2, 3])
        assert session.get(Order, 1) is None

    reading.run(scenario)


def test_a_delete_cascades_to_children_with_one_mark(reading: Reading) -> None:
    """Lines follow in the database and in the ORM, parcels in the ORM alone, links by many-to-many."""

    def scenario(session: Session) -> None:
        session.delete(session.get_one(Order, 1))
        session.flush()
        [mark] = {marks(session, "orders")[1]}
        assert mark is not None
        assert {marks(session, "lines")[key] for key in (1, 2)} == {mark}
        assert marks(session, "lines")[3] != mark, "line 3 was dead before"
        assert marks(session, "parcels") == {1: mark}
        links = session.execute(sa.text("select tag_id, deleted_at from order_tags"))
        assert {tag for tag, at in links if at == mark} == {1}

    reading.run(scenario)


def test_two_flushes_are_two_deletes(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        for key in (1, 2):
            session.delete(session.get_one(Line, key))
            session.flush()
        both = marks(session, "lines")
        assert both[1] != both[2]

    reading.run(scenario)


def test_a_delete_of_what_is_dead_changes_nothing(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        before = marks(session, "orders")[2]
        session.delete(session.get_one(Order, 2, options=[include_deleted()]))
        session.flush()
        assert marks(session, "orders")[2] == before

    reading.run(scenario)


def test_inherited_rows(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        for person in session.scalars(select(Person)).all():
            session.delete(person)
        session.flush()
        assert keys(session, Person) == []
        assert session.scalar(sa.text("select count(*) from clerks")) == 2, "a part of the row"

    reading.run(scenario)


def test_a_self_reference(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        session.delete(session.get_one(Node, 1))
        session.flush()
        both = marks(session, "nodes")
        assert both[1] == both[2] != both[3]
        assert keys(session, Node) == []

    reading.run(scenario)


def test_delete_orphan(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        order = session.get_one(Order, 1)
        order.lines.pop(0)
        session.flush()
        assert keys(session, Line) == [2]
        order.lines = []
        session.flush()
        assert (keys(session, Line), keys(session, Line, include_deleted())) == ([], [1, 2, 3, 4])

    reading.run(scenario)


def test_a_child_that_is_moved_in_the_same_flush_lives(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        order, other = session.get_one(Order, 1), Order(id=9, customer_id=1)
        session.add(other)
        line, parcel = order.lines[0], order.parcels[0]
        other.lines.append(line)
        parcel.order = other
        session.delete(order)
        session.flush()
        assert (keys(session, Order), keys(session, Line), keys(session, Parcel)) == ([9], [1], [1])

    reading.run(scenario)


@pytest.mark.parametrize("loaded", [False, True])
def test_passive_deletes(reading: Reading, loaded: bool) -> None:
    """``passive_deletes=True`` leaves what is not loaded to the database, and "all" leaves it everything."""

    def scenario(session: Session) -> None:
        album = session.get_one(Album, 1)
        if loaded:
            assert len(album.songs) == 2
        session.delete(album)
        session.flush()
        mark = marks(session, "albums")[1]
        assert [marks(session, "songs")[key] == mark for key in (1, 2, 3)] == [True, True, False]

    reading.run(scenario)


def test_write_only_and_dynamic_collections(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        album = session.get_one(Album, 1)
        album.written.add(Song(id=7, title="new"))
        session.flush()
        assert sorted(session.scalars(album.written.select().with_only_columns(Song.id))) == [1, 2, 7]
        session.execute(album.written.delete().where(Song.id == 7))
        assert session.execute(album.written.update().values(title="x")).rowcount == 2
        assert sorted(song.id for song in album.dynamic) == [1, 2]

    reading.run(scenario)


def test_a_rollback_revives_the_instance(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        order = session.get_one(Order, 1)
        session.delete(order)
        session.flush()
        session.rollback()
        assert order in session
        assert (session.get(Order, 1), order.is_deleted) == (order, False)
        assert [line.id for line in order.lines] == [1, 2]

    reading.run(scenario)


def test_a_savepoint_rolled_back(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        order = session.get_one(Order, 1)
        with session.begin_nested() as savepoint:
            session.delete(order)
            session.flush()
            assert keys(session, Order) == []
            savepoint.rollback()
        assert (keys(session, Order), order.is_deleted) == ([1], False)
        session.delete(order)
        session.flush()
        assert keys(session, Order) == []

    reading.run(scenario)


def test_a_row_that_died_meanwhile(reading: Reading) -> None:
    """By a bulk delete that does not look into the session: the instance learns of it when it is read again."""

    def scenario(session: Session) -> None:
        album = session.get_one(Album, 1)
        session.execute(delete(Album).where(Album.id == 1).execution_options(synchronize_session=False))
        session.expire(album)
        assert album.is_deleted
        assert session.get(Album, 1) is None
        session.refresh(album)
        assert album.songs == []

    reading.run(scenario)
