"""A tenant and an actor that count only with a signature: what a forger can do, who can run any SQL."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

import holdfast
import holdfast.signing
import holdfast.sqlalchemy
from holdfast.policies import Tenant
from holdfast.signing import SigningKey
from holdfast.signing_keys import create_key, retire_key, turn_off, turn_on
from tests.harness import Protected
from tests.servers import libpq_url
from tests.suite.test_tenant import Login
from tests.tenancy.signed_context.shop import KEY, SECRET, both, build, build_signed, code, home, statuses

pytestmark = pytest.mark.copy_of(build=build_signed)


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
