"""Databases with the shop and the zoo installed, and sessions over each driver."""

from __future__ import annotations

import asyncio
import pathlib
import shutil
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

import holdfast.sqlalchemy
from tests.conftest import _server
from tests.servers import Servers
from tests.sqlalchemy import zoo
from tests.sqlalchemy.models import Base

DRIVERS = {
    "psycopg": "postgresql+psycopg",
    "asyncpg": "postgresql+asyncpg",
    "psycopg_async": "postgresql+psycopg_async",
    "pysqlite": "sqlite",
    "aiosqlite": "sqlite+aiosqlite",
}
EACH = ["psycopg", "asyncpg", "pysqlite", "aiosqlite"]
ASYNC = {"asyncpg", "aiosqlite", "psycopg_async"}
_T = TypeVar("_T")


@dataclass(frozen=True)
class Shop:
    """An installed database and the driver through which to look at it."""

    url: sa.URL
    is_async: bool

    def engine(self, **options: Any) -> sa.Engine:
        """A synchronous engine on the database, whatever the driver is."""
        names = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite"}
        engine = sa.create_engine(
            self.url.set(drivername=names[self.url.get_backend_name()]), poolclass=NullPool, **options
        )
        holdfast.sqlalchemy.bind(engine)
        return engine

    def session(self, **options: Any) -> Session:
        return holdfast.sqlalchemy.Session(self.engine(), **options)

    def run(self, scenario: Callable[[Any], _T], **options: Any) -> _T:
        """The scenario in a session over the driver; an asynchronous one runs it by ``run_sync``."""
        if self.is_async:
            return asyncio.run(self._run(scenario, options))
        with sessionmaker(self.engine(), class_=holdfast.sqlalchemy.Session, **options)() as session:
            return scenario(session)

    async def _run(self, scenario: Callable[[Any], _T], options: dict[str, Any]) -> _T:
        engine = create_async_engine(self.url, poolclass=NullPool)
        holdfast.sqlalchemy.bind(engine)
        try:
            async with holdfast.sqlalchemy.AsyncSession(engine, **options) as session:
                return await session.run_sync(scenario)
        finally:
            await engine.dispose()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """As somebody sees them who knows nothing of holdfast."""
        with self.engine().connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(sql))]


def installed(url: str, base: Any = Base) -> None:
    """The tables, protected and empty."""
    engine = sa.create_engine(url, poolclass=NullPool)
    holdfast.sqlalchemy.bind(engine)
    base.metadata.create_all(engine)
    # The template stays for long, and a role of the journal's own would stand in the way of tests about that role.
    holdfast.sqlalchemy.install(engine, base, roles_apart=False)
    engine.dispose()


def fill(url: str) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    holdfast.sqlalchemy.bind(engine)
    with holdfast.sqlalchemy.Session(engine) as session:
        zoo.fill(session)
    engine.dispose()


@pytest.fixture(scope="session")
def postgresql_template(servers: Servers) -> Iterator[str]:
    """A database to be copied: installing takes longer than any test."""
    server = _server(servers, None)
    with server.new_database(servers.template(server, installed)) as url:
        fill(url)
        yield url


@pytest.fixture(scope="session")
def sqlite_template(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    shutil.copy(servers.template_file(installed), path)
    fill(f"sqlite:///{path}")
    return path


class Reading:
    """The filled shop itself over one driver, with one connection kept: for tests that write nothing, or roll back."""

    def __init__(self, url: sa.URL, is_async: bool) -> None:
        self.is_async = is_async
        if is_async:
            self._runner = asyncio.Runner()
            self._async_engine = create_async_engine(url)
            self.engine = self._async_engine.sync_engine
        else:
            self.engine = sa.create_engine(url)
        holdfast.sqlalchemy.bind(self.engine)

    def run(self, scenario: Callable[[Any], _T], **options: Any) -> _T:
        """The scenario in a session that is rolled back."""
        if self.is_async:
            return self._runner.run(self._run(scenario, options))
        with holdfast.sqlalchemy.Session(self.engine, **options) as session:
            return scenario(session)

    def arun(self, scenario: Callable[[Any], Coroutine[Any, Any, _T]]) -> _T:
        """The scenario in an asynchronous session that is rolled back."""

        async def main() -> _T:
            async with holdfast.sqlalchemy.AsyncSession(self._async_engine) as session:
                return await scenario(session)

        return self._runner.run(main())

    async def _run(self, scenario: Callable[[Any], _T], options: dict[str, Any]) -> _T:
        async with holdfast.sqlalchemy.AsyncSession(self._async_engine, **options) as session:
            return await session.run_sync(scenario)

    def close(self) -> None:
        if self.is_async:
            self._runner.run(self._async_engine.dispose())
            self._runner.close()
        else:
            self.engine.dispose()


@pytest.fixture(scope="session", params=EACH)
def reading(request: pytest.FixtureRequest) -> Iterator[Reading]:
    driver: str = request.param
    kept = "sqlite_kept" if driver in ("pysqlite", "aiosqlite") else "postgresql_kept"
    url = sa.make_url(request.getfixturevalue(kept)).set(drivername=DRIVERS[driver])
    reading = Reading(url, driver in ASYNC)
    yield reading
    reading.close()


@pytest.fixture(scope="session")
def postgresql_kept(servers: Servers, postgresql_template: str) -> Iterator[str]:
    """A template must have no connections, and this one keeps some."""
    with _server(servers, None).new_database(template=str(sa.make_url(postgresql_template).database)) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_kept(sqlite_template: pathlib.Path) -> str:
    return f"sqlite:///{sqlite_template}"


@pytest.fixture(params=EACH)
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A copy of the filled shop, to write in."""
    yield from _copied(request, request.param)


@pytest.fixture(params=["psycopg", "pysqlite"])
def sync_shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """The same, where the driver makes no difference."""
    yield from _copied(request, request.param)


@pytest.fixture(params=["asyncpg", "aiosqlite"])
def async_shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """The same, for tests that await."""
    yield from _copied(request, request.param)


@pytest.fixture(params=["asyncpg", "psycopg_async"])
def pooled_shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """The same on PostgreSQL, through both drivers that can be awaited."""
    yield from _copied(request, request.param)


def _copied(request: pytest.FixtureRequest, driver: str) -> Iterator[Shop]:
    if driver in ("pysqlite", "aiosqlite"):
        copy = request.getfixturevalue("tmp_path") / "shop.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), copy)
        yield Shop(sa.make_url(f"sqlite:///{copy}").set(drivername=DRIVERS[driver]), driver in ASYNC)
        return
    template = sa.make_url(request.getfixturevalue("postgresql_template")).database
    servers = request.getfixturevalue("servers")
    with _server(servers, None).new_database(template=str(template)) as url:
        yield Shop(sa.make_url(url).set(drivername=DRIVERS[driver]), driver in ASYNC)
