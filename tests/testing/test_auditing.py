"""assert_audited finds what was recorded, and says what was recorded instead; it never passes for nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session as PlainSession

import holdfast
from holdfast.errors import HoldfastError
from holdfast.sqlalchemy import Session
from holdfast.testing import about, acting_as, assert_audited, assert_not_audited, memory_sqlite, rolled_back_session
from tests.testing.shop import Line, Order, State, Token, make


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[PlainSession]:
    with rolled_back_session(engine, Session) as session:
        yield session


DUE = datetime(2026, 1, 31, 12, 30, 15, 250000, tzinfo=UTC)


def test_values_are_those_of_python(session: PlainSession) -> None:
    order = Order(id=2, status="new", total=Decimal("9.50"), state=State.PAID, due=DUE)
    with acting_as("ada", tenant="north", reason="ticket 7"):
        session.add(order)
        session.commit()
    order.total, order.state, order.due = Decimal("10"), State.SENT, None
    session.commit()
    inserted = {"status": "new", "total": Decimal("9.5"), "state": State.PAID, "due": DUE, "id": 2}
    change = assert_audited(
        session, Order, 2, operation="insert", actor="ada", tenant="north", reason="ticket 7", changes=inserted
    )
    assert (change.table, change.key, change.operation) == ("orders", 2, "insert")
    assert_audited(session, "orders", changes={"total": (Decimal("9.50"), 10), "state": (State.PAID, State.SENT)})
    assert_audited(session, Order.__table__, operation="update", actor=None, changes={"due": (about(DUE), None)})
    for wrong in (
        {"total": Decimal("10.01")},
        {"state": (State.SENT, State.PAID)},
        {"due": DUE + timedelta(microseconds=1)},
        {"status": "new", "note": 1},
    ):
        assert_not_audited(session, order, changes=wrong)


def test_the_failure_says_what_was_recorded_instead(session: PlainSession) -> None:
    order = session.get_one(Order, 1)
    with acting_as("bo"):
        order.status = "void"
    with pytest.raises(AssertionError) as caught:
        assert_audited(session, order, operation="update", actor="ada", changes={"status": "sent"})
    assert str(caught.value) == (
        "The journal has no update with actor 'ada' with status: 'sent' of orders 1.\n"
        "Recorded, newest first:\n"
        "  update orders 1 by nobody named; status: 'paid' → 'void'"
    )
    with pytest.raises(AssertionError, match=r"The journal has a change of orders 1\.\nRecorded, newest first:\n  upd"):
        assert_not_audited(session, order)
    with pytest.raises(AssertionError, match=r"no insert of lines\.\nNothing was recorded of it\."):
        assert_audited(session, Line, operation="insert")


def test_what_was_there_before_the_session_began_does_not_count(session: PlainSession) -> None:
    """The shop's first order was recorded when the shop was made."""
    assert_not_audited(session, Order, 1)
    with pytest.raises(AssertionError, match="Nothing was recorded"):
        assert_audited(session, Order, 1, operation="insert")


def test_elsewhere_all_that_the_journal_has_counts(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert assert_audited(connection, Order, 1, operation="insert").actor is None
        assert_not_audited(connection, Order, 1, operation="update")


def test_a_delete_is_described_by_what_was_there(session: PlainSession) -> None:
    session.add(Order(id=2, lines=[Line(number=1, sku="a"), Line(number=2, sku="b")]))
    session.flush()
    session.execute(sa.delete(Line).where(Line.sku == "a"))
    assert_audited(session, Line, (2, 1), operation="delete", changes={"sku": "a"})
    assert_audited(session, Line, [2, 2], operation="insert", changes={"sku": "b"})
    assert_not_audited(session, Line, (2, 2), operation="delete")
    with pytest.raises(AssertionError, match=r"The key of lines is order_id, number; given was 2\."):
        assert_audited(session, Line, 2)


def test_a_key_that_drivers_spell_in_their_own_way(session: PlainSession) -> None:
    one, other = Token(id=uuid.uuid4()), Token(id=uuid.uuid4())
    session.add_all([one, other])
    session.flush()
    one.note = "mine"
    assert_audited(session, one, operation="update", changes={"note": "mine"})
    assert_audited(session, Token, other.id, operation="insert")
    assert_not_audited(session, other, operation="update")
    assert_not_audited(session, Token, uuid.uuid4())


def test_of_a_table_that_is_not_audited_nothing_is_asserted(session: PlainSession) -> None:
    for assertion in (assert_audited, assert_not_audited):
        with pytest.raises(AssertionError, match="visits is not audited here, so nothing of it is ever recorded"):
            assertion(session, "visits")
        with pytest.raises(HoldfastError, match="Did you mean 'orders'"):
            assertion(session, "order")


def test_a_database_without_a_journal() -> None:
    with memory_sqlite() as engine, engine.begin() as connection:
        connection.exec_driver_sql("create table orders (id integer primary key)")
        with pytest.raises(AssertionError, match="orders is not audited"):
            assert_not_audited(connection, "orders")
        with rolled_back_session(connection, PlainSession) as session:
            session.execute(sa.text("insert into orders values (1)"))
            session.commit()


def test_times_are_the_databases_and_compared_with_a_tolerance(session: PlainSession) -> None:
    began = datetime.now(UTC)
    order = Order(id=2)
    session.add(order)
    session.commit()
    session.refresh(order)
    assert order.created_at == about(began)
    assert order.created_at != about(began - timedelta(hours=1))
    assert order.created_at != about(began, within=timedelta(0))
    assert assert_audited(session, order).at == about(began)
    assert about(began) != "no moment"


def test_undo_works_on_what_memory_sqlite_gives() -> None:
    with memory_sqlite() as engine:
        make(engine)
        with holdfast.context(actor="ada"), PlainSession(engine) as session:
            session.execute(sa.text("update orders set status = 'lost'"))
            session.commit()
        with engine.connect() as connection:
            change = assert_audited(connection, Order, 1, operation="update", actor="ada")
        holdfast.undo(holdfast.Database(engine.url), change.transaction)
        with PlainSession(engine) as session:
            assert session.get_one(Order, 1).status == "paid"
