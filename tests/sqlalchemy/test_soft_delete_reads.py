"""Every way to read: rows that are marked are not found, unless they are asked for. One test for each case."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exists, func, literal, select
from sqlalchemy.orm import (
    Session,
    aliased,
    with_loader_criteria,
    with_polymorphic,
)

from holdfast.errors import DeclarationError
from holdfast.sqlalchemy import Session as HoldfastSession
from holdfast.sqlalchemy import include_deleted, only_deleted
from tests.sqlalchemy.conftest import Reading
from tests.sqlalchemy.models import Boss, Clerk, Customer, Line, Node, Order, Person, Tag, order_tags
from tests.sqlalchemy.zoo import Album, Review, Room, Shop

OTHER = aliased(Order)


def lives(*conditions: Any) -> sa.ScalarSelect[Any]:
    return select(func.count(Order.id)).where(*conditions).scalar_subquery()


ORDERS, LINES = Order.__table__, Line.__table__
LATEST = select(ORDERS.c.customer_id).cte("latest")

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
    "left_join_to_a_table_of_core": (
        select(Customer.id, ORDERS.c.id).outerjoin(ORDERS, ORDERS.c.customer_id == Customer.id).order_by(Customer.id),
        [(1, 1), (2, None)],
    ),
    "left_join_to_a_table_of_core_by_keys": (
        select(Customer.id, ORDERS.c.id).outerjoin(ORDERS).order_by(Customer.id),
        [(1, 1), (2, None)],
    ),
    "left_join_to_a_join_of_core": (
        select(Customer.id, ORDERS.c.id)
        .outerjoin(ORDERS.join(LINES, LINES.c.order_id == ORDERS.c.id), ORDERS.c.customer_id == Customer.id)
        .order_by(Customer.id),
        [(1, 1), (1, 1), (2, None)],
    ),
    "cte_of_core_beside_an_entity": (select(Customer.id).join(LATEST, LATEST.c.customer_id == Customer.id), [1]),
    "full_join": (
        select(Review.id, Customer.id).join(Review.customer, full=True).order_by(func.coalesce(Review.id, 9)),
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


@pytest.mark.parametrize("reading", ["psycopg", "pysqlite"], indirect=True)
def test_a_statement_is_used_by_many_threads(reading: Reading) -> None:
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
