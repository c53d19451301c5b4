"""A tenant and an actor that count only with a signature: what a forger can do, who can run any SQL."""

from __future__ import annotations

import asyncio
import json
import pathlib
import pickle
import re
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from psycopg import sql
from sqlalchemy.ext.asyncio import create_async_engine

import holdfast
import holdfast.signing
import holdfast.sqlalchemy
from holdfast.cli import main as cli
from holdfast.database import Database, explain
from holdfast.errors import DeclarationError, SignatureError, UnsupportedError
from holdfast.policies import Audit, Tenant
from holdfast.signing import SigningKey, blocks
from holdfast.signing_keys import create_key, retire_key, turn_off, turn_on
from tests.harness import Protected
from tests.servers import libpq_url
from tests.suite.test_soft_delete import made
from tests.suite.test_tenant import Login, login

SECRET = "a secret of more than thirty-two bytes"
KEY = SigningKey("web-1", SECRET)
SHOP = (
    "create table orders (id bigint generated always as identity primary key, shop_id int not null, status text)",
    "create table rooms (id int primary key, name text)",
    "insert into orders (shop_id, status) values (1, 'of one'), (2, 'of two')",
)


def build(url: str) -> None:
    """A shop with a key, that asks for no signature yet."""
    made(url, *SHOP, protect={"orders": [Tenant("shop_id"), Audit()], "rooms": [Audit()]})
    create_key(Database(url), "web-1", SECRET)


def build_signed(url: str) -> None:
    """The same, which asks for signatures."""
    build(url)
    turn_on(Database(url))


pytestmark = pytest.mark.copy_of(build=build_signed)


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


def statuses(engine: sa.Engine, **context: Any) -> list[str]:
    with holdfast.context(**context), engine.begin() as connection:
        return list(connection.execute(sa.text("select status from orders order by id")).scalars())


