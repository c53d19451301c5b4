"""A schema for each tenant: what one of them sees, whoever else is at work on the same connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

import holdfast
import holdfast.sqlalchemy
from holdfast.errors import DeclarationError, HeldError, HoldfastError, RequestError, TenantError, UnsupportedError
from holdfast.sqlalchemy import AsyncSession, Session, async_session_scope, session_scope
from holdfast.sqlalchemy.tenancy import SchemaPerTenant, TenantNames, keep_to_one_tenant
from tests.tenancy.conftest import Base, Note

NewEngine = Callable[..., sa.Engine]
HOSTILE = [
    *("", " ", "Acme", "acme'", 'acme"', 'acme", "tenant_beta', "acme; drop schema tenant_beta cascade", "acme--"),
    *(
        "acme\n",
        "acme\0",
        "ácme",
        "аcme",
        "acme.notes",
        "../acme",
        "%s",
        ":acme",
        "{tenant}",
        "1acme",
        "a" * 42,
        "$user",
    ),
    *(None, 0, 1, b"acme", ["acme"], True),
]


@pytest.fixture
def engine(new_engine: NewEngine) -> sa.Engine:
    """One connection for everybody: what stays on it is seen by the next."""
    engine = new_engine(pool_size=1, max_overflow=0)
    holdfast.sqlalchemy.bind(engine)
    SchemaPerTenant(engine, Base)
    return engine


def notes(session: sa.orm.Session) -> list[str]:
    return list(session.scalars(select(Note.text).order_by(Note.id)))


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_what_is_not_a_name_is_refused_before_anything_is_sent(name: object) -> None:
    with pytest.raises(TenantError, match="HF490"):
        TenantNames().identifier(name)


@pytest.mark.parametrize("pattern", [".*", "(?s:.+)"])
def test_no_pattern_of_ones_own_allows_more_than_an_identifier_takes(pattern: str) -> None:
    names = TenantNames(pattern=pattern)
    for name in ("", 'a"b', "a'b", "a;b", "a/b", "a.b", "a b", "Ä", "A", "a" * 57):
        with pytest.raises(TenantError, match="HF490"):
            names.identifier(name)
    assert names.identifier("a" * 56) == "tenant_" + "a" * 56


@pytest.mark.parametrize("name", ["public", "holdfast", "pg_catalog", "information_schema", "tenant_acme"])
def test_the_prefix_keeps_a_tenant_out_of_every_other_schema(name: str) -> None:
    assert TenantNames().identifier(name) == f"tenant_{name}"
    assert TenantNames().tenant(f"tenant_{name}") == name
    for prefix in ("", "pg_", "Tenant", 't"'):
        with pytest.raises(DeclarationError, match="HF490"):
            TenantNames(prefix=prefix)


def test_hostile_names_reach_no_statement(new_engine: NewEngine) -> None:
    engine = new_engine()
    SchemaPerTenant(engine, Base)
    sent: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    for name in (each for each in HOSTILE if isinstance(each, str) and each):
        with holdfast.context(tenant=name), pytest.raises(TenantError, match="HF490"):
            with engine.begin() as connection:
                connection.exec_driver_sql("select 1")
    assert sent == []
    with holdfast.context(tenant="public"), pytest.raises(RequestError, match="HF494"):
        with engine.begin():
            pass


def test_without_a_tenant_a_transaction_does_not_begin(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        with pytest.raises(TenantError, match="HF491"):
            connection.exec_driver_sql("select text from notes")
        # SQLAlchemy does not begin anew on a connection whose transaction could not begin.
        with pytest.raises(sa.exc.ResourceClosedError):
            connection.exec_driver_sql("select text from notes")
    with pytest.raises(TenantError, match="HF491"), session_scope(sessionmaker(engine, class_=Session)) as session:
        session.scalars(select(Note)).all()
    with holdfast.context(tenant="acme"):
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            with pytest.raises(UnsupportedError, match="HF413"):
                connection.exec_driver_sql("select text from notes")
        with engine.connect() as connection, pytest.raises(HoldfastError, match=r"HF413|HF491"):
            connection.begin_twophase()


def test_nothing_is_sent_where_another_listener_kept_the_transaction_from_its_tenant(new_engine: NewEngine) -> None:
    engine = new_engine()

    @sa.event.listens_for(engine, "begin")
    def fails(_connection: sa.Connection) -> None:
        raise ZeroDivisionError

    SchemaPerTenant(engine, Base)
    with holdfast.context(tenant="acme"), engine.connect() as connection:
        with pytest.raises(ZeroDivisionError):
            connection.exec_driver_sql("select text from notes")
        with pytest.raises(TenantError, match="HF491"):
            connection.exec_driver_sql("select text from notes")


def test_each_sees_its_own_on_one_connection(engine: sa.Engine) -> None:
    sessions = sessionmaker(engine, class_=Session)
    pids = set()
    for tenant in ("acme", "beta", "acme"):
        with holdfast.context(tenant=tenant, actor="ada"), session_scope(sessions) as session:
            assert notes(session)[0] == f"of {tenant}"
            session.add(Note(text="flushed"))
            session.flush()
            assert session.scalar(text("select text from notes where id = 1")) == f"of {tenant}"
            pids.add(session.scalar(text("select pg_backend_pid()")))
    assert len(pids) == 1
    with holdfast.context(tenant="beta"), session_scope(sessions) as session:
        assert notes(session) == ["of beta", "flushed"]
        journal = session.execute(text("select tenant, schema_name from holdfast.timeline where actor = 'ada'")).all()
        assert set(journal) == {("acme", "tenant_acme"), ("beta", "tenant_beta")}


def test_a_rollback_a_savepoint_and_a_session_setting_leave_nothing_behind(engine: sa.Engine) -> None:
    with holdfast.context(tenant="acme"), engine.connect() as connection:
        connection.exec_driver_sql("select 1")
        connection.rollback()
        with connection.begin():
            savepoint = connection.begin_nested()
            connection.exec_driver_sql("set local search_path to tenant_beta")
            savepoint.rollback()
            assert connection.exec_driver_sql("select text from notes").scalars().all() == ["of acme"]
        connection.exec_driver_sql("set search_path to tenant_beta")
        connection.exec_driver_sql("create temporary table notes (text text)")
        connection.commit()
    with holdfast.context(tenant="acme"), engine.connect() as connection:
        assert connection.exec_driver_sql("select text from notes").scalars().all() == ["of acme"]


def test_a_session_and_a_transaction_keep_to_their_tenant(engine: sa.Engine) -> None:
    with Session(engine) as session:
        with holdfast.context(tenant="acme"):
            first = session.get_one(Note, 1)
        with holdfast.context(tenant="beta"), pytest.raises(TenantError, match="HF203"):
            session.scalar(text("select 1"))
        with holdfast.context(tenant="beta"):
            first.text = "written for the wrong one"
            with pytest.raises(TenantError, match="HF203"):
                session.flush()
            session.rollback()
            with pytest.raises(TenantError, match="HF203"):
                session.get(Note, 1)
    plain = sessionmaker(engine)
    keep_to_one_tenant(plain)
    with plain() as session:
        for tenant, refused in (("acme", False), ("beta", True)):
            with holdfast.context(tenant=tenant):
                if refused:
                    with pytest.raises(TenantError, match="HF203"):
                        session.scalars(select(Note)).all()
                else:
                    session.scalars(select(Note)).all()
                    session.commit()
    with holdfast.context(tenant="acme"):
        with engine.connect() as connection:
            assert connection.scalar(select(Note.text)) == "of acme"


def test_what_goes_on_after_its_context_is_over_stays_with_its_tenant(engine: sa.Engine) -> None:
    """A response that is streamed when the middleware is through."""
    with holdfast.context(tenant="beta"):
        session = Session(engine)
        session.scalar(text("select 1"))
    assert notes(session) == ["of beta"]
    session.commit()
    with pytest.raises(TenantError, match="HF491"):
        notes(session)
    session.close()


def test_threads_at_one_time_see_their_own(new_engine: NewEngine) -> None:
    engine = new_engine(pool_size=2, max_overflow=0)
    tenants = SchemaPerTenant(engine, Base)
    assert tenants.list() == ["acme", "beta"]
    seen: dict[str, set[str]] = {"acme": set(), "beta": set()}
    together = threading.Barrier(4)

    def work(tenant: str) -> None:
        together.wait()
        for _ in range(25):
            with holdfast.context(tenant=tenant), engine.begin() as connection:
                seen[tenant].update(connection.scalars(select(Note.text)))

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in ("acme", "beta") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"acme": {"of acme"}, "beta": {"of beta"}}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
def test_tasks_at_one_time_see_their_own_whoever_is_cancelled(schemas_url: str, driver: str) -> None:
    async def main() -> None:
        url = sa.make_url(schemas_url).set(drivername=f"postgresql+{driver}")
        engine: AsyncEngine = create_async_engine(url, pool_size=2, max_overflow=0)
        holdfast.sqlalchemy.bind(engine)
        SchemaPerTenant(engine, Base)
        sessions = async_sessionmaker(engine, class_=AsyncSession)

        async def read(tenant: str, *, lasting: bool) -> list[str]:
            with holdfast.context(tenant=tenant):
                async with async_session_scope(sessions) as session:
                    found = list(await session.scalars(select(Note.text)))
                    if lasting:
                        await session.execute(text("select pg_sleep(30)"))
                    return found

        lasting = [asyncio.create_task(read("beta", lasting=True)) for _ in range(6)]
        await asyncio.sleep(0)
        for number in range(20):
            if number % 3 == 0 and lasting:
                lasting.pop().cancel()
            waiting = [asyncio.create_task(read(tenant, lasting=False)) for tenant in ("acme", "beta")]
            if number >= 18:
                assert await asyncio.gather(*waiting) == [["of acme"], ["of beta"]]
            else:
                waiting.pop().cancel()
                if not lasting:
                    assert await waiting[0] == ["of acme"]
                else:
                    waiting[0].cancel()
        await engine.dispose()

    asyncio.run(main())


def test_behind_a_pooler_with_one_connection_for_all(pooled_url: str) -> None:
    engines = [sa.create_engine(pooled_url, connect_args={"prepare_threshold": None}) for _ in range(2)]
    seen: set[tuple[str, str]] = set()
    pids: set[int] = set()
    read = text("select pg_backend_pid(), text from notes")
    try:
        for engine in engines:
            holdfast.sqlalchemy.bind(engine)
            SchemaPerTenant(engine, Base)
        for number in range(40):
            tenant = ("acme", "beta")[number % 2]
            with holdfast.context(tenant=tenant), engines[number // 2 % 2].connect() as connection:
                pid, found = connection.execute(read).one()
                pids.add(pid)
                seen.add((tenant, found))
                if number % 3 == 0:
                    # What somebody leaves behind on the connection that all have.
                    connection.exec_driver_sql("set search_path to tenant_beta")
                    connection.commit()
        assert seen == {("acme", "of acme"), ("beta", "of beta")}
        seen.clear()
        asyncio.run(_read_pooled(pooled_url, seen, pids))
        assert seen == {("acme", "of acme"), ("beta", "of beta")}
        assert len(pids) == 1
    finally:
        for engine in engines:
            engine.dispose()


async def _read_pooled(url: str, seen: set[tuple[str, str]], pids: set[int]) -> None:
    options = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    pooled = sa.make_url(url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(pooled, connect_args=options)
    holdfast.sqlalchemy.bind(engine)
    SchemaPerTenant(engine, Base)

    async def read(tenant: str) -> None:
        with holdfast.context(tenant=tenant):
            async with engine.begin() as connection:
                pid, found = (await connection.execute(text("select pg_backend_pid(), text from notes"))).one()
                pids.add(pid)
                seen.add((tenant, found))

    tasks = [asyncio.create_task(read(tenant)) for tenant in ("acme", "beta") * 20]
    for task in tasks[::7]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results), results
    await engine.dispose()


def test_a_new_tenant_is_whole_or_not_there(new_engine: NewEngine) -> None:
    engine = new_engine()
    tenants = SchemaPerTenant(engine, Base)

    def failing(connection: sa.Connection) -> None:
        Base.metadata.create_all(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        SchemaPerTenant(new_engine(), build=failing).create("gamma")
    assert tenants.list() == ["acme", "beta"]
    tenants.create("gamma")
    with pytest.raises(RequestError, match="HF494"):
        tenants.create("gamma")
    with tenants.connection("gamma") as connection:
        assert connection.scalar(select(sa.func.count()).select_from(Note)) == 0
        states = holdfast.sqlalchemy.status(connection, Base)
        assert states
        assert {each.state for each in states} == {"current"}
        connection.execute(sa.insert(Note).values(text="recorded"))
        connection.commit()
    tenants.drop("gamma")
    assert tenants.list() == ["acme", "beta"]
    with pytest.raises(RequestError, match="HF494"):
        tenants.drop("gamma")
    with tenants.connection("acme") as connection:
        # What it did is still known, and nothing of it is left to keep up.
        journal = connection.exec_driver_sql(
            "select operation from holdfast.timeline where schema_name = 'tenant_gamma'"
        )
        assert journal.scalars().all() == ["insert"]
        assert {each.state for each in holdfast.sqlalchemy.status(connection, Base)} == {"current"}


def test_a_row_under_legal_hold_keeps_its_schema(new_engine: NewEngine, schemas_url: str) -> None:
    from holdfast.database import Database
    from holdfast.holds import hold

    hold(Database(schemas_url), "tenant_acme.notes", 1, reason="a claim")
    tenants = SchemaPerTenant(new_engine(), Base)
    with pytest.raises(HeldError, match="HF421"):
        tenants.drop("acme")
    assert tenants.list() == ["acme", "beta"]


def test_the_application_writes_rows_and_makes_nothing(new_engine: NewEngine, schemas_url: str) -> None:
    role = sa.make_url(schemas_url).database
    engine = new_engine()
    with engine.begin() as connection:
        connection.exec_driver_sql(f'create role "{role}" login')
    try:
        own = sa.create_engine(sa.make_url(schemas_url).set(username=role), pool_size=1)
        tenants = SchemaPerTenant(own, Base, owner=schemas_url, application=role)
        tenants.create("gamma")
        with holdfast.context(tenant="gamma"):
            with own.begin() as connection:
                connection.execute(sa.insert(Note).values(text="mine"))
            with own.begin() as connection, pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
                connection.exec_driver_sql("create table more (id integer)")
        own.dispose()
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f'drop owned by "{role}"')
            connection.exec_driver_sql(f'drop role "{role}"')


def test_a_database_without_schemas_says_so(sqlite_database: str) -> None:
    with pytest.raises(UnsupportedError, match="HF499"):
        SchemaPerTenant(sa.create_engine(sqlite_database), Base)
