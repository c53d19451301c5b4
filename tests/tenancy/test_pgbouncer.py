"""Two tenants behind PgBouncer in transaction mode, with one connection to the database for both of them."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import holdfast
import holdfast.sqlalchemy
from holdfast.signing import SigningKey
from tests.harness import Protected
from tests.servers import libpq_url
from tests.suite.test_tenant import login
from tests.tenancy.pooler import pooled, program
from tests.tenancy.signed_context.shop import KEY, build, build_signed

TRANSACTIONS = int(os.environ.get("HOLDFAST_TEST_INTERLEAVED", "200"))
"""Of both tenants together; with HOLDFAST_TEST_INTERLEAVED=10000 it takes minutes."""
LOOK = "select pg_backend_pid(), current_setting('holdfast.tenant', true), array_agg(distinct shop_id) from orders"

pytestmark = pytest.mark.copy_of(build=build)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    if program() is None:
        pytest.skip("PgBouncer (not installed: apt-get install pgbouncer)")


@pytest.fixture
def shop(postgresql_database: str) -> Protected:
    return Protected(postgresql_database, kept=False)


@pytest.fixture
def url(shop: Protected) -> Iterator[sa.URL]:
    """The application's, through the pooler."""
    with login(shop) as app, pooled(app.database.url) as url:
        yield url


def sync_engine(url: sa.URL, key: SigningKey | None = None, **options: Any) -> sa.Engine:
    # The statements that a driver keeps prepared are of one connection to the database, and the next may be another.
    engine = sa.create_engine(url, connect_args={"prepare_threshold": None}, **options)
    holdfast.sqlalchemy.bind(engine, signing_key=key)
    return engine


def async_engine(url: sa.URL, driver: str, key: SigningKey | None = None, **options: Any) -> AsyncEngine:
    arguments: dict[str, Any] = {"prepare_threshold": None}
    if driver == "asyncpg":
        arguments = {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"__{uuid.uuid4()}__",
        }
    engine = create_async_engine(url.set(drivername=f"postgresql+{driver}"), connect_args=arguments, **options)
    holdfast.sqlalchemy.bind(engine, signing_key=key)
    return engine


def seen_by_nobody(url: sa.URL) -> tuple[Any, ...]:
    """What a client finds that binds nothing: who was there before must have left nothing behind."""
    with psycopg.connect(libpq_url(url.render_as_string(hide_password=False)), prepare_threshold=None) as connection:
        row = connection.execute(LOOK).fetchone()
    assert row is not None
    return row[1] or None, row[2]


def test_what_a_session_sets_leaks_and_what_a_transaction_sets_does_not(url: sa.URL) -> None:
    text = libpq_url(url.render_as_string(hide_password=False))
    with psycopg.connect(text, autocommit=True) as one, psycopg.connect(text, autocommit=True) as two:
        one.execute("set holdfast.tenant = '1'")
        assert one.execute(LOOK).fetchone() == two.execute(LOOK).fetchone()
        assert seen_by_nobody(url) == ("1", [1])
        one.execute("reset holdfast.tenant")
    first, second = sync_engine(url), sync_engine(url)
    found = []
    for engine, tenant in ((first, 1), (second, 2), (first, 1)):
        with holdfast.context(tenant=tenant), engine.begin() as connection:
            found.append(tuple(connection.exec_driver_sql(LOOK).one()))
        assert seen_by_nobody(url) == (None, None)
    pid = found[0][0]
    assert found == [(pid, "1", [1]), (pid, "2", [2]), (pid, "1", [1])]
    first.dispose()
    second.dispose()


