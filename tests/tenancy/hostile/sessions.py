"""Rows 41 to 48: sessions of the ORM, and what is beside the request."""

# ruff: noqa: E501 (the rows are read as the lines of a table)

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.exc import DBAPIError

import holdfast
import holdfast.sqlalchemy as hs
from holdfast.errors import HoldfastError, TenantError
from tests.tenancy.hostile.models import Base, Customer, Order
from tests.tenancy.hostile.sides import Row, Sides

orders = Base.metadata.tables["orders"]


def _identity_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk, orm.Session(desk.connection) as session:
        desk.app(1)
        mine = session.get(Order, 10)
        desk.do(sides.plain.tell.format(tenant=2))
        assert session.get(Order, 10) is mine
        assert mine is not None
        assert mine.tenant_id == 1


def _identity_holds(sides: Sides) -> None:
    with hs.Session(sides.held.application(), expire_on_commit=False) as session:
        with holdfast.context(tenant=1):
            order = session.get_one(Order, 10)
            session.commit()
        with holdfast.context(tenant=2):
            for use in (lambda: session.get(Order, 10), lambda: session.refresh(order)):
                with pytest.raises(TenantError):
                    use()
                session.rollback()


# Seven of which SQLAlchemy's own filter knows nothing.
BESIDE: dict[str, Callable[[Any], Any]] = {
    "core": lambda s: s.scalars(sa.select(orders.c.tenant_id)).all(),
    "text": lambda s: s.scalars(sa.text("select tenant_id from orders")).all(),
    "from text": lambda s: [
        each.tenant_id for each in s.scalars(sa.select(Order).from_statement(sa.text("select * from orders")))
    ],
    "connection": lambda s: s.connection().scalars(sa.select(orders.c.tenant_id)).all(),
    "core update": lambda s: s.scalars(sa.update(orders).values(status="z").returning(orders.c.tenant_id)).all(),
}
WRITES: dict[str, Callable[[Any], Any]] = {
    "bulk by key": lambda s: s.execute(sa.update(Order), [{"id": 20, "status": "z"}]),
    "add": lambda s: (s.add(Order(id=31, tenant_id=2, status="z")), s.flush()),
}


def _beside_shows(sides: Sides) -> None:
    """The filter of the ORM alone, as peers have it."""
    with sides.plain.desk() as desk, orm.Session(desk.connection) as session:

        @sa.event.listens_for(session, "do_orm_execute")
        def only_mine(state: orm.ORMExecuteState) -> None:
            state.statement = state.statement.options(orm.with_loader_criteria(Order, Order.tenant_id == 1))

        assert {each.tenant_id for each in session.scalars(sa.select(Order))} == {1}
        for name, read in BESIDE.items():
            assert set(read(session)) == {1, 2}, name
        for write in WRITES.values():
            write(session)
        assert desk.rows("select id from orders where tenant_id = 2 and status = 'z'") == [(20,), (31,)]


def _beside_holds(sides: Sides) -> None:
    engine = sides.held.application()
    for name, read in BESIDE.items():
        with holdfast.context(tenant=1), hs.Session(engine) as session:
            assert set(read(session)) == {1}, name
    for write in WRITES.values():
        with holdfast.context(tenant=1), hs.Session(engine) as session:
            with pytest.raises((HoldfastError, DBAPIError, orm.exc.StaleDataError)):
                write(session)
    with sides.held.desk() as desk:
        assert desk.rows("select id from orders where tenant_id = 2 and status <> 'z'") == [(20,)]


