"""A database for each tenant: its engine is leased, and together they have no more connections than the ceiling."""

from __future__ import annotations

import asyncio
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

import holdfast
import holdfast.sqlalchemy
from holdfast.errors import DeclarationError, RequestError, RetryableError, TenantError
from holdfast.sqlalchemy import Session, session_scope
from holdfast.sqlalchemy.tenancy import AsyncEngineRegistry, DatabasePerTenant, EngineRegistry, TenantNames
from tests.servers import Server
from tests.tenancy.conftest import Base, Note
from tests.tenancy.own_databases import own_databases

TENANTS = ["acme", "beta", "gamma"]


def build(connection: sa.Connection) -> None:
    Base.metadata.create_all(connection)
    name = str(connection.engine.url.database).removesuffix(".db")
    connection.execute(sa.insert(Note).values(text=f"of {name.rpartition('_')[2]}"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('tenants')}/{{tenant}}.db"
    databases = DatabasePerTenant(url, build=build)
    for tenant in TENANTS:
        databases.create(tenant)
    return url


@pytest.fixture
def server_url(postgresql: Server) -> Iterator[tuple[str, TenantNames]]:
    """A URL of the server's databases of this test alone."""
    with own_databases(postgresql.maintenance_url) as made:
        yield made


def connections(server: Server, names: TenantNames) -> int:
    engine = sa.create_engine(server.url("postgres"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        count = "select count(*) from pg_stat_activity where starts_with(datname, :prefix)"
        found: int = connection.execute(sa.text(count), {"prefix": names.prefix}).scalar_one()
    return found


def read(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(select(Note.text)))


def test_each_tenant_has_its_own_database(postgresql: Server, server_url: tuple[str, TenantNames]) -> None:
    url, names = server_url
    databases = DatabasePerTenant(url, names=names, build=build)
    for tenant in TENANTS:
        databases.create(tenant)
    assert databases.list() == TENANTS
    registry = EngineRegistry(url, max_connections=4, per_tenant=2, names=names, prepare=lambda _: None)
    seen: list[tuple[str, str]] = []
    most: list[int] = []
    together = threading.Barrier(6)

    def work(tenant: str) -> None:
        together.wait()
        for _ in range(5):
            with registry.lease(tenant) as engine:
                seen.append((tenant, read(engine)))
                most.append(len(registry.tenants()))

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in TENANTS * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {(tenant, f"of {tenant}") for tenant in TENANTS}
    assert len(seen) == 30
    assert max(most) == 2
    assert connections(postgresql, names) <= 4
    registry.close()
    assert connections(postgresql, names) == 0
    with pytest.raises(RequestError, match="HF494"):
        databases.create("acme")
    databases.drop("acme")
    with pytest.raises(RequestError, match="HF494"):
        databases.drop("acme")
    assert databases.list() == ["beta", "gamma"]


@pytest.mark.parametrize("kind", ["server", "files"])
def test_a_database_is_whole_or_not_there(kind: str, request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> None:
    url, names = f"sqlite:///{tmp_path}/{{tenant}}.db", TenantNames()
    if kind == "server":
        url, names = request.getfixturevalue("server_url")
    states: list[str] = []

    def failing(connection: sa.Connection) -> None:
        Base.metadata.create_all(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        DatabasePerTenant(url, names=names, build=failing).create("acme")
    databases = DatabasePerTenant(url, Base, names=names)
    assert databases.list() == []
    # What a program leaves behind that is killed while it makes a database.
    databases._kept.create(f"building_{names.identifier('acme')}")
    assert databases.list() == []
    databases.create("acme")
    with databases.connection("acme") as connection:
        states += {each.state for each in holdfast.sqlalchemy.status(connection, Base)}
    assert states == ["current"]
    assert databases.list() == ["acme"]
    databases.drop("acme")
    assert databases.list() == []


def test_a_url_that_all_tenants_would_share_is_refused() -> None:
    for url in ("postgresql://shop@db/shop", "postgresql://{tenant}@db/shop"):
        with pytest.raises(DeclarationError, match="HF490"):
            EngineRegistry(url)
    registry = EngineRegistry("postgresql+psycopg://shop@db/{tenant}?application_name=shop")
    assert registry.urls("acme").database == "tenant_acme"
    for name in ("acme?host=evil", "acme/../beta", "", "acme@evil", None):
        with pytest.raises(TenantError, match="HF49"), registry.lease(name):
            pass


def test_the_one_used_longest_ago_goes_and_none_that_is_in_use(files: str) -> None:
    registry = EngineRegistry(files, max_connections=2, per_tenant=1, timeout=0.05)
    with registry.lease("acme") as acme:
        assert read(acme) == "of acme"
        with registry.lease("beta") as beta, registry.lease("acme"):
            assert read(beta) == "of beta"
            with pytest.raises(RetryableError, match="HF493"), registry.lease("gamma"):
                pass
        # Out of its lease, but somebody has a connection.
        kept = beta.connect()
        with pytest.raises(RetryableError, match="HF493"), registry.lease("gamma"):
            pass
        kept.close()
        with registry.lease("gamma") as gamma:
            assert read(gamma) == "of gamma"
        assert registry.tenants() == ["acme", "gamma"]
        # An engine that was kept for longer than its lease would go past the ceiling.
        with pytest.raises(RetryableError, match="HF493"):
            beta.connect()
    registry.close()


def test_who_waits_is_told_when_there_is_room(files: str) -> None:
    registry = EngineRegistry(files, max_connections=1, per_tenant=1, timeout=60)
    leased, got = threading.Event(), []

    def hold() -> None:
        with registry.lease("acme"):
            leased.set()
            while not registry._leases.waiting:
                threading.Event().wait(0.001)

    holder = threading.Thread(target=hold)
    holder.start()
    leased.wait()
    with registry.lease("beta") as engine:
        got.append(read(engine))
    holder.join()
    assert got == ["of beta"]
    registry.close()


def test_idle_engines_are_reaped(files: str) -> None:
    now = [0.0]
    registry = EngineRegistry(files, max_connections=10, per_tenant=1, idle=300, clock=lambda: now[0])
    for tenant in TENANTS:
        with registry.lease(tenant) as engine:
            read(engine)
        now[0] += 100
    with registry.lease("acme"):
        now[0] += 1000
        assert registry.reap() == 2
        assert registry.tenants() == ["acme"]
    now[0] += 299
    assert registry.reap() == 0
    now[0] += 1
    with registry.lease("beta"):
        assert registry.tenants() == ["beta"]
    registry.close()


def test_the_context_names_the_tenant_and_no_other_is_served(files: str) -> None:
    registry = EngineRegistry(files, max_connections=10, per_tenant=1, prepare=lambda _: None)
    with pytest.raises(TenantError, match="HF491"), registry.lease():
        pass
    with holdfast.context(tenant="acme"):
        with registry.lease() as engine:
            assert read(engine) == "of acme"
            with holdfast.context(tenant="beta"), pytest.raises(TenantError, match="HF203"):
                read(engine)
            assert read(engine) == "of acme"
    session = Session(bind=None)
    with registry.lease("acme") as engine:
        holdfast.sqlalchemy.bind(engine)
        session.bind = engine
        session.scalars(select(Note)).all()
        session.rollback()
    with registry.lease("beta") as engine:
        holdfast.sqlalchemy.bind(engine)
        session.bind = engine
        with pytest.raises(TenantError, match="HF203"):
            session.scalars(select(Note)).all()
    session.close()
    registry.close()


def test_an_engine_is_bound_and_its_sessions_work(files: str) -> None:
    registry = EngineRegistry(files, max_connections=10, per_tenant=1)
    with registry.lease("acme") as engine, session_scope(sessionmaker(engine, class_=Session)) as session:
        assert session.scalar(select(Note.text)) == "of acme"
    registry.close()


@pytest.mark.parametrize("kind", ["asyncpg", "aiosqlite"])
def test_tasks_share_a_registry(kind: str, request: pytest.FixtureRequest) -> None:
    names = TenantNames()
    if kind == "asyncpg":
        server, names = request.getfixturevalue("server_url")
        databases = DatabasePerTenant(server, names=names, build=build)
        for tenant in TENANTS:
            databases.create(tenant)
        url = sa.make_url(server).set(drivername="postgresql+asyncpg")
    else:
        url = sa.make_url(request.getfixturevalue("files")).set(drivername="sqlite+aiosqlite")
    asyncio.run(_share(url, names))


async def _share(url: sa.URL, names: TenantNames) -> None:
    registry = AsyncEngineRegistry(url, max_connections=4, per_tenant=2, names=names, prepare=lambda _: None)
    most: list[int] = []

    async def work(tenant: str) -> str:
        async with registry.lease(tenant) as engine, engine.connect() as connection:
            most.append(len(registry.tenants()))
            return str(await connection.scalar(select(Note.text)))

    tasks = [asyncio.create_task(work(tenant)) for tenant in TENANTS * 10]
    await asyncio.sleep(0)
    for task in tasks[::4]:
        task.cancel()
    found: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
    expected = [f"of {tenant}" for tenant in TENANTS * 10]
    assert all(
        isinstance(each, asyncio.CancelledError) if number % 4 == 0 else each == expected[number]
        for number, each in enumerate(found)
    )
    assert max(most) <= 2
    # No lease was lost with a task that was cancelled.
    assert all(kept.leases == 0 for kept in registry._leases.kept.values())
    async with registry.lease("acme"), registry.lease("beta"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), registry.lease("gamma"):
                pass
    async with registry.lease("gamma"):
        pass
    assert await registry.close() == 2
    assert registry.tenants() == []