def home(connection: psycopg.Connection) -> tuple[list[str], float]:
    """What the database is called in a signed context, and its clock."""
    row = connection.execute(
        "select array[system_identifier || '/' || current_database(),"
        " extract(epoch from pg_postmaster_start_time()) || '/' || current_database()],"
        " extract(epoch from now())::float8 from pg_control_system()"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def code(work: Callable[[], Any]) -> str | None:
    try:
        work()
    except psycopg.Error as error:
        return error.sqlstate
    return None


def both(connection: psycopg.Connection, first: str, second: str) -> None:
    """In one transaction."""
    with connection.transaction():
        connection.execute(first.encode())
        connection.execute(second.encode())


@pytest.mark.copy_of(build=build)
def test_whoever_can_run_sql_is_any_tenant_and_any_actor_until_contexts_are_signed(
    shop: Protected, psql: psycopg.Connection, connect: Callable[..., sa.Engine]
) -> None:
    forged = (
        "select set_config('holdfast.tenant', '2', true),"
        ' set_config(\'holdfast.context\', \'{"actor": "boss", "tenant": "2"}\', true)'
    )
    signing, unsigned = connect(), connect(None)
    assert statuses(signing, actor="ada", tenant=1) == statuses(unsigned, actor="ada", tenant=1) == ["of one"]
    with psql.transaction():
        psql.execute(forged)
        assert psql.execute("select status from orders").fetchall() == [("of two",)]
        psql.execute("insert into rooms values (1, 'forged')")
    assert [(each.actor, each.tenant) for each in shop.log("rooms")] == [("boss", "2")]

    turn_on(shop.database)

    assert shop.drift() == []
    assert statuses(signing, actor="ada", tenant=1) == ["of one"]
    assert statuses(unsigned, actor="ada", tenant=1) == []
    with psql.transaction():
        psql.execute(forged)
        assert psql.execute("select status from orders").fetchall() == []
        assert psql.execute("delete from orders").rowcount == 0
        psql.execute("insert into rooms values (2, 'forged')")
    assert [(each.actor, each.tenant) for each in shop.log("rooms")][1:] == [(None, None)]
    for write in ("insert into orders (shop_id) values (2)", "insert into orders (status) values ('mine')"):
        assert code(lambda write=write: both(psql, forged, write)) == "42501"
    with holdfast.context(actor="ada", tenant=1), signing.begin() as connection:
        connection.exec_driver_sql("insert into orders (status) values ('paid'), ('sent')")
    assert statuses(signing, tenant=1) == ["of one", "paid", "sent"]
    assert [(each.actor, each.tenant) for each in shop.log("orders")] == [("ada", "1")] * 2
    # A superuser sees everything as before, and is believed: it could read the key.
    shop.write("update orders set status = 'seen' where shop_id = 2", actor="dba")
    assert shop.log("orders")[-1].actor == "dba"

    turn_off(shop.database)
    assert shop.drift() == []
    assert statuses(unsigned, tenant=2) == ["seen"]


def test_turning_it_on_leaves_nothing_half_done_and_new_tables_follow(shop: Protected, app: Login) -> None:
    shop.run("create table notes (id int primary key, shop_id int)", "insert into notes values (1, 1)")
    shop.protect({"notes": [Tenant("shop_id")]})
    conditions = shop.rows("select distinct qual from pg_policies where policyname ~ '^holdfast_tenant(_only)?$'")
    assert conditions == [("(shop_id = ( SELECT (holdfast.signed_tenant())::integer AS signed_tenant))",)]
    # What takes the check away is drift, and protect mends it.
    shop.run("drop policy holdfast_tenant on orders", "create policy mine on orders using (true)")
    assert {(each.object, each.state) for each in shop.drift()} >= {("policy holdfast_tenant", "missing")}
    shop.run("drop policy mine on orders")
    shop.protect({})
    assert shop.drift() == []


def test_what_is_not_signed_for_here_and_now_is_refused(shop: Protected, psql: psycopg.Connection) -> None:
    create_key(shop.database, "gone", SECRET)
    retire_key(shop.database, "gone")
    here, now = home(psql)
    said = {"actor": "ada", "tenant": "1"}

    def sign(key: SigningKey = KEY, database: Sequence[str] = here, now: float = now, **more: Any) -> str:
        return key.sign({**said, **more}, database=database, now=now)

    good = sign()
    mac = good[-64:]
    forged = {
        "as it was signed": (good, None),
        "another tenant": (good.replace('"tenant":"1"', '"tenant":"2"'), "HF206"),
        "another actor": (good.replace("ada", "boss"), "HF206"),
        "a later end": (re.sub(r"\[\d+", "[9999999999", good), "HF206"),
        "another program's secret": (sign(SigningKey("web-1", "another secret of at least 32 bytes")), "HF206"),
        "a key that is not known": (sign(SigningKey("web-2", SECRET)), "HF206"),
        "a key that is retired": (sign(SigningKey("gone", SECRET)), "HF206"),
        "another name for the key": (good.replace("web-1", "gone"), "HF206"),
        "another database": (sign(database=[each + "_copy" for each in here]), "HF206"),
        "before the server was started anew": (sign(database=[here[0], ""]), None),
        "no database": (sign(database=[]), "HF206"),
        "too late": (sign(now=now - 301), "HF207"),
        "late, but in time": (sign(now=now - 100), None),
        "another clock's tomorrow": (sign(now=now + 86_400), None),
        "a signature's end is missing": (good[:-1], "HF206"),
        "a signature alone": (mac, "HF206"),
        "of no text": (f".{mac}", "HF206"),
        "the text's end is missing": (good[:40] + good[-65:], "HF206"),
        "the text alone": (good[:-65], "HF206"),
        "in capitals": (good[:-64] + mac.upper(), "HF206"),
        "with a blank": (good + " ", "HF206"),
        "one character": (".", "HF206"),
        "quotes": ("web-1' or '1'='1.x", "HF206"),
        "a command": ("web-1'; select set_config('holdfast.tenant', '2', true); --", "HF206"),
        "other letters": ("wéb-1.ключ." + mac, "HF206"),
        "very long": ("web-1." + "x" * 1_000_000 + mac, "HF206"),
        "JSON": (json.dumps({"tenant": "2", "actor": "boss"}), "HF206"),
        "of another order": (f"{mac}.{good[:-65]}", "HF206"),
    }

    for work in (
        "select status from orders",
        "update orders set status = status",
        "insert into orders (shop_id) values (1)",
        # The actor alone is forged.
        "insert into rooms select count(*), 'a' from rooms",
    ):
        outcome = {}
        for name, (signed, _) in forged.items():

            def attempt(signed: str = signed, work: str = work) -> None:
                with psql.transaction():
                    psql.execute("select set_config('holdfast.signed', %s, true)", [signed])
                    psql.execute(work)

            outcome[name] = code(attempt)
        assert outcome == {name: wanted for name, (_, wanted) in forged.items()}, work
    assert {each.actor for each in shop.log()} == {"ada"}
    # The same through the library's own function, which fills in what the application reads.
    through = sql.SQL("select holdfast.set_signed_context({})").format(forged["another tenant"][0]).as_string()
    assert code(lambda: both(psql, through, "select status from orders")) == "HF206"
    [(shown,)] = psql.execute(
        "select count(*) from pg_stat_activity where query like '%%' || %s || '%%'", [mac]
    ).fetchall()
    assert shown == 0


def test_a_copy_of_the_database_takes_nothing_that_was_signed_for_the_original(
    shop: Protected, app: Login, psql: psycopg.Connection
) -> None:
    signed = KEY.sign({"tenant": "1"}, database=home(psql)[0], now=home(psql)[1])
    name, url = f"holdfast_test_{uuid.uuid4().hex[:12]}", shop.database.url
    psql.close()
    admin = libpq_url(url.set(database="postgres").render_as_string(hide_password=False))
    with psycopg.connect(admin, autocommit=True) as server:
        server.execute(f'create database "{name}" template "{url.database}"')
        try:
            copy = libpq_url(app.database.url.set(database=name).render_as_string(hide_password=False))
            with psycopg.connect(copy) as connection:
                connection.execute("select holdfast.set_signed_context(%s)", [signed])
                assert code(lambda: connection.execute("select from orders")) == "HF206"
            engine = sa.create_engine(app.database.url.set(database=name))
            holdfast.sqlalchemy.bind(engine, signing_key=KEY)
            assert statuses(engine, tenant=1) == ["of one"]
            engine.dispose()
        finally:
            server.execute(f'drop database "{name}" with (force)')


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


def test_a_key_is_changed_while_everybody_works(shop: Protected, connect: Callable[..., sa.Engine]) -> None:
    second = create_key(shop.database, "web-2")
    before, after = connect(), connect(SigningKey("web-2", second))
    assert statuses(before, tenant=1) == statuses(after, tenant=1) == ["of one"]
    retire_key(shop.database, "web-1", actor="ada")
    assert statuses(after, tenant=1) == ["of one"]
    with pytest.raises(sa.exc.DBAPIError) as refused:
        statuses(before, tenant=1)
    error = explain(refused.value, shop.database.dialect)
    assert isinstance(error, SignatureError)
    assert (error.code, error.message) == ("HF206", "The context is signed with the key 'web-1', which is retired.")
    for wrong in (
        lambda: retire_key(shop.database, "web-2"),
        lambda: retire_key(shop.database, "web-1"),
        lambda: create_key(shop.database, "web-1"),
    ):
        with pytest.raises(UnsupportedError, match="HF477"):
            wrong()
    kinds = "select details, actor from holdfast.intervention where kind = 'signing_key' order by id"
    assert shop.rows(kinds)[1:] == [({"created": "web-2"}, None), ({"retired": "web-1"}, "ada")]


def test_the_application_can_read_no_key_by_any_path(shop: Protected, app: Login, psql: psycopg.Connection) -> None:
    name = app.database.url.username
    shop.run("analyze holdfast.signing_key")
    attempts = [
        "table holdfast.signing_key",
        "select k::text from holdfast.signing_key as k",
        "copy holdfast.signing_key to stdout",
        "select * from pg_stats where tablename = 'signing_key'",
        "select * from pg_statistic",
        "select pg_get_functiondef(oid) from pg_proc where pronamespace = 'holdfast'::regnamespace and prokind = 'f'",
        "select * from pg_stat_activity",
        "explain (analyze, verbose) select * from orders",
        "explain (analyze, verbose) select holdfast.signed_context()",
        "select pg_read_file('base/1/1259')",
        "create temp view v as select * from holdfast.signing_key; select * from v",
        "set role holdfast; table holdfast.signing_key",
        "select * from pg_settings",
        "with k as (delete from holdfast.signing_key returning *) select * from k",
        "create trigger t before insert on holdfast.signing_key execute function suppress_redundant_updates_trigger()",
        "set row_security = off; table holdfast.signing_key",
        "alter function holdfast.signed_tenant() security invoker",
        "create or replace function holdfast.signed_tenant() returns text language sql as $$ select '2' $$",
    ]
    told: list[str] = []
    psql.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))

    def attack() -> None:
        for attempt in attempts:
            psql.execute("reset role; reset row_security; discard temp")
            try:
                if attempt.startswith("copy"):
                    with psql.cursor().copy(attempt.encode()) as copy:
                        told.append(str([bytes(row) for row in copy]))
                    continue
                cursor = psql.execute(attempt.encode())
                while cursor.nextset():
                    pass
                told.append(str(cursor.fetchall()) if cursor.description else "")
            except psycopg.Error as error:
                told.append(str(error))

    def secrets() -> list[str]:
        forms = [each.hex() for each in (*blocks(SECRET.encode()), SECRET.encode())] + [SECRET]
        forms += [str(each)[2:40] for each in blocks(SECRET.encode())]
        return [each for each in forms if any(each in text for text in told)]

    attack()
    assert secrets() == []
    # Nor with the rights that an auditor is given.
    shop.run(f"grant select on all tables in schema holdfast to {name}", f"grant pg_read_all_data to {name}")
    attack()
    shop.run(f"revoke pg_read_all_data from {name}")
    assert secrets() == []
    assert "[]" in told
    assert len(told) == 2 * len(attempts)


