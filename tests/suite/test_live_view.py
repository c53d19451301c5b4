"""The view of the rows that live: made, kept, taken away; and it shows nobody more than the table does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from holdfast.dialects import dialect_for
from holdfast.errors import DeclarationError, HoldfastError, UnsupportedError
from holdfast.inventory import Inventory
from holdfast.plan import plan_protect
from holdfast.policies import Audit, SoftDelete, Timestamps, Version
from tests.harness import Protected, journal
from tests.servers import pg_dump_schema

pytestmark = pytest.mark.copy_of(build=journal)

ROLE = "holdfast_test_reader"
LIVE = SoftDelete(live_view=True)


def make_shop(url: str, soft_delete: SoftDelete = LIVE) -> Protected:
    mark = "timestamptz" if url.startswith("postgresql") else "text"
    shop = Protected(url)
    shop.run(
        f"create table orders (id int primary key, note text, deleted_at {mark})",
        "insert into orders (id, note) values (1, 'a'), (2, 'b'), (3, 'c')",
    )
    shop.protect({"orders": [soft_delete]})
    return shop


def states(shop: Protected) -> set[tuple[str, str]]:
    return {(each.object, each.state) for each in shop.drift()}


def fingerprint(shop: Protected) -> Any:
    if shop.name == "postgresql":
        return pg_dump_schema(shop.url)
    return shop.rows("select type, name, tbl_name, sql from sqlite_schema order by rowid")


@contextmanager
def reader(shop: Protected, *rights: str) -> Iterator[None]:
    """A role with those rights and no others, for as long as the block lasts."""
    shop.run(f"create role {ROLE}", *rights)
    try:
        yield
    finally:
        shop.run(f"drop owned by {ROLE}", f"drop role {ROLE}")


def read_as(shop: Protected, sql: str, *settings: str) -> list[Any]:
    with shop.database.begin() as connection:
        for statement in (*settings, f"set local role {ROLE}"):
            connection.exec_driver_sql(statement)
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def test_it_shows_the_rows_that_live_and_no_others(database: str) -> None:
    shop = make_shop(database)
    shop.run("update orders set deleted_at = current_timestamp where id = 2", "delete from orders where id = 3")
    assert shop.rows("select id, note, deleted_at from orders_live") == [(1, "a", None)]
    shop.run("update orders set deleted_at = null where id = 2")
    assert shop.rows("select id from orders_live order by id") == [(1,), (2,)]
    assert shop.drift() == []


def test_it_can_have_a_name_and_the_mark_another_column(database: str) -> None:
    shop = Protected(database)
    mark = "timestamptz" if shop.name == "postgresql" else "text"
    table, view = '"Order\'s"', '"the %living% o\'nes"'
    shop.run(f'create table {table} (id int primary key, "is ""gone""" {mark}, "%s" int)')
    shop.protect({"Order's": [SoftDelete('is "gone"', live_view="the %living% o'nes")]})
    shop.run(f"insert into {table} (id) values (1), (2)", f"delete from {table} where id = 1")
    assert shop.rows(f"select * from {view}") == [(2, None, None)]
    assert shop.drift() == []
    shop.protect({"Order's": [SoftDelete('is "gone"')]})
    assert shop.drift() == []
    with pytest.raises(HoldfastError):
        shop.rows(f"select * from {view}")


@pytest.mark.copy_of(build=None)
def test_it_leaves_no_trace(database: str) -> None:
    shop = Protected(database)
    shop.run("create table orders (id int primary key, note text)", "create table other (id int primary key)")
    before = fingerprint(shop)
    shop.protect({"orders": [Audit(), LIVE, Timestamps(), Version()], "other": [Audit()]}, add_columns=True)
    assert shop.drift() == []
    assert "orders_live" in str(fingerprint(shop))
    shop.unprotect("orders")
    assert "orders_live" not in str(fingerprint(shop))
    shop.unprotect(purge_history=True)
    assert fingerprint(shop) == before


