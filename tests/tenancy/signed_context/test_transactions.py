"""A signed context counts for its transaction: how long, for which statements, and at what cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.ext.asyncio import create_async_engine

import holdfast
import holdfast.signing
import holdfast.sqlalchemy
from holdfast.signing import SigningKey
from tests.harness import Protected
from tests.suite.test_tenant import Login
from tests.tenancy.signed_context.shop import KEY, SECRET, both, build_signed, code, home, statuses

pytestmark = pytest.mark.copy_of(build=build_signed)


def test_time_is_the_databases_and_a_transaction_that_began_in_time_goes_on(
    shop: Protected, psql: psycopg.Connection, connect: Callable[..., sa.Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (-86_400, 86_400):

        class Clock:
            @staticmethod
            def time(wrong: int = wrong) -> float:
                return 1_790_000_000 + wrong

        monkeypatch.setattr(holdfast.signing, "time", Clock)
        assert statuses(connect(), tenant=1) == ["of one"]
    monkeypatch.undo()
    brief = SigningKey("web-1", SECRET, ttl=timedelta(milliseconds=2))
    with psql.transaction():
        # Its time ends with this statement or before the next.
        here, now = home(psql)
        signed = brief.sign({"tenant": "1"}, database=here, now=now)
        psql.execute("select set_config('holdfast.signed', %s, true)", [signed])
        psql.execute("select pg_sleep(0.003)")
        assert psql.execute("select status from orders").fetchall() == [("of one",)]
    replay = sql.SQL("select set_config('holdfast.signed', {}, true)").format(signed).as_string()
    assert code(lambda: both(psql, replay, "select status from orders")) == "HF207"


def test_a_context_ends_with_its_transaction_and_with_its_savepoint(
    shop: Protected, connect: Callable[..., sa.Engine]
) -> None:
    engine = connect()
    setting = sa.text("select nullif(current_setting('holdfast.signed', true), '')")
    with engine.connect() as connection:
        with holdfast.context(tenant=1), connection.begin() as transaction:
            first = connection.scalar(setting)
            with connection.begin_nested() as savepoint:
                connection.exec_driver_sql("set local holdfast.signed = 'forged'")
                savepoint.rollback()
            assert connection.scalar(setting) == first
            # Of another tenant it cannot become.
            other = KEY.sign({"tenant": "2"}, database=[], now=0)
            with pytest.raises(sa.exc.DBAPIError, match="tenant 1, and cannot go over to 2"), connection.begin_nested():
                connection.execute(sa.text("select holdfast.set_signed_context(:signed)"), {"signed": other})
            transaction.rollback()
        assert connection.scalar(setting) is None
        assert connection.scalar(sa.text("select count(*) from orders")) == 0
    with holdfast.context(tenant=2), engine.begin() as connection:
        assert connection.scalar(sa.text("select status from orders")) == "of two"


def test_statements_that_are_kept_prepared_ask_anew_and_once(
    shop: Protected, connect: Callable[..., sa.Engine]
) -> None:
    shop.run("insert into orders (shop_id) select 1 from generate_series(1, 500)")
    engine = connect()
    with engine.connect() as connection:
        connection.exec_driver_sql("set plan_cache_mode = force_generic_plan")
        connection.exec_driver_sql("prepare mine as select min(shop_id), max(shop_id), count(*) from orders")
        connection.commit()
        for tenant, count in ((1, 501), (2, 1)) * 4:
            with holdfast.context(tenant=tenant), connection.begin():
                assert connection.exec_driver_sql("execute mine").all() == [(tenant, tenant, count)]
        assert connection.exec_driver_sql("execute mine").all() == [(None, None, 0)]
        connection.commit()
        with holdfast.context(tenant=1), connection.begin():
            plan = "\n".join(connection.exec_driver_sql("explain (analyze, verbose) execute mine").scalars())
            asked = [line.strip() for line in plan.splitlines() if "signed_tenant" in line]
            assert set(asked) == {"Output: (holdfast.signed_tenant())::integer"}, plan
            assert plan.count("InitPlan") >= len(asked)
            parallel = (
                "force_parallel_mode" if connection.dialect.server_version_info < (16,) else "debug_parallel_query"
            )
            connection.exec_driver_sql(f"set local {parallel} = on")
            assert connection.exec_driver_sql("select holdfast.signed_tenant()").scalar() == "1"
            connection.exec_driver_sql("select set_config('holdfast.signed', 'forged', true)")
            with pytest.raises(sa.exc.DBAPIError) as refused:
                connection.exec_driver_sql("select holdfast.signed_tenant()")
        assert "HF206" in str(refused.value.orig.sqlstate)
    labels = shop.rows(
        "select distinct provolatile::text, proparallel::text, prosecdef, proconfig from pg_proc"
        " where proname ~ '^signed_'"
    )
    assert labels == [("s", "s", True, ["search_path=pg_catalog, pg_temp"])]


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_tasks_of_an_event_loop_sign_for_themselves(shop: Protected, app: Login, driver: str) -> None:

    async def main() -> list[list[str]]:
        engine = create_async_engine(
            app.database.url.set(drivername=f"postgresql+{driver}"), pool_size=1, max_overflow=0
        )
        holdfast.sqlalchemy.bind(engine, signing_key=KEY)

        async def work(tenant: int) -> list[str]:
            with holdfast.context(actor=f"task {tenant}", tenant=tenant):
                async with engine.begin() as connection:
                    await connection.execute(sa.text("insert into rooms values (:id, 'a')"), {"id": tenant})
                    return list((await connection.execute(sa.text("select status from orders"))).scalars())

        found = await asyncio.gather(*(work(tenant) for tenant in (1, 2, 3)))
        await engine.dispose()
        return found

    assert asyncio.run(main()) == [["of one"], ["of two"], []]
    assert {each.key: each.actor for each in shop.log("rooms")} == {n: f"task {n}" for n in (1, 2, 3)}


def test_one_round_trip_and_whatever_a_context_says_arrives(shop: Protected, connect: Callable[..., sa.Engine]) -> None:
    engine = connect()
    actor = 'Zoë "O\'Brien" \\ %s $1 🦭\n.].'
    sent: list[str] = []
    assert statuses(engine, tenant=1) == ["of one"]
    sa.event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    with (
        holdfast.context(actor=actor, tenant=1, reason="long " * 50_000, allow="mass", request="é.", n=1),
        engine.begin() as connection,
    ):
        connection.exec_driver_sql("insert into rooms values (1, 'a')")
        assert connection.exec_driver_sql("select current_setting('holdfast.allow')").scalar() == "mass"
    assert [each.partition("(")[0] for each in sent][:2] == [
        "select holdfast.set_signed_context",
        "insert into rooms values ",
    ]
    [change] = shop.log("rooms")
    assert (change.actor, change.tenant, change.reason) == (actor, "1", "long " * 50_000)
    assert shop.rows("select context from holdfast.transaction where actor is not null") == [
        ({"request": "é.", "n": 1},)
    ]
