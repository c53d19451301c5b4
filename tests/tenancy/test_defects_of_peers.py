"""What other libraries for tenants were seen to do, asked of us: each on one connection that is used again and again.

Three of their defects are asked elsewhere: a schema's name that carries SQL in test_schema_per_tenant.py, PgBouncer in
test_pgbouncer.py, a setting of the session that goes on in the pool in the hostile list.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.exc import DBAPIError

import holdfast
import holdfast.sqlalchemy as hs
from holdfast.errors import DeclarationError, HoldfastError, TenantError
from tests.duties import server_of, versions
from tests.servers import Servers
from tests.tenancy.hostile.models import Base, Customer, Order
from tests.tenancy.hostile.sides import Sides, sides

orders = Base.metadata.tables["orders"]
SEEN = sa.text("select distinct tenant_id from orders order by 1")


@pytest.fixture(scope="module", params=versions())
def both(servers: Servers, request: pytest.FixtureRequest) -> Iterator[Sides]:
    with sides(server_of(servers, request.param)) as each:
        yield each


@pytest.fixture
def engine(both: Sides) -> Iterator[sa.Engine]:
    engine = both.held.application()
    yield engine
    engine.dispose()


def test_no_tenant_is_no_rows_and_an_empty_list_is_no_tenant(engine: sa.Engine) -> None:
    with hs.Session(engine) as session:
        assert session.scalars(SEEN).all() == []
        with pytest.raises(TenantError):
            session.scalars(sa.select(Order)).all()
    empty: Any = []
    with pytest.raises(DeclarationError, match="HF120"), holdfast.context(tenant=empty):
        pass


def test_saving_anothers_object_does_not_switch_to_its_tenant(engine: sa.Engine) -> None:
    with holdfast.context(tenant=1), hs.Session(engine) as session:
        session.add(Order(id=70, tenant_id=2, status="x"))
        with pytest.raises(TenantError):
            session.flush()
        session.rollback()
        assert holdfast.current()["tenant"] == "1"
        assert session.scalars(SEEN).all() == [1]


BULK: dict[str, Callable[[hs.Session], Any]] = {
    "bulk_insert": lambda s: hs.bulk_insert(s, Order, [{"id": 70, "tenant_id": 2, "status": "x"}]),
    "bulk_save_objects": lambda s: s.bulk_save_objects([Order(id=70, tenant_id=2, status="x")]),
    "bulk_insert_mappings": lambda s: s.bulk_insert_mappings(
        orm.class_mapper(Order), [{"id": 70, "tenant_id": 2, "status": "x"}]
    ),
    "insert many": lambda s: s.execute(sa.insert(Order), [{"id": 70, "tenant_id": 2, "status": "x"}]),
    "core": lambda s: s.connection().execute(sa.insert(orders), [{"id": 70, "tenant_id": 2, "status": "x"}]),
}


@pytest.mark.parametrize("write", BULK)
def test_no_bulk_write_goes_to_another_tenant(engine: sa.Engine, write: str) -> None:
    with holdfast.context(tenant=1), hs.Session(engine) as session:
        with pytest.raises((HoldfastError, DBAPIError)):
            BULK[write](session)


def test_a_plain_session_of_sqlalchemy_goes_no_further(engine: sa.Engine) -> None:
    """What the base manager is to Django: the way around the filter. Row security is under it."""
    with holdfast.context(tenant=1), orm.Session(engine) as session:
        assert {each.tenant_id for each in session.scalars(sa.select(Order))} == {1}
        assert session.get(Order, 20) is None
        assert session.execute(sa.update(Order).values(status="x").where(Order.tenant_id == 2)).rowcount == 0
    with orm.Session(engine) as session:
        assert session.scalars(sa.select(Order)).all() == []


def test_a_statement_is_of_the_tenant_that_it_is_run_for(engine: sa.Engine) -> None:
    """And not of the one for which it was built, nor of the one for which it was compiled."""
    with holdfast.context(tenant=2):
        built = sa.select(Order.tenant_id).where(Order.status == "new").distinct()
    for tenant in (1, 2, 1):
        with holdfast.context(tenant=tenant), hs.Session(engine) as session:
            assert session.scalars(built).all() == [tenant]


def test_a_query_that_waits_is_not_evaluated_for_another(engine: sa.Engine) -> None:
    with hs.Session(engine) as session:
        with holdfast.context(tenant=2):
            waiting = session.query(Order)
            session.get(Order, 20)
        with holdfast.context(tenant=1), pytest.raises(TenantError):
            waiting.all()


def test_two_requests_that_overlap_keep_their_tenants(both: Sides) -> None:
    """Deterministic: the second block begins within the first, and ends after it."""
    engine = both.held.application(max_overflow=1)
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()
    seen: dict[int, list[Any]] = {}

    def look() -> list[Any]:
        with hs.Session(engine) as session:
            return [*session.scalars(sa.select(Order.tenant_id).distinct()), *session.scalars(SEEN)]

    def first() -> None:
        with holdfast.context(tenant=1):
            first_in.set()
            second_in.wait(20)
            seen[1] = look()
        first_out.set()

    def second() -> None:
        first_in.wait(20)
        with holdfast.context(tenant=2):
            second_in.set()
            first_out.wait(20)
            seen[2] = look()
        with hs.Session(engine) as session:
            seen[0] = list(session.scalars(SEEN))

    threads = [threading.Thread(target=each) for each in (first, second)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    engine.dispose()
    assert seen == {1: [1, 1], 2: [2, 2], 0: []}


def test_a_session_without_a_tenant_has_not_the_former_one(engine: sa.Engine) -> None:
    for make in (hs.Session, orm.Session):
        with holdfast.context(tenant=2), make(engine) as session:
            assert session.scalars(SEEN).all() == [2]
            session.commit()
        with make(engine) as session:
            assert session.scalars(SEEN).all() == []


def test_a_session_whose_first_statement_is_a_flush_writes_for_its_own_tenant(engine: sa.Engine) -> None:
    with holdfast.context(tenant=2), hs.Session(engine) as session:
        session.scalars(SEEN).all()
        session.commit()
    with holdfast.context(tenant=1), hs.Session(engine) as session:
        session.add(Customer(id=71, email="flush@x"))
        session.flush()
        assert session.scalar(sa.text("select tenant_id from customers where id = 71")) == 1
    with hs.Session(engine) as session:
        session.add(Customer(id=71, email="flush@x"))
        with pytest.raises(TenantError):
            session.flush()


@pytest.mark.parametrize("name", ["rls.bypass_rls", "rls.is_admin", "holdfast.bypass", "holdfast.across_tenants"])
def test_no_setting_shows_all_rows(engine: sa.Engine, name: str) -> None:
    with holdfast.context(tenant=1), hs.Session(engine) as session:
        session.execute(sa.text(f"select set_config('{name}', 'true', true)"))
        assert session.scalars(SEEN).all() == [1]


@pytest.mark.parametrize("end", ["rollback", "commit", "close"])
def test_after_the_end_of_a_transaction_it_is_the_same_tenant_or_none(engine: sa.Engine, end: str) -> None:
    with hs.Session(engine) as session:
        with holdfast.context(tenant=1):
            assert session.scalars(SEEN).all() == [1]
            getattr(session, end)()
            assert session.scalars(SEEN).all() == [1]
            getattr(session, end)()
        assert session.scalars(SEEN).all() == []
        login, role = session.execute(sa.text("select session_user, current_user")).one()
        assert login == role == engine.url.username


def test_a_tenant_is_its_whole_name(engine: sa.Engine) -> None:
    """No part of it is taken away, and no other spelling is it."""
    for name in ("tenant_1", "1 or true", "1; reset all", "11"):
        with holdfast.context(tenant=name), orm.Session(engine) as session:
            if name.isdigit():
                assert session.scalars(SEEN).all() == []
                continue
            with pytest.raises(DBAPIError) as refused:
                session.scalars(SEEN).all()
            assert refused.value.orig.sqlstate == "22P02"  # type: ignore[union-attr]


def test_a_connection_goes_back_to_the_pool_without_a_transaction(both: Sides, engine: sa.Engine) -> None:
    with holdfast.context(tenant=1), engine.connect() as connection:
        pid = connection.exec_driver_sql("select pg_backend_pid()").scalar()
    with both.held.desk() as desk:
        [(state,)] = desk.rows(f"select state from pg_stat_activity where pid = {pid}")
        assert state == "idle"
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select pg_backend_pid()").scalar() == pid
        connection.rollback()
        assert connection.execute(SEEN).all() == []