def test_a_database_that_has_none_does_not_get_one(database: str) -> None:
    shop = make_shop(database, SoftDelete())
    assert not any(each.object.startswith("view orders") for each in shop.status())
    shop.protect({"orders": [LIVE]})
    assert ("view orders_live", "current") in {(each.object, each.state) for each in shop.status()}


def test_it_follows_the_table(database: str) -> None:
    shop = make_shop(database)
    shop.run("drop view orders_live")
    assert states(shop) == {("view orders_live", "missing")}
    shop.protect({})
    assert len(shop.rows("select * from orders_live")) == 3
    shop.run("alter table orders add column total int default 7")
    # SQLite's view shows whatever columns there are.
    assert (("view orders_live", "outdated") in states(shop)) == (shop.name == "postgresql")
    shop.protect({})
    assert shop.rows("select total from orders_live where id = 1") == [(7,)]
    shop.run("alter table orders rename note to remark")
    shop.protect({})
    assert shop.drift() == []
    assert shop.rows("select remark from orders_live where id = 1") == [("a",)]


def test_it_goes_with_a_table_that_gets_another_name(database: str) -> None:
    shop = make_shop(database)
    shop.run("alter table orders rename to invoices")
    assert {("view invoices_live", "missing"), ("view orders_live", "orphaned")} <= states(shop)
    shop.protect({})
    assert shop.drift() == []
    assert len(shop.rows("select * from invoices_live")) == 3
    with pytest.raises(HoldfastError):
        shop.rows("select * from orders_live")


def test_it_stands_in_the_way_of_a_column_that_goes(postgresql_database: str) -> None:
    """As any view does on PostgreSQL; it is dropped for the migration, and made anew by the next protect."""
    shop = make_shop(postgresql_database)
    with pytest.raises(UnsupportedError, match="HF414"):
        shop.run("alter table orders drop column note")
    shop.run("drop view orders_live", "alter table orders drop column note")
    shop.protect({})
    assert shop.drift() == []
    assert shop.rows("select * from orders_live where id = 1") == [(1, None)]


def test_what_has_the_name_already_stays(database: str) -> None:
    shop = make_shop(database, SoftDelete())
    shop.run("create view orders_live as select 'mine' as whose")
    with pytest.raises(DeclarationError, match="HF111") as caught:
        shop.protect({"orders": [LIVE]})
    assert "orders_live" in caught.value.message
    assert shop.rows("select whose from orders_live") == [("mine",)]
    shop.run("drop view orders_live", "create table orders_live (id int primary key)")
    with pytest.raises(DeclarationError, match="HF111"):
        shop.protect({"orders": [LIVE]})
    shop.protect({"orders": [SoftDelete(live_view="current_orders")]})
    assert len(shop.rows("select * from current_orders")) == 3
    shop.run("drop view current_orders", "create view current_orders as select 'mine' as whose")
    assert ("view current_orders", "missing") in states(shop)
    with pytest.raises(DeclarationError, match="HF111"):
        shop.protect({})
    shop.unprotect()
    assert shop.rows("select whose from current_orders") == [("mine",)]


def test_two_tables_cannot_share_a_view(database: str) -> None:
    shop = make_shop(database, SoftDelete())
    mark = "timestamptz" if shop.name == "postgresql" else "text"
    shop.run(f"create table carts (id int primary key, deleted_at {mark})")
    both = [SoftDelete(live_view="living")]
    with pytest.raises(DeclarationError, match="HF111"):
        shop.protect({"orders": both, "carts": both})


