"""The shop, its application, and somebody who can run any SQL with the login of the application."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
import sqlalchemy as sa

import holdfast
import holdfast.signing
import holdfast.sqlalchemy
from holdfast.signing import SigningKey
from tests.harness import Protected
from tests.servers import libpq_url
from tests.suite.test_tenant import Login, login
from tests.tenancy.signed_context.shop import KEY


@pytest.fixture
def shop(postgresql_database: str) -> Protected:
    return Protected(postgresql_database, kept=False)


@pytest.fixture
def app(shop: Protected) -> Iterator[Login]:
    with login(shop) as app:
        yield app


@pytest.fixture
def connect(app: Login) -> Iterator[Callable[..., sa.Engine]]:
    """Engines of the application: one connection each, whose context is signed or not."""
    engines: list[sa.Engine] = []

    def make(key: SigningKey | None = KEY) -> sa.Engine:
        engines.append(sa.create_engine(app.database.url, pool_size=1, max_overflow=0))
        holdfast.sqlalchemy.bind(engines[-1], signing_key=key)
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def psql(app: Login) -> Iterator[psycopg.Connection]:
    """The application's login, in the hands of somebody who can run any SQL with it."""
    url = libpq_url(app.database.url.render_as_string(hide_password=False))
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