@pytest.mark.copy_of(build=build)
def test_no_key_where_the_application_could_read_it(shop: Protected, app: Login) -> None:
    name = app.database.url.username
    shop.run(f"insert into holdfast.role values ('application', '{name}')", f"grant holdfast to {name}")
    with pytest.raises(UnsupportedError, match="HF476"):
        turn_on(shop.database)
    shop.run(f"revoke holdfast from {name}", f"alter role {name} bypassrls")
    with pytest.raises(UnsupportedError, match=f"HF476.*{name}"):
        turn_on(shop.database)
    shop.run(f"alter role {name} nobypassrls")
    turn_on(shop.database)


@pytest.mark.copy_of(build=build)
def test_nothing_shows_the_secret(shop: Protected, postgresql: Any, connect: Callable[..., sa.Engine]) -> None:
    shop.run(f"alter database \"{shop.database.url.database}\" set log_statement = 'all'")
    shop.run(f'alter database "{shop.database.url.database}" set log_min_duration_statement = 0')
    secret = create_key(shop.database, "web-2")
    turn_on(shop.database)
    with pytest.raises(UnsupportedError) as twice:
        create_key(shop.database, "web-2", secret)
    [(data,)] = shop.rows("select current_setting('data_directory')")
    log = pathlib.Path(data).parent / "log"
    shown = [repr(KEY), str(vars(type(KEY))), str(twice.value), log.read_text() if log.exists() else ""]
    if log.exists():
        assert "copy holdfast.signing_key" in shown[-1]
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
    short = "too short, but mine"
    for wrong in (
        lambda: SigningKey("web-1", short),
        lambda: SigningKey("a b", secret),
        lambda: SigningKey("", secret),
        lambda: SigningKey("web-1", secret, ttl=0),
        lambda: create_key(shop.database, "web-3", short),
    ):
        with pytest.raises(DeclarationError, match="HF475") as refused:
            wrong()
        # What a reporter of errors would send along.
        frames = [frame.f_locals for frame, _ in traceback.walk_tb(refused.value.__traceback__)][2:]
        shown += [str(refused.value), *map(repr, frames)]
    for each in shown:
        for hidden in (secret, blocks(secret.encode())[0].hex(), blocks(secret.encode())[1].hex(), SECRET, short):
            assert hidden not in each