def test_what_users_built_upon_it_is_never_dropped(database: str) -> None:
    shop = make_shop(database)
    shop.run("create view small as select id from orders_live where id < 3")
    with pytest.raises(UnsupportedError, match="HF414") as caught:
        shop.unprotect()
    assert "small" in caught.value.message
    with pytest.raises(UnsupportedError, match="HF414"):
        shop.protect({"orders": [SoftDelete()]})
    assert shop.drift() == []
    assert shop.rows("select count(*) from small") == [(2,)]
    # Still in place, it follows the table.
    shop.run("alter table orders add column total int")
    shop.protect({})
    assert shop.drift() == []
    shop.run("drop view small")
    shop.unprotect(purge_history=True)


def test_a_trigger_that_users_gave_it_is_not_lost_when_it_is_made_anew(database: str) -> None:
    shop = make_shop(database)
    if shop.name == "postgresql":
        shop.run(
            "create function mine() returns trigger language plpgsql as 'begin return new; end'",
            "create trigger mine instead of insert on orders_live for each row execute function mine()",
        )
    else:
        shop.run("create trigger mine instead of insert on orders_live begin select 1; end")
    assert shop.drift() == []
    shop.protect({})
    shop.run("alter table orders rename deleted_at to gone_at")
    with pytest.raises(UnsupportedError, match="HF414") as caught:
        shop.protect({"orders": [SoftDelete("gone_at", live_view=True)]})
    assert "trigger mine" in caught.value.message


def test_writes_through_it_meet_the_triggers_of_the_table(postgresql_database: str) -> None:
    shop = make_shop(postgresql_database)
    shop.protect({"orders": [Audit(), Timestamps(), Version()]}, add_columns=True)
    shop.write("insert into orders_live (id, note) values (4, 'd')", actor="ada")
    shop.write("update orders_live set note = 'e', version = 1 where id = 4", actor="ada")
    shop.write("delete from orders_live where id = 4", actor="ada")
    assert [(each.operation, each.actor) for each in shop.log("orders")] == [
        ("insert", "ada"),
        ("update", "ada"),
        ("delete", "ada"),
    ]
    assert shop.rows("select note, version, deleted_at is not null from orders where id = 4") == [("e", 3, True)]
    assert shop.rows("select count(*) from orders_live where id = 4") == [(0,)]
    with pytest.raises(HoldfastError, match="HF202"):
        shop.run("update orders_live set note = 'f', version = 9 where id = 1")


def test_sqlite_takes_no_write_through_it(sqlite_database: str) -> None:
    shop = make_shop(sqlite_database)
    with pytest.raises(HoldfastError, match="view"):
        shop.run("delete from orders_live")
    assert len(shop.rows("select * from orders_live")) == 3


@pytest.mark.all_versions
def test_it_does_not_go_round_row_security(postgresql_database: str) -> None:
    shop = make_shop(postgresql_database)
    shop.run(
        "alter table orders enable row level security",
        "create policy own on orders using (note = current_setting('app.note', true))",
    )
    with reader(shop, f"grant select, update, delete on orders to {ROLE}"):
        shop.protect({"orders": [SoftDelete(live_view="living")]})
        assert read_as(shop, "select id from living", "set local app.note = 'b'") == [(2,)]
        assert read_as(shop, "select id from living") == []
        shop.run(f"grant delete on living to {ROLE}")
        read_as(shop, "delete from living returning id", "set local app.note = 'b'")
        assert shop.rows("select id from living order by id") == [(1,), (3,)]


def test_whoever_may_read_the_table_may_read_the_view_and_nobody_else(postgresql_database: str) -> None:
    shop = make_shop(postgresql_database, SoftDelete())
    with reader(shop, f"grant select on orders to {ROLE}"):
        shop.protect({"orders": [LIVE]})
        assert len(read_as(shop, "select * from orders_live")) == 3
        assert shop.drift() == []
        # A right that is taken away from the table is gone from the view.
        shop.run(f"revoke select on orders from {ROLE}")
        with pytest.raises(HoldfastError, match="HF404"):
            read_as(shop, "select * from orders_live")
        assert shop.drift() == []
        # A right on the table that is given later is missed by status, and copied.
        shop.run(f"revoke select on orders_live from {ROLE}", f"grant select on orders to {ROLE}")
        assert states(shop) == {("view orders_live", "altered")}
        shop.protect({})
        assert shop.drift() == []
        assert len(read_as(shop, "select id from orders_live")) == 3