def test_threads_of_two_tenants_take_turns_on_one_connection(url: sa.URL) -> None:
    engines = {tenant: sync_engine(url, pool_size=1, max_overflow=0) for tenant in (1, 2)}
    turns: list[int] = []
    seen: Counter[tuple[Any, ...]] = Counter()
    failed: list[BaseException] = []

    def work(tenant: int) -> None:
        try:
            for _ in range(TRANSACTIONS // 2):
                with holdfast.context(actor=f"of {tenant}", tenant=tenant), engines[tenant].begin() as connection:
                    row = connection.exec_driver_sql(LOOK).one()
                    turns.append(tenant)
                    seen[row[0], row[1], *row[2], tenant] += 1
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines.values():
        engine.dispose()
    assert failed == []
    [pid] = {key[0] for key in seen}
    assert seen == {(pid, str(tenant), tenant, tenant): TRANSACTIONS // 2 for tenant in (1, 2)}
    assert sum(one != other for one, other in itertools.pairwise(turns)) > TRANSACTIONS // 100
    assert seen_by_nobody(url) == (None, None)


@pytest.mark.copy_of(build=build_signed)
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_tasks_of_two_tenants_take_turns_with_signed_contexts(shop: Protected, url: sa.URL, driver: str) -> None:
    async def main() -> Counter[tuple[Any, ...]]:
        engine = async_engine(url, driver, KEY, pool_size=4, max_overflow=0)
        seen: Counter[tuple[Any, ...]] = Counter()

        async def work(tenant: int) -> None:
            for _ in range(TRANSACTIONS // 4):
                with holdfast.context(actor=f"of {tenant}", tenant=tenant):
                    async with engine.begin() as connection:
                        row = (await connection.exec_driver_sql(LOOK)).one()
                        seen[row[0], row[1], *row[2], tenant] += 1

        await asyncio.gather(*(work(tenant) for tenant in (1, 2, 1, 2)))
        await engine.dispose()
        return seen

    seen = asyncio.run(main())
    [pid] = {key[0] for key in seen}
    assert seen == {(pid, str(tenant), tenant, tenant): TRANSACTIONS // 4 * 2 for tenant in (1, 2)}
    assert seen_by_nobody(url) == (None, None)


# A connection that is cancelled while it is made is left to the garbage collector by SQLAlchemy 2.0.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_tasks_and_statements_that_are_cancelled_leave_nothing(shop: Protected, url: sa.URL, driver: str) -> None:
    """Wherever they are: before the connection, before the transaction, within a statement, at the commit."""
    chance = random.Random(5)
    ended: Counter[str] = Counter()
    wrong: list[Any] = []

    async def main() -> None:
        engine = async_engine(url, driver, pool_size=6, max_overflow=0)

        async def work(number: int, tenant: int) -> None:
            with holdfast.context(actor="storm", tenant=tenant):
                async with engine.begin() as connection:
                    for step in range(4):
                        row = (await connection.exec_driver_sql(LOOK)).one()
                        if row[1] != str(tenant) or row[2] != [tenant]:
                            wrong.append((tenant, row))
                        if step == number % 4 and number % 5 == 0:
                            await connection.exec_driver_sql("set local statement_timeout = '2ms'")
                            await connection.exec_driver_sql("select pg_sleep(5)")
                        await connection.exec_driver_sql("select pg_sleep(0.0005)")
                    await connection.exec_driver_sql(f"insert into orders (status) values ('{number}')")

        for wave in range(6):
            tasks = [asyncio.create_task(work(wave * 12 + each, each % 2 + 1)) for each in range(12)]
            for task in chance.sample(tasks, 8):
                for _ in range(chance.randrange(40)):
                    await asyncio.sleep(0)
                if chance.random() < 0.5:
                    # Somewhere within what the server does, not only at the first turns.
                    await asyncio.wait([task], timeout=chance.random() / 100)
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                ended[type(outcome).__name__] += 1
        for tenant in (1, 2) * 10:
            with holdfast.context(tenant=tenant):
                async with engine.begin() as connection:
                    row = (await connection.exec_driver_sql(LOOK)).one()
                    assert (row[1], row[2]) == (str(tenant), [tenant])
        await engine.dispose()

    asyncio.run(main())
    assert wrong == []
    # Those that were let go on, that were cancelled, and whose statement was.
    assert ended["NoneType"] > 0
    assert ended["CancelledError"] > 0
    assert sum(ended.values()) > ended["CancelledError"] + ended["NoneType"]
    assert seen_by_nobody(url) == (None, None)
    written = shop.rows("select shop_id, status::int from orders where status ~ '^[0-9]+$'")
    assert {tenant for tenant, _ in written} == {1, 2}
    assert [each for each in written if each[0] != each[1] % 12 % 2 + 1] == []
    assert {each.tenant for each in shop.log("orders")} == {"1", "2"}
    open_ones = "select count(*) from pg_stat_activity where datname = current_database() and state ~ 'in transaction'"
    assert shop.rows(open_ones) == [(0,)]
