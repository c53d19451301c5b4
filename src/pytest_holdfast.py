"""holdfast's fixtures, for every project that has holdfast installed.

A module of its own: pytest imports it in each of its runs, and to import anything of ``holdfast`` would import
SQLAlchemy, before coverage is measured and for people who use none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from holdfast.sqlalchemy.n_plus_one import Detection
    from holdfast.testing import PostgreSQLServer


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
