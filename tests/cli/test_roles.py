"""``holdfast roles`` and ``holdfast doctor``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.policies import Audit, Tenant
from tests.cli.conftest import Shell, Shop
from tests.duties import drop_roles, new_prefix, play, server_of
from tests.harness import Protected
from tests.servers import Servers


@pytest.fixture
def prefix(servers: Servers) -> Iterator[str]:
    server, prefix = server_of(servers), new_prefix()
    yield prefix
    drop_roles(server, prefix)


@pytest.fixture
def shop(prefix: str, servers: Servers) -> Iterator[Shop]:
    with server_of(servers).new_database() as url:
        protected = Protected(url, kept=False)
        protected.run("create table orders (id serial primary key, tenant_id int not null, total int)")
        yield Shop(Shell(url), protected)


def test_roles_are_shown_made_examined_and_dropped(shop: Shop, prefix: str) -> None:
    holdfast, owner = shop.holdfast, shop.protected.rows("select current_user")[0][0]
    assert holdfast("roles", "--prefix", prefix).code == 1
    assert holdfast("roles", "--prefix", prefix, "--create", "--yes").code == 1
    shop.protected.protect({"orders": [Tenant(), Audit()]})

    shown = holdfast("roles", "--prefix", prefix)
    assert shown.code == 0
    assert f"application  {prefix}_app" in shown.out
    assert "to be made" in shown.out
    assert f'alter table "public"."orders" owner to "{prefix}_owner"; -- now {owner}' in shown.out
    printed = holdfast("roles", "--prefix", prefix, "--sql")
    assert (printed.code, "create role" in printed.out) == (0, True)
    assert "password" not in printed.out
    planned = holdfast("roles", "--prefix", prefix, "--create", "--dry-run")
    assert (planned.code, "Dry run: nothing was changed." in planned.out) == (0, True)
    assert shop.rows(f"select count(*) from pg_roles where rolname like '{prefix}%'") == [(0,)]
    # Nobody can be asked.
    assert holdfast("roles", "--prefix", prefix, "--create").code == 2

    made = holdfast("roles", "--prefix", prefix, "--create", "--own", "--yes")
    assert made.code == 0, made.err
    assert rf"\password {prefix}_app" in made.out
    assert rf"\password {prefix}_owner" not in made.out
    # From now on the prefix is known.
    assert "to be" not in holdfast("roles").out.replace("as it is to be", "")
    assert holdfast("status").code == 0
    application = play(shop.protected, f"{prefix}_app")
    application.run("select holdfast.set_context(tenant => '1')", "insert into orders (total) values (7)")

    assert holdfast("doctor").code == 0
    shop.run(f"grant truncate on orders to {prefix}_app")
    found = holdfast("doctor", "--json")
    assert (found.code, [each["rule"] for each in found.json if each["severity"] == "error"]) == (1, ["privileges"])
    told = holdfast("doctor")
    assert f"revoke truncate on public.orders from {prefix}_app;" in told.out
    assert holdfast("doctor", "--role", "nobody-there").code == 3
    shop.run(f"revoke truncate on orders from {prefix}_app")

    left = holdfast("unprotect", "--all", "--purge-history", "--yes")
    assert "holdfast roles --drop --prefix" in left.out
    assert holdfast("roles", "--drop", "--prefix", prefix, "--dry-run").code == 0
    dropped = holdfast("roles", "--drop", "--prefix", prefix, "--yes")
    assert dropped.code == 0, dropped.err
    assert shop.rows(f"select count(*) from pg_roles where rolname like '{prefix}%'") == [(0,)]
    assert shop.rows("select tableowner from pg_tables where tablename = 'orders'") == [(owner,)]
    assert "no such roles" in holdfast("roles", "--drop", "--prefix", prefix).err


def test_a_role_that_others_made_stays(shop: Shop, prefix: str) -> None:
    shop.protected.protect({"orders": [Tenant()]})
    shop.run(f"create role {prefix}_web login")
    assert shop.holdfast("roles", "--prefix", prefix, "--application", f"{prefix}_web", "--create", "--yes").code == 0
    assert shop.rows("select name from holdfast.role where duty = 'application'") == [(f"{prefix}_web",)]
    dropped = shop.holdfast("roles", "--drop", "--yes")
    assert dropped.code == 0, dropped.err
    assert f"{prefix}_web was not made by holdfast" in dropped.err
    assert shop.rows(f"select rolname from pg_roles where rolname like '{prefix}%'") == [(f"{prefix}_web",)]
    shop.run(f"drop owned by {prefix}_web")


def test_one_role_cannot_have_two_duties(shop: Shop, prefix: str) -> None:
    shop.protected.protect({"orders": [Tenant()]})
    refused = shop.holdfast("roles", "--prefix", prefix, "--application", "a", "--owner", "a", "--sql")
    assert (refused.code, "HF321" in refused.err) == (2, True)
    assert shop.holdfast("roles", "--create", "--drop").code == 2
    elsewhere = shop.holdfast("roles", "--prefix", prefix, "--schema", "nix", "--create", "--yes")
    assert elsewhere.code == 3
    assert elsewhere.err.startswith("HF325: There is no schema 'nix'.")


def test_turning_off_signing_that_was_never_on_changes_nothing(shop: Shop) -> None:
    shop.protected.protect({"orders": [Tenant()]})
    off = shop.holdfast("sign", "off", "--yes")
    assert (off.code, "Nothing to do" in off.err) == (0, True)
    assert shop.rows("select to_regclass('holdfast.signing_key')") == [(None,)]


def test_sqlite_has_no_roles(sqlite_database: str) -> None:
    holdfast = Shell(sqlite_database)
    for command in "roles", "doctor":
        refused = holdfast(command)
        assert (refused.code, "HF324" in refused.err) == (3, True)
