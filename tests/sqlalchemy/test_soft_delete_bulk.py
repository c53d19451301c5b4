"""Bulk deletes and updates, by the ORM, by Core and by text: of rows that live, and counted as such."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.orm import Session

from holdfast.sqlalchemy import include_deleted, only_deleted
from tests.sqlalchemy.conftest import Reading
from tests.sqlalchemy.models import Customer, Line, Order, Parcel
from tests.sqlalchemy.zoo import Account, Room, keys

SYNCHRONIZE = pytest.mark.parametrize("how", ["auto", "evaluate", "fetch", False])


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
        with session.begin_nested() as savepoint:
            session.add(Account(email="ada@example.com"))
            with pytest.raises(sa.exc.IntegrityError):
                session.flush()
            savepoint.rollback()
        session.delete(account)
        session.flush()
        session.add(Account(email="ada@example.com"))
        session.flush()
        assert (len(keys(session, Account)), len(keys(session, Account, include_deleted()))) == (1, 2)

    reading.run(scenario)