def _in_a_thread(work: Callable[[], Any]) -> Any:
    """What comes of a job that is put into a queue."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def _job_shows(sides: Sides) -> None:
    """A worker connects as its owner does: it has no tenant, and nobody misses it."""
    engine = sides.plain.engine(sides.plain.owner)

    def job() -> set[int]:
        with orm.Session(engine) as session:
            return set(session.scalars(sa.select(Order.tenant_id)))

    assert _in_a_thread(job) == {1, 2}


def _job_holds(sides: Sides) -> None:
    engine = sides.held.application()

    def job() -> Any:
        with hs.Session(engine) as session:
            return session.scalars(sa.select(Order.tenant_id)).all()

    with holdfast.context(tenant=1):
        assert isinstance(_in_a_thread(job), TenantError)
        tenant = holdfast.current()["tenant"]

    def carried() -> Any:
        with holdfast.context(tenant=tenant):
            return job()

    assert set(_in_a_thread(carried)) == {1}


def _stream_shows(sides: Sides) -> None:
    """The middleware resets the variable that says who is asked for; the response is read after it."""
    tenant: ContextVar[int | None] = ContextVar("tenant", default=None)

    def rows(session: orm.Session) -> Iterator[int]:
        for _ in session.scalars(sa.select(Customer).order_by(Customer.id)):
            own = sa.select(Order.tenant_id)
            yield from session.scalars(own if tenant.get() is None else own.where(Order.tenant_id == tenant.get()))

    with sides.plain.desk() as desk, orm.Session(desk.connection) as session:
        token = tenant.set(1)
        response = rows(session)
        tenant.reset(token)
        assert set(response) == {1, 2}


def _stream_holds(sides: Sides) -> None:
    with hs.Session(sides.held.application()) as session:
        with holdfast.context(tenant=1):
            response = session.execute(
                sa.text("select tenant_id from orders order by id").execution_options(yield_per=1)
            )
            first = response.fetchone()
        rest = [row[0] for row in response]
        assert first is not None
        assert {first[0], *rest} == {1}
        # The transaction keeps its tenant, and the ORM says that the context is gone.
        assert set(session.scalars(sa.text("select tenant_id from orders"))) == {1}
        with pytest.raises(TenantError):
            session.scalars(sa.select(Order)).all()


def _cancelled_shows(sides: Sides) -> None:
    """What is left where a task is cancelled before it tidies up."""
    engine = sides.plain.engine(sides.plain.app)
    with contextlib.suppress(KeyboardInterrupt), engine.connect() as connection:
        connection.exec_driver_sql(sides.plain.tell.format(tenant=2).replace("true", "false"))
        connection.commit()
        raise KeyboardInterrupt
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select distinct tenant_id from orders").scalar() == 2


def _cancelled_holds(sides: Sides) -> None:
    engine = sides.held.application()
    with holdfast.context(tenant=2), contextlib.suppress(KeyboardInterrupt), engine.connect() as connection:
        assert connection.exec_driver_sql("select distinct tenant_id from orders").scalar() == 2
        raise KeyboardInterrupt
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select distinct tenant_id from orders").scalar() is None


ROWS = (
    Row(41, "The session has the former tenant's objects in hand", "A session is of one tenant (HF203)", _identity_shows, _identity_holds, ("tests/sqlalchemy/test_tenants.py::test_a_session_is_of_one_tenant",)),
    Row(42, "Seven kinds of statement pass by the ORM's filter", "Row security is under every one; the filter covers Core as well; a flush is checked", _beside_shows, _beside_holds, ("tests/sqlalchemy/test_tenants.py::test_no_read_leaves_the_tenant", "tests/sqlalchemy/test_tenants.py::test_no_write_reaches_another_tenant")),
    Row(43, "A background job has no tenant", "It is refused (HF203) until the job brings its tenant along", _job_shows, _job_holds),
    Row(46, "A cancelled task leaves its tenant on the connection", "The context is bound when a transaction begins and ends with it", _cancelled_shows, _cancelled_holds, ("tests/sqlalchemy/test_tenants.py::test_tasks_and_a_cancelled_one_never_mix", "tests/tenancy/test_pgbouncer.py::test_tasks_and_statements_that_are_cancelled_leave_nothing")),
    Row(48, "A response is streamed after the tenant was reset", "The transaction keeps its tenant to its end; the ORM refuses what comes after the context (HF203)", _stream_shows, _stream_holds),
)  # fmt: skip
