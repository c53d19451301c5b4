"""holdfast's fixtures, for every project that has holdfast installed.

A module of its own: pytest imports it in each of its runs, and to import anything of ``holdfast`` would import
SQLAlchemy, before coverage is measured and for people who use none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.sqlalchemy.n_plus_one import Detection
    from holdfast.testing import PostgreSQLServer
    from holdfast.testing.leaks import LeakSubject, Stage


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("holdfast").addoption(
        "--holdfast-leaks",
        action="store_true",
        help="try to read and write another tenant's rows, in every way that is known, on your own models",
    )
    parser.addini("holdfast_leaks", "the declarative base of your models, as module:name", default="")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.name != "conftest.py" or not parent.config.getoption("--holdfast-leaks"):
        return None
    from holdfast.testing.leaks.collecting import leak_module

    return leak_module(file_path, parent)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--holdfast-leaks"):
        return
    from holdfast.testing.leaks.collecting import summary

    stats = terminalreporter.stats
    lines = list(summary([each for kind in ("passed", "failed", "skipped") for each in stats.get(kind, [])]))
    terminalreporter.section("leaks between tenants")
    for line in lines or ["nothing was tried: there is no fixture holdfast_leaks in a conftest.py that was collected"]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="module")
def _holdfast_leak_stage(holdfast_leaks: LeakSubject) -> Iterator[Stage]:
    from holdfast.testing.leaks import staged

    with staged(holdfast_leaks) as stage:
        yield stage


@pytest.fixture(scope="session")
def holdfast_postgresql() -> Iterator[PostgreSQLServer]:
    """A PostgreSQL for the whole run: that of HOLDFAST_TEST_POSTGRESQL, else an embedded one."""
    from holdfast.errors import UnsupportedError
    from holdfast.testing.postgresql import VARIABLE, running_server

    server = running_server()
    try:
        started = server.__enter__()
    except UnsupportedError as error:
        pytest.skip(f"{error.message} {error.hint}; or set {VARIABLE} to the URL of a server.")
    try:
        yield started
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def holdfast_schema() -> Callable[[str], object]:
    """Override it: called once, with the URL of an empty database; what it puts there, each test starts with."""
    return lambda url: None


@pytest.fixture(scope="session")
def _holdfast_template(
    holdfast_postgresql: PostgreSQLServer, holdfast_schema: Callable[[str], object]
) -> Iterator[str]:
    with holdfast_postgresql.template(holdfast_schema) as name:
        yield name


@pytest.fixture
def holdfast_database(holdfast_postgresql: PostgreSQLServer, _holdfast_template: str) -> Iterator[str]:
    """The URL of a PostgreSQL database of this test alone, as ``holdfast_schema`` made it."""
    with holdfast_postgresql.new_database(_holdfast_template) as url:
        yield url


@pytest.fixture
def n_plus_one() -> Iterator[Detection]:
    """The test fails if, in whatever thread or task, something is loaded once for each parent (HF631)."""
    from holdfast.sqlalchemy.n_plus_one import Detection, NPlusOneError

    detection = Detection(everywhere=True)
    with detection.listening():
        yield detection
    if detection.found:
        raise NPlusOneError(detection.found)
