"""Every way to delete and to write: what is deleted is marked, is counted as deleted, and stays dead."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from sqlalchemy.orm.exc import StaleDataError

import holdfast.sqlalchemy
from holdfast.errors import DeclarationError, ProtectedError, UnsupportedError
from holdfast.sqlalchemy import Session as HoldfastSession
from holdfast.sqlalchemy import SoftDeletable, include_deleted, only_deleted
from holdfast.sqlalchemy.marks import live_link
from tests.harness import Protected
from tests.sqlalchemy.conftest import Reading, Shop
from tests.sqlalchemy.models import Clerk, Customer, Line, Node, Order, Parcel, Person, Tag, order_tags
from tests.sqlalchemy.zoo import Account, Album, Genre, Room, Song
from tests.sqlalchemy.zoo import Shop as ShopModel

SYNCHRONIZE = pytest.mark.parametrize("how", ["auto", "evaluate", "fetch", False])


def keys(session: Session, entity: Any, *options: Any) -> list[int]:
    return sorted(session.scalars(select(entity.id).options(*options)))


def marks(session: Session, table: str) -> dict[int, Any]:
    """Each row's mark, as the database has it."""
    return {key: at for key, at in session.execute(sa.text(f"select id, deleted_at from {table}"))}


# ------------------------------------------------------------------ session.delete


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
        assert session.scalar(sa.text("select count(*) from clerks")) == 2, "the part of the row that is elsewhere stays"

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
    """``passive_deletes=True`` (songs, written) leaves what is not loaded to the database; "all" (dynamic) everything."""

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


# ------------------------------------------------------------------ bulk


@SYNCHRONIZE
def test_bulk_delete_is_soft(reading: Reading, how: Any) -> None:
    def scenario(session: Session) -> None:
        lines = session.scalars(select(Line)).all()
        statement = delete(Line).where(Line.sku == "a").execution_options(synchronize_session=how)
        assert [session.execute(statement).rowcount for _ in range(2)] == [1, 0]
        assert (keys(session, Line), keys(session, Line, include_deleted())) == ([2], [1, 2, 3, 4])
        assert [sa.inspect(line).deleted for line in lines] == [how is not False, False]

    reading.run(scenario)


def test_bulk_delete_counts_the_living_alone(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        assert session.execute(delete(Line)).rowcount == 2
        assert session.execute(delete(Line)).rowcount == 0

    reading.run(scenario)


def test_bulk_delete_with_returning(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        found = session.execute(delete(Line).where(Line.id > 1).returning(Line.id, Line.sku)).all()
        assert found == [(2, "b")]
        [line] = session.scalars(delete(Line).returning(Line)).all()
        assert line.id == 1

    reading.run(scenario)


def test_bulk_delete_with_subqueries_and_other_tables(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        of_bo = delete(Order).where(Order.customer.has(Customer.name == "Bo"))
        assert session.execute(of_bo.execution_options(synchronize_session="fetch")).rowcount == 0
        dead = exists().where(Line.order_id == Order.id, Line.sku == "dead")
        assert session.execute(delete(Order).where(dead)).rowcount == 0
        assert session.execute(delete(Parcel).where(Parcel.order_id.in_(select(Order.id)))).rowcount == 1
        using = delete(Line).where(Line.order_id == Order.id, Order.note == "live")
        assert session.execute(using.execution_options(synchronize_session="fetch")).rowcount == 2
        assert keys(session, Line) == []

    reading.run(scenario)


def test_bulk_delete_by_keys(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        table = Line.__table__
        by_key = sa.delete(table).where(table.c.id == sa.bindparam("id"))
        result = session.connection().execute(by_key, [{"id": 1}, {"id": 2}, {"id": 3}])
        assert result.rowcount in (2, -1)
        assert keys(session, Line) == []

    reading.run(scenario)


def test_core_delete_is_soft(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        connection = session.connection()
        room, lines = Room.__table__, Line.__table__
        assert connection.execute(delete(room)).rowcount == 1
        assert connection.execute(delete(room)).rowcount == 0
        assert connection.execute(delete(lines).where(lines.c.id == 1).returning(lines.c.sku)).all() == [("a",)]
        assert keys(session, Room, only_deleted()) == [1, 2]

    reading.run(scenario)


def test_a_delete_in_text_is_soft_and_reports_nothing(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        session.execute(sa.text("delete from lines where id = 1"))
        assert (keys(session, Line), keys(session, Line, only_deleted())) == ([2], [1, 3, 4])

    reading.run(scenario)


@SYNCHRONIZE
def test_bulk_update_skips_dead_rows(reading: Reading, how: Any) -> None:
    def scenario(session: Session) -> None:
        statement = update(Line).values(quantity=9).execution_options(synchronize_session=how)
        assert session.execute(statement).rowcount == 2
        assert session.execute(statement.options(only_deleted())).rowcount == 2
        assert session.execute(statement.options(include_deleted())).rowcount == 4

    reading.run(scenario)


def test_bulk_update_from_another_table(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        statement = update(Customer).where(Customer.id == Order.customer_id).values(name="x")
        assert session.execute(statement.execution_options(synchronize_session=False)).rowcount == 1
        assert session.scalars(select(Customer.name).order_by(Customer.id)).all() == ["x", "Bo"]

    reading.run(scenario)


def test_bulk_forms_of_the_session(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        session.bulk_save_objects([Line(id=11, order_id=1, sku="n"), Line(id=12, order_id=1, sku="n")])
        session.bulk_insert_mappings(Line, [{"id": 13, "order_id": 1, "sku": "n"}])  # type: ignore[arg-type]
        session.bulk_update_mappings(Line, [{"id": 13, "sku": "m"}])  # type: ignore[arg-type]
        session.execute(update(Line), [{"id": 11, "sku": "k"}, {"id": 12, "sku": "l"}])
        session.execute(insert(Line), [{"id": 14, "order_id": 1, "sku": "o"}])
        assert session.scalars(select(Line.sku).where(Line.id > 10).order_by(Line.id)).all() == ["k", "l", "m", "o"]

    reading.run(scenario)


def test_a_unique_name_can_be_used_again(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        account = Account(email="ada@example.com")
        session.add(account)
        session.flush()
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.add(Account(email="ada@example.com"))
            session.flush()
        session.delete(account)
        session.flush()
        session.add(Account(email="ada@example.com"))
        session.flush()
        assert (len(keys(session, Account)), len(keys(session, Account, include_deleted()))) == (1, 2)

    reading.run(scenario)


# ------------------------------------------------------------------ many-to-many


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


# ------------------------------------------------------------------ merge, pickle, stale


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
