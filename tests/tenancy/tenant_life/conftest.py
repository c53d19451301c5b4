"""The shop, and the same tables in another database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import Protected
from tests.servers import Server, Servers
from tests.tenancy.tenant_life.shop import build, build_empty


@pytest.fixture
def shop(postgresql: Server, servers: Servers) -> Iterator[Protected]:
    with postgresql.new_database(servers.template(postgresql, build)) as url:
        yield Protected(url, kept=False)


@pytest.fixture
def other(postgresql: Server, servers: Servers) -> Iterator[Protected]:
    """The same tables in another database, empty."""
    with postgresql.new_database(servers.template(postgresql, build_empty)) as url:
        yield Protected(url, kept=False)
