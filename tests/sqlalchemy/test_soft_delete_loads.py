"""What is loaded beside, and what a session has already: dead rows are not among it, unless asked for."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.orm import (
    Session,
    aliased,
    contains_eager,
    joinedload,
    lazyload,
    selectinload,
    subqueryload,
    with_expression,
    with_polymorphic,
)

from holdfast.sqlalchemy import include_deleted, only_deleted
from tests.sqlalchemy.conftest import Reading
from tests.sqlalchemy.models import Boss, Clerk, Customer, Line, Node, Order, Person
from tests.sqlalchemy.zoo import Album, Review, Song

LOADERS = {"selectin": selectinload, "joined": joinedload, "subquery": subqueryload, "lazy": lazyload}
LOADING = pytest.mark.parametrize("how", LOADERS)


@LOADING
def test_loads_of_a_collection(reading: Reading, how: str) -> None:
    def scenario(session: Session) -> None:
        statement = select(Customer).options(LOADERS[how](Customer.orders).options(LOADERS[how](Order.lines)))
        customers = session.scalars(statement.order_by(Customer.id)).unique().all()
        assert [customer.id for customer in customers] == [1, 2], "a parent without living children is still there"
        assert [[order.id for order in customer.orders] for customer in customers] == [[1], []]
        assert [line.id for line in customers[0].orders[0].lines] == [1, 2]

    reading.run(scenario)


@LOADING
def test_loads_of_a_dead_parent_give_none(reading: Reading, how: str) -> None:
    def scenario(session: Session) -> None:
        statement = select(Review).options(LOADERS[how](Review.customer)).order_by(Review.id)
        assert [review.customer and review.customer.id for review in session.scalars(statement)] == [1, None]

    reading.run(scenario)


@LOADING
def test_loads_of_many_to_many(reading: Reading, how: str) -> None:
    def scenario(session: Session) -> None:
        order = session.scalars(select(Order).options(LOADERS[how](Order.tags))).unique().one()
        assert [tag.id for tag in order.tags] == [1]

    reading.run(scenario)


@LOADING
def test_an_opt_out_does_not_leak_into_eager_loads(reading: Reading, how: str) -> None:
    def scenario(session: Session) -> None:
        statement = select(Order).options(include_deleted(), LOADERS[how](Order.lines)).order_by(Order.id)
        orders = session.scalars(statement).unique().all()
        assert [(order.id, [line.id for line in order.lines]) for order in orders] == [(1, [1, 2]), (2, []), (3, [])]

    reading.run(scenario)


@LOADING
def test_an_opt_out_of_what_is_loaded_does_not_leak_into_the_statement(reading: Reading, how: str) -> None:
    def scenario(session: Session) -> None:
        statement = select(Order).options(include_deleted(Line), LOADERS[how](Order.lines))
        assert [(order.id, [line.id for line in order.lines]) for order in session.scalars(statement).unique()] == [
            (1, [1, 2, 3])
        ]

    reading.run(scenario)


@LOADING
def test_only_deleted_with_what_was_deleted_along(reading: Reading, how: str) -> None:
    def scenario(session: Session) -> None:
        statement = select(Order).options(only_deleted(), include_deleted(Line), LOADERS[how](Order.lines))
        found = [(order.id, [line.id for line in order.lines]) for order in session.scalars(statement).unique()]
        assert sorted(found) == [(2, [4]), (3, [])]
        session.expunge_all()
        statement = select(Order).options(include_deleted(), only_deleted(Line), LOADERS[how](Order.lines))
        found = [(order.id, [line.id for line in order.lines]) for order in session.scalars(statement).unique()]
        assert sorted(found) == [(1, [3]), (2, [4]), (3, [])]

    reading.run(scenario)


@pytest.mark.parametrize("how", ["selectin", "subquery", "lazy"])
def test_an_opt_out_of_a_self_reference(reading: Reading, how: str) -> None:
    def scenario(session: Session) -> None:
        statement = select(Node).options(include_deleted(), LOADERS[how](Node.children)).order_by(Node.id)
        nodes = session.scalars(statement).all()
        assert [(node.id, [child.id for child in node.children]) for node in nodes] == [(1, [2]), (2, []), (3, [])]

    reading.run(scenario)


def test_contains_eager(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        statement = select(Order).join(Order.lines).options(contains_eager(Order.lines))
        [order] = session.scalars(statement).unique()
        assert [line.id for line in order.lines] == [1, 2]

    reading.run(scenario)


def test_get(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        assert session.get(Order, 1) is not None
        assert session.get(Order, 2) is None
        assert session.get(Person, 2) is None
        dead = session.get(Order, 2, options=[include_deleted()])
        assert dead is not None
        assert dead.is_deleted
        assert session.get(Order, 2) is None, "although the identity map has it"
        assert session.get(Order, 1, options=[only_deleted()]) is None
        assert session.get(Order, 2, options=[include_deleted(Line)]) is None
        with pytest.raises(sa.exc.NoResultFound):
            session.get_one(Order, 2)
        assert session.get_one(Order, 2, options=[only_deleted()]) is dead

    reading.run(scenario)


def test_an_identity_map_that_has_dead_rows_does_not_give_them(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        everything = session.scalars(select(Order).options(include_deleted())).all()
        assert len(everything) == 3
        assert [order.id for order in session.scalars(select(Order))] == [1]
        [ada, bo] = session.scalars(select(Customer).order_by(Customer.id)).all()
        assert ([order.id for order in ada.orders], bo.orders) == ([1], [])

    reading.run(scenario)


def test_refresh_and_expire(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        for key in (1, 2):
            order = session.get_one(Order, key, options=[include_deleted()])
            session.refresh(order)
            assert order.is_deleted is (key == 2)
            session.refresh(order, ["lines", "note"])
            assert [line.id for line in order.lines] == ([1, 2] if key == 1 else [])
            session.expire(order)
            assert order.id == key

    reading.run(scenario)


def test_populate_existing(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        order = session.get_one(Order, 1)
        order.note = "mine"
        with session.no_autoflush:
            statement = select(Order).execution_options(populate_existing=True)
            assert session.scalars(statement).all() == [order]
        assert order.note == "live"

    reading.run(scenario)


def test_streams(reading: Reading) -> None:
    statement = select(Person.id).order_by(Person.id)

    def scenario(session: Session) -> None:
        for options in ({"yield_per": 1}, {"stream_results": True, "max_row_buffer": 1}):
            assert list(session.scalars(statement.execution_options(**options))) == [1, 4, 5]
        selecting = select(Order).options(selectinload(Order.lines)).execution_options(yield_per=1)
        assert [len(order.lines) for order in session.scalars(selecting)] == [2]

    reading.run(scenario)


@pytest.mark.parametrize("reading", ["asyncpg", "aiosqlite"], indirect=True)
def test_awaited_streams(reading: Reading) -> None:
    statement = select(Person.id).order_by(Person.id)

    async def scenario(session: Any) -> None:
        assert [key async for key in await session.stream_scalars(statement)] == [1, 4, 5]
        everything = await session.stream_scalars(statement.options(include_deleted()))
        assert await everything.all() == [1, 2, 3, 4, 5]

    reading.arun(scenario)


@pytest.mark.parametrize("reading", ["asyncpg", "aiosqlite"], indirect=True)
def test_awaited_reads(reading: Reading) -> None:
    async def scenario(session: Any) -> None:
        assert await session.get(Order, 2) is None
        order = await session.get_one(Order, 1)
        await session.refresh(order, ["lines"])
        assert [line.id for line in order.lines] == [1, 2]
        assert (await session.scalars(select(Order.id))).all() == [1]
        assert await session.scalar(select(func.count()).select_from(Order)) == 1

    reading.arun(scenario)


def test_write_only_and_dynamic_relationships(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        album = session.get_one(Album, 1)
        assert sorted(song.id for song in session.scalars(album.written.select())) == [1, 2]
        assert sorted(song.id for song in album.dynamic) == [1, 2]
        assert album.dynamic.filter(Song.title == "dead").count() == 0
        assert session.scalars(album.written.select().options(only_deleted())).one().id == 3

    reading.run(scenario)


def test_association_proxy(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        assert sorted(session.get_one(Album, 1).titles) == ["a", "b"]
        assert session.scalars(select(Album.id).where(Album.titles.contains("dead"))).all() == []
        assert session.scalars(select(Album.id).where(Album.titles.contains("a"))).all() == [1]

    reading.run(scenario)


SONGS = select(func.count(Song.id)).where(Song.album_id == Album.id).correlate_except(Song).scalar_subquery()
SIZES = {
    "nothing": ((), 2),
    "what the expression reads": ((include_deleted(Song),), 3),
    "only the dead of it": ((only_deleted(Song),), 1),
    "what the statement returns": ((include_deleted(),), 2),
}


@pytest.mark.parametrize("named", SIZES)
def test_with_expression(reading: Reading, named: str) -> None:
    """SQLAlchemy makes an expression of Core out of what it is given, which its criteria do not reach."""
    options, size = SIZES[named]

    def scenario(session: Session) -> None:
        entity = aliased(Album)
        of_alias = select(func.count(Song.id) + 10).where(Song.album_id == entity.id).scalar_subquery()
        statements = (
            (select(Album).options(with_expression(Album.size, SONGS)), size),
            (select(Album).options(with_expression(Album.size, SONGS * 10 + SONGS)), size * 11),
            (select(entity).options(with_expression(entity.size, of_alias)), size + 10),
            # One that says it already.
            (select(Album).options(with_expression(Album.size, SONGS.where(Song.id == 3))), int(size in (1, 3))),
        )
        for statement, expected in statements:
            for _ in range(2):
                found = session.scalars(statement.options(*options).execution_options(populate_existing=True))
                assert next(album.size for album in found if album.id == 1) == expected
            assert statement.compare(statement._clone()), "the statement that was given is as it was"

    reading.run(scenario)


@LOADING
def test_with_expression_of_what_is_loaded_beside(reading: Reading, how: str) -> None:
    def scenario(session: Session) -> None:
        statement = select(Song).options(LOADERS[how](Song.album).with_expression(Album.size, SONGS))
        for options, size in ((), 2), ((include_deleted(Song),), 3):
            found = session.scalars(statement.options(*options).execution_options(populate_existing=True)).unique()
            assert {song.album.size for song in found if song.album_id == 1} == {size}
            session.expunge_all()

    reading.run(scenario)


def test_recursive_cte(reading: Reading) -> None:
    tree = select(Node).where(Node.parent_id.is_(None)).cte(recursive=True)
    tree = tree.union_all(select(Node).join(tree, Node.parent_id == tree.c.id))

    def scenario(session: Session) -> None:
        assert sorted(session.scalars(select(tree.c.id))) == [1, 2]
        assert sorted(node.id for node in session.scalars(select(aliased(Node, tree)))) == [1, 2]
        assert sorted(session.scalars(select(tree.c.id).options(include_deleted(Node)))) == [1, 2, 3]

    reading.run(scenario)


def test_polymorphic_loads(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        people = session.scalars(select(Person).order_by(Person.id)).all()
        assert [type(person) for person in people] == [Clerk, Person, Boss]
        everyone = with_polymorphic(Person, [Clerk, Boss])
        statement = select(everyone).where(sa.or_(everyone.Clerk.till > 0, everyone.Boss.car.is_not(None)))
        assert sorted(person.id for person in session.scalars(statement)) == [1, 5]
        assert sorted(person.id for person in session.scalars(statement.options(only_deleted()))) == [2, 3]

    reading.run(scenario)


def test_legacy_query(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        query = session.query(Order)
        assert (query.count(), query.one().id, query.filter(Order.note == "dead").first()) == (1, 1, None)
        assert query.order_by(Order.id).limit(5).count() == 1, "options and limits in any order"
        assert session.query(query.exists()).scalar() is True
        assert query.options(include_deleted()).count() == 3

    reading.run(scenario)


def test_hybrid_in_python() -> None:
    assert not Order().is_deleted
    assert Order(deleted_at=sa.func.now()).is_deleted
