"""Every way to read: rows that are marked are not found, unless they are asked for. One test for each case."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exists, func, literal, select
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload, lazyload, selectinload, subqueryload
from sqlalchemy.orm import with_expression, with_loader_criteria, with_polymorphic

from holdfast.errors import DeclarationError
from holdfast.sqlalchemy import Session as HoldfastSession
from holdfast.sqlalchemy import include_deleted, only_deleted
from tests.sqlalchemy.conftest import Reading
from tests.sqlalchemy.models import Boss, Clerk, Customer, Line, Node, Order, Person, Tag, order_tags
from tests.sqlalchemy.zoo import Album, Review, Room, Shop, Song

OTHER = aliased(Order)


def lives(*conditions: Any) -> sa.ScalarSelect[Any]:
    return select(func.count(Order.id)).where(*conditions).scalar_subquery()


# Each statement, and the rows that it gives.
STATEMENTS: dict[str, tuple[Any, list[Any]]] = {
    "plain": (select(Order.id), [1]),
    "column_only": (select(Order.note), ["live"]),
    "count": (select(func.count()).select_from(Order), [1]),
    "count_of_column": (select(func.count(Order.id)), [1]),
    "count_where_only": (select(func.count("*")).where(Order.id > 0), [1]),
    "count_of_subquery": (select(func.count()).select_from(select(Order).subquery()), [1]),
    "union": (sa.union(select(Order.id), select(Order.id).where(Order.id > 1)), [1]),
    "union_all": (sa.union_all(select(Order.id), select(Order.id)), [1, 1]),
    "entities_of_union": (
        select(aliased(Order, sa.union_all(select(Order), select(Order)).subquery()).id),
        [1, 1],
    ),
    "group_by": (select(Order.customer_id).group_by(Order.customer_id).having(func.count() > 0), [1]),
    "distinct": (select(Order.customer_id).distinct(), [1]),
    "limit": (select(Order.id).order_by(Order.id.desc()).limit(1), [1]),
    "offset": (select(Order.id).order_by(Order.id).offset(1).limit(5), []),
    "window": (select(func.row_number().over(order_by=Order.id)), [1]),
    "aliased_entity": (select(OTHER), [1]),
    "aliased_column": (select(OTHER.id), [1]),
    "two_aliases": (select(OTHER.id).join(Order, Order.customer_id == OTHER.customer_id), [1]),
    "inner_join": (select(Customer.id).join(Customer.orders), [1]),
    "inner_join_to_dead": (select(Review.id).join(Review.customer), [1]),
    "join_by_condition": (select(Customer.id).join(Order, Order.customer_id == Customer.id), [1]),
    "join_to_alias": (select(Customer.id).join(Customer.orders.of_type(OTHER)), [1]),
    "implicit_join": (select(Review.id).where(Review.customer_id == Customer.id), [1]),
    "left_join_keeps_childless_parent": (
        select(Customer.id, Order.id).outerjoin(Customer.orders).order_by(Customer.id),
        [(1, 1), (2, None)],
    ),
    "left_join_to_dead_parent_keeps_child": (
        select(Review.id, Customer.id).outerjoin(Review.customer).order_by(Review.id),
        [(1, 1), (2, None)],
    ),
    "full_join": (
        select(Review.id, Customer.id)
        .join(Review.customer, full=True)
        .order_by(func.coalesce(Review.id, 9)),
        [(1, 1), (2, None), (None, 2)],
    ),
    "many_to_many_join": (select(Tag.id).select_from(Order).join(Order.tags), [1]),
    "cte": (select(select(Order.id).cte().c.id), [1]),
    "cte_of_entity": (select(aliased(Order, select(Order).cte()).id), [1]),
    "scalar_subquery": (select(lives()), [1]),
    "correlated_subquery": (
        select(Customer.id, lives(Order.customer_id == Customer.id)).order_by(Customer.id),
        [(1, 1), (2, 0)],
    ),
    "subquery_of_an_implicit_join": (
        select(Review.text).where(
            Review.id == select(Review.id).where(Review.customer_id == Customer.id).scalar_subquery()
        ),
        ["good"],
    ),
    "in_subquery": (select(Customer.id).where(Customer.id.in_(select(Order.customer_id))), [1]),
    "not_in_subquery": (select(Customer.id).where(Customer.id.not_in(select(Order.customer_id))), [2]),
    "bare_exists": (select(Customer.id).where(exists().where(Order.customer_id == Customer.id)), [1]),
    "bare_exists_of_alias": (select(Customer.id).where(exists().where(OTHER.customer_id == Customer.id)), [1]),
    "not_exists": (select(Customer.id).where(~exists().where(Order.customer_id == Customer.id)), [2]),
    "exists_of_select": (
        select(Customer.id).where(select(Order.id).where(Order.customer_id == Customer.id).exists()),
        [1],
    ),
    "exists_of_literal": (
        select(Customer.id).where(select(literal(1)).where(Order.customer_id == Customer.id).exists()),
        [1],
    ),
    "exists_in_exists": (
        select(Customer.id).where(
            exists().where(
                Order.customer_id == Customer.id,
                exists().where(Line.order_id == Order.id, Line.sku == "dead"),
            )
        ),
        [],
    ),
    "exists_of_a_link": (
        select(Tag.id).where(exists().where(order_tags.c.tag_id == Tag.id, order_tags.c.order_id == Order.id)),
        [1],
    ),
    "exists_in_columns": (
        select(Customer.id, exists().where(Order.customer_id == Customer.id)).order_by(Customer.id),
        [(1, True), (2, False)],
    ),
    "has": (select(Review.id).where(Review.customer.has()), [1]),
    "has_not": (select(Review.id).where(~Review.customer.has()), [2]),
    "has_with_condition": (select(Review.id).where(Review.customer.has(Customer.id > 0)), [1]),
    "any": (select(Customer.id).where(Customer.orders.any()), [1]),
    "any_with_condition": (select(Customer.id).where(Customer.orders.any(Order.note == "dead")), []),
    "any_of_many_to_many": (select(Order.id).where(Order.tags.any(Tag.id == 2)), []),
    "any_of_itself": (select(Node.id).where(Node.children.any(Node.name == "dead")), []),
    "any_in_any": (select(Customer.id).where(Customer.orders.any(Order.lines.any(Line.sku == "dead"))), []),
    "single_inheritance": (select(Boss.id), [5]),
    "joined_inheritance": (select(Clerk.id), [1]),
    "polymorphic": (select(Person.id).order_by(Person.id), [1, 4, 5]),
    "with_polymorphic": (select(with_polymorphic(Person, "*").id).order_by(sa.text("1")), [1, 4, 5]),
    "hybrid_in_sql": (select(Order.id, Order.is_deleted), [(1, False)]),
    "hybrid_negated": (select(Order.id).where(~Order.is_deleted), [1]),
    "column_property": (select(Album.song_count), [2]),
    "lateral": (
        select(func.count()).select_from(Customer).join(select(Order).subquery(), sa.true()),
        [2],
    ),
    "lambda": (sa.lambda_stmt(lambda: select(Order.id).where(Order.id > 0)), [1]),
    "lambda_with_exists": (
        sa.lambda_stmt(lambda: select(Customer.id).where(exists().where(Order.customer_id == Customer.id))),
        [1],
    ),
    "columns_of_its_own": (select(Room.id), [1]),
    "own_criteria": (select(Order.id).options(with_loader_criteria(Order, Order.id > 0)), [1]),
    "own_criteria_and_exists": (
        select(Customer.id)
        .where(exists().where(Order.customer_id == Customer.id))
        .options(with_loader_criteria(Customer, Customer.id > 0)),
        [1],
    ),
    "from_statement": (select(Order.id).from_statement(select(Order.id)), [1]),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement(reading: Reading, name: str) -> None:
    statement, expected = STATEMENTS[name]

    def scenario(session: Session) -> list[Any]:
        rows = session.execute(statement).all()
        return [tuple(row) if len(row) > 1 else getattr(row[0], "id", row[0]) for row in rows]

    before = str(statement)
    assert reading.run(scenario) == expected
    assert reading.run(scenario) == expected, "the second time, from the caches"
    assert str(statement) == before, "a statement that is used again is not changed"


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


def test_options_give_all_rows_or_the_dead_ones(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        def ids(statement: Any) -> list[int]:
            return sorted(session.scalars(statement))

        assert ids(select(Order.id).options(include_deleted())) == [1, 2, 3]
        assert ids(select(Order.id).options(only_deleted())) == [2, 3]
        assert ids(select(OTHER.id).options(only_deleted())) == [2, 3]
        assert ids(select(Order.id).options(only_deleted(Order))) == [2, 3]
        assert ids(select(Person.id).options(only_deleted())) == [2, 3]
        assert ids(select(Clerk.id).options(include_deleted())) == [1, 2]
        assert ids(select(Person.id).options(include_deleted(Person))) == [1, 2, 3, 4, 5]
        assert ids(select(Room.id).options(only_deleted())) == [2]
        assert session.scalar(select(func.count()).select_from(Order).options(include_deleted())) == 3
        assert session.scalar(select(func.count()).select_from(Order).options(only_deleted())) == 2
        union = sa.union(select(Order.id), select(Order.id))
        assert ids(union.options(include_deleted(Order))) == [1, 2, 3]
        assert ids(union.options(only_deleted(Order))) == [2, 3]
        by_customer = select(Customer.id, Order.id).outerjoin(Customer.orders).order_by(Customer.id, Order.id)
        assert session.execute(by_customer.options(include_deleted(Order))).all() == [(1, 1), (1, 2), (2, 3)]
        having = select(Customer.id).where(Customer.orders.any(Order.note == "dead")).order_by(Customer.id)
        assert ids(having.options(include_deleted(Order))) == [1, 2]
        having = select(Customer.id).where(exists().where(Order.customer_id == Customer.id, Order.note == "dead"))
        assert ids(having.options(include_deleted(Order))) == [1, 2]
        assert ids(having.options(include_deleted())) == []

    reading.run(scenario)


def test_an_option_names_a_class_whose_rows_are_marked() -> None:
    for entity in (Tag, Review, order_tags):
        with pytest.raises(DeclarationError, match="HF114"):
            include_deleted(entity)  # type: ignore[arg-type]


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

    async def streaming(session: Any) -> None:
        assert [key async for key in await session.stream_scalars(statement)] == [1, 4, 5]
        everything = await session.stream_scalars(statement.options(include_deleted()))
        assert await everything.all() == [1, 2, 3, 4, 5]

    reading.run(scenario)
    if reading.is_async:
        reading.arun(streaming)


def test_awaited_reads(reading: Reading) -> None:
    async def scenario(session: Any) -> None:
        assert await session.get(Order, 2) is None
        order = await session.get_one(Order, 1)
        await session.refresh(order, ["lines"])
        assert [line.id for line in order.lines] == [1, 2]
        assert (await session.scalars(select(Order.id))).all() == [1]
        assert await session.scalar(select(func.count()).select_from(Order)) == 1

    if reading.is_async:
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


def test_with_expression(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        # SQLAlchemy makes an expression of Core of it, so it says by itself what it means.
        count = select(func.count(Song.id)).where(Song.album_id == Album.id, ~Song.is_deleted).scalar_subquery()
        [album] = session.scalars(select(Album).options(with_expression(Album.size, count)))
        assert (album.size, album.song_count) == (2, 2)

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


def test_core_text_and_friends_read_the_live_view(reading: Reading) -> None:
    """Core, ``text()`` and ``from_statement(text())`` are sent as they are: what they read must be the view."""
    view = sa.table("rooms_live", sa.column("id"), sa.column("name"))

    def scenario(session: Session) -> None:
        connection = session.connection()
        assert connection.execute(select(view.c.id)).all() == [(1,)]
        assert connection.execute(sa.text("select id from rooms_live")).all() == [(1,)]
        assert session.execute(sa.text("select id from rooms_live")).all() == [(1,)]
        assert session.scalars(select(Room).from_statement(sa.text("select * from rooms_live"))).one().id == 1
        session.execute(sa.insert(Shop.__table__).from_select(["id", "name"], select(view.c.id, view.c.name)))
        assert session.scalars(select(Shop.name)).all() == ["hall"]
        assert connection.scalar(select(func.count()).select_from(Room.__table__)) == 2, "the table itself has all"

    reading.run(scenario)


def test_insert_from_select_of_entities(reading: Reading) -> None:
    def scenario(session: Session) -> None:
        for insert in (sa.insert(Shop), sa.insert(Shop.__table__)):
            session.execute(insert.from_select(["id", "name"], select(Room.id, Room.name)))
            assert session.scalars(select(Shop.name)).all() == ["hall"]
            session.execute(sa.delete(Shop))
        note = func.coalesce(Order.note, Customer.name)
        joined = select(Customer.id, note).outerjoin(Customer.orders)
        session.execute(sa.insert(Shop).from_select(["id", "name"], joined))
        assert sorted(session.scalars(select(Shop.name))) == ["Bo", "live"]

    reading.run(scenario)


def test_a_statement_is_used_by_many_threads(reading: Reading) -> None:
    if reading.is_async:
        pytest.skip("threads are for synchronous drivers")
    statement = select(Customer.id).where(exists().where(Order.customer_id == Customer.id))
    found: list[list[int]] = []

    def read(option: Any) -> None:
        with HoldfastSession(reading.engine) as session:
            for _ in range(5):
                found.append(sorted(session.scalars(statement.options(*option))))

    threads = [threading.Thread(target=read, args=([[include_deleted(Order)], []][number % 2],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [[1]] * 10 + [[1, 2]] * 10