def test_where_nothing_can_be_signed_it_says_so(connect: Callable[..., sa.Engine]) -> None:
    engine = sa.create_engine("sqlite://")
    with pytest.raises(UnsupportedError, match="HF476"):
        holdfast.sqlalchemy.bind(engine, signing_key=KEY)
    bound = connect(None)
    with pytest.raises(UnsupportedError, match="HF476"):
        holdfast.sqlalchemy.bind(bound, signing_key=KEY)
    bound = connect()
    holdfast.sqlalchemy.bind(bound, signing_key=KEY)
    engine.dispose()


@pytest.mark.copy_of(build=build)
def test_the_command_line(shop: Protected, app: Login, tmp_path: pathlib.Path) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["sign", *arguments, "--url", shop.url])

    retire_key(shop.database, "web-1")
    assert (run("on", "--yes").exit_code, run("retire", "web-1").exit_code) == (1, 1)
    made = run("create", "cli")
    [secret] = made.stdout.split()
    assert (made.exit_code, run("create", "cli").exit_code, run("create", "a b").exit_code) == (0, 1, 2)
    given = tmp_path / "secret"
    given.write_text("x" * 40 + "\n")
    assert run("create", "given", "--secret-file", str(given)).exit_code == 0
    assert "signed_tenant" in run("on", "--sql").stdout
    assert run("on", "--yes").exit_code == 0
    assert run("on", "--yes").stderr == "Nothing to do: signing is on.\n"
    listed = json.loads(run("list", "--json").stdout)
    assert (listed["on"], [each["id"] for each in listed["keys"]]) == (True, ["web-1", "cli", "given"])
    shown = run("list").output
    assert secret not in shown
    assert "retired" in shown
    for key in (SigningKey("cli", secret), SigningKey("given", "x" * 40)):
        engine = sa.create_engine(app.database.url)
        holdfast.sqlalchemy.bind(engine, signing_key=key)
        assert statuses(engine, tenant=1) == ["of one"]
        engine.dispose()
    assert run("retire", "cli").exit_code == 0
    assert run("off", "--yes").exit_code == 0
    assert shop.drift() == []