def test_the_grants_survive_a_new_column(postgresql_database: str) -> None:
    shop = make_shop(postgresql_database)
    with reader(shop, f"grant select on orders to {ROLE}", f"grant select, insert on orders_live to {ROLE}"):
        shop.run("alter table orders add column total int")
        shop.protect({})
        assert read_as(shop, "select total from orders_live where id = 1") == [(None,)]
        assert shop.rows(f"select has_table_privilege('{ROLE}', 'orders_live', 'insert')") == [(True,)]


def test_it_belongs_to_the_owner_of_the_table(postgresql_database: str) -> None:
    shop = make_shop(postgresql_database, SoftDelete())
    with reader(shop, f"grant create, usage on schema public to {ROLE}", f"alter table orders owner to {ROLE}"):
        shop.protect({"orders": [LIVE]})
        assert shop.rows("select pg_get_userbyid(relowner) from pg_class where relname = 'orders_live'") == [(ROLE,)]
        shop.unprotect(purge_history=True)
        shop.run("alter table orders owner to current_user")


def test_reading_with_the_rights_of_its_owner_is_noticed(postgresql_database: str) -> None:
    shop = make_shop(postgresql_database)
    for change in (
        "alter view orders_live reset (security_invoker)",
        "create or replace view orders_live with (security_invoker) as select * from orders",
    ):
        shop.run(change)
        assert states(shop) == {("view orders_live", "altered")}
        shop.protect({})
        assert shop.drift() == []
    shop.run("delete from orders where id = 1")
    assert len(shop.rows("select * from orders_live")) == 2


def test_a_table_in_a_schema_of_its_own_moves_with_its_view(postgresql_database: str) -> None:
    shop = Protected(postgresql_database)
    shop.run(
        'create schema "Sales & Co"',
        "create schema archive",
        'create table "Sales & Co".orders (id int primary key, deleted_at timestamptz)',
    )
    shop.protect({"Sales & Co.orders": [LIVE]})
    assert shop.rows('select count(*) from "Sales & Co".orders_live') == [(0,)]
    # What the catalog spells of it depends on the search_path; its state does not.
    shop.run(f'alter database "{shop.database.url.database}" set search_path to "Sales & Co"')
    assert shop.drift() == []
    shop.run('alter table "Sales & Co".orders set schema archive')
    shop.protect({})
    assert shop.drift() == []
    assert shop.rows("select relnamespace::regnamespace::text from pg_class where relname = 'orders_live'") == [
        ("archive",)
    ]


def test_a_name_that_would_be_cut_off_is_refused(postgresql_database: str) -> None:
    shop = Protected(postgresql_database)
    long = "é" * 30
    shop.run(f'create table "{long}" (id int primary key, deleted_at timestamptz)')
    with pytest.raises(DeclarationError, match="HF111"):
        shop.protect({long: [LIVE]})
    shop.protect({long: [SoftDelete(live_view="short")]})
    assert shop.drift() == []


def test_where_a_view_reads_with_its_owners_rights_it_is_refused(postgresql_database: str) -> None:
    """No PostgreSQL 14 is at hand; what it answers for its version is."""
    shop = make_shop(postgresql_database, SoftDelete())
    inventory: Inventory = shop.inventory()
    old = replace(inventory, state={**inventory.state, "version": 140011})
    name = inventory.resolve("orders").name
    with pytest.raises(UnsupportedError, match="HF413") as caught:
        plan_protect(dialect_for("postgresql"), old, {name: [LIVE]})
    assert "15" in caught.value.hint
    assert plan_protect(dialect_for("postgresql"), old, {name: [SoftDelete("deleted_at")]}) is not None
