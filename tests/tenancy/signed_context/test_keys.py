"""The keys that contexts are signed with: changed while everybody works, and read by nobody."""

from __future__ import annotations

import json
import pathlib
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import holdfast
import holdfast.signing
import holdfast.sqlalchemy
from holdfast.cli import main as cli
from holdfast.database import explain
from holdfast.errors import DeclarationError, SignatureError, UnsupportedError
from holdfast.signing import SigningKey, blocks
from holdfast.signing_keys import create_key, retire_key, turn_on
from tests.harness import Protected
from tests.suite.test_tenant import Login
from tests.tenancy.signed_context.shop import KEY, SECRET, build, build_signed, statuses

pytestmark = pytest.mark.copy_of(build=build_signed)


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
