"""``unprotect`` gives back the very schema that was there before; without ``--purge-history`` the past still reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg
import pytest

from holdfast.declaration import without_protection
from holdfast.errors import DeclarationError, UnsupportedError
from holdfast.policies import Audit, Guard, Policy, SoftDelete, Timestamps, Version
from tests.harness import Protected
from tests.servers import libpq_url, pg_dump_schema

EVERYTHING: Sequence[Policy] = (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=100))

# One of every kind of object that a trigger, a right or a column could disturb.
KINDS = """
create schema "Sales & Co";
create schema ledger;
create type ledger.mood as enum ('sad', 'ok');
create domain ledger.amount as numeric(12, 2) check (value >= 0);
create type ledger.place as (street text, zip text);
create extension if not exists plpgsql;
create sequence ledger.free start 7 increment 3;
create collation ledger.german from "C";
create function ledger.twice(n int) returns int language sql immutable as 'select n * 2';
create procedure ledger.nothing() language plpgsql as 'begin end';
create aggregate ledger.total(int) (sfunc = int4pl, stype = int, initcond = '0');
create table ledger.accounts (
    id bigint generated always as identity primary key,
    code text not null unique, mood ledger.mood default 'ok', held ledger.amount, home ledger.place,
    doubled int generated always as (ledger.twice(4)) stored, tags text[] default '{}', "Weird ""Column" int,
    constraint positive check (held > 0), exclude using btree (code with =)
);
create table ledger.entries (
    id serial primary key, account bigint references ledger.accounts on delete cascade on update cascade,
    note text collate ledger.german,
    parent int references ledger.entries on delete set null deferrable initially deferred
);
create table ledger.audits (id uuid primary key, entry int references ledger.entries on delete set default, n int);
create table ledger.stops (id int primary key, account bigint references ledger.accounts on delete restrict);
create table "Sales & Co"."Order ""Items" ("Id" int, part text, primary key ("Id", part));
create table ledger.days (day date not null, n int, primary key (day, n)) partition by range (day);
create table ledger.days_1 partition of ledger.days for values from ('2024-01-01') to ('2025-01-01');
create table ledger.days_2 partition of ledger.days for values from ('2025-01-01') to ('2026-01-01')
    partition by list (n);
create table ledger.days_2_1 partition of ledger.days_2 for values in (1);
create table "Sales & Co".days_3 partition of ledger.days default;
create table ledger.shape (id int primary key, name text);
create table ledger.circle (radius int, primary key (id)) inherits (ledger.shape);
create unlogged table ledger.scratch (id int primary key);
create table ledger.keyless (n int);
create index on ledger.entries (note) where note is not null;
create index on ledger.accounts using gin (tags);
create unique index on ledger.entries (lower(note));
create statistics ledger.some (dependencies) on account, parent from ledger.entries;
create view ledger.rich as select * from ledger.accounts where held > 100 with check option;
create materialized view ledger.counted as select count(*) from ledger.entries;
create rule nowhere as on insert to ledger.rich do instead nothing;
create function ledger.touch() returns trigger language plpgsql as 'begin return new; end';
create trigger zz_last before update on ledger.accounts for each row execute function ledger.touch();
create trigger a_first after insert on ledger.accounts for each statement execute function ledger.touch();
alter table ledger.accounts disable trigger a_first;
create constraint trigger checked after insert on ledger.entries deferrable
    for each row execute function ledger.touch();
alter table ledger.accounts enable row level security;
create policy mine on ledger.accounts using (code = current_user);
alter table ledger.entries replica identity full;
alter table ledger.entries set (fillfactor = 70, autovacuum_enabled = off);
alter table ledger.accounts alter column code set statistics 500, alter column code set storage external;
alter table ledger.entries cluster on entries_pkey;
comment on table ledger.accounts is 'who has what';
comment on column ledger.accounts.code is 'the code';
comment on trigger zz_last on ledger.accounts is 'last of all';
grant select, insert on ledger.accounts to public;
grant update (code) on ledger.accounts to public;
grant usage on schema "Sales & Co" to public;
revoke execute on function ledger.twice from public;
alter default privileges in schema ledger grant select on tables to public;
alter default privileges grant execute on functions to public;
alter default privileges grant select, insert, update, delete on tables to public;
create publication all_of_it for table ledger.accounts, ledger.entries;
create function ledger.watch() returns event_trigger language plpgsql as 'begin end';
create event trigger watching on ddl_command_end execute function ledger.watch();
"""


def wanted(database: Protected, policies: Sequence[Policy]) -> Mapping[str, Sequence[Policy]]:
    """What ``protect --all`` would take."""
    inventory = database.inventory()
    left = {table.name for table, _ in without_protection(inventory)}
    return {str(name): policies for name in inventory.tables if name not in left}


def fingerprint(database: Protected) -> str:
    if database.name == "postgresql":
        return pg_dump_schema(database.url)
    return repr(database.rows("select type, name, tbl_name, sql from sqlite_schema order by rowid"))


def has_role(database: Protected) -> bool:
    return database.rows("select exists (select from pg_roles where rolname = 'holdfast')") == [(True,)]


@pytest.mark.usefixtures("no_templates")
@pytest.mark.all_versions
@pytest.mark.parametrize("roles_apart", [True, False], ids=["apart", "one_role"])
def test_every_kind_of_object(postgresql_database: str, roles_apart: bool) -> None:
    database = Protected(postgresql_database)
    with psycopg.connect(libpq_url(postgresql_database)) as connection:
        connection.execute(KINDS)
    before = pg_dump_schema(postgresql_database)

    database.protect(wanted(database, EVERYTHING), add_columns=True, roles_apart=roles_apart)
    assert database.drift() == []
    assert pg_dump_schema(postgresql_database) != before
    database.run(
        "insert into ledger.accounts (code, held) values ('a', 200)",
        "insert into ledger.days values ('2024-02-02', 1), ('2025-02-02', 1), ('2030-01-01', 5)",
        """insert into "Sales & Co"."Order ""Items" values (1, 'x')""",
        "delete from ledger.days",
        "set local holdfast.allow = 'truncate'",
        "truncate ledger.accounts cascade",
        "truncate ledger.days",
    )
    assert {each.operation for each in database.log()} >= {"insert", "delete", "truncate"}

    database.unprotect(purge_history=True)
    assert pg_dump_schema(postgresql_database) == before
    assert not has_role(database)


def test_the_default_privileges_of_whoever_installs_give_nothing_away(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run(
        "create table t (id int primary key)",
        "alter default privileges grant all on tables to public",
        "alter default privileges grant all on functions to pg_monitor",
        "alter default privileges grant all on schemas to public",
        "alter default privileges grant all on sequences to public",
    )
    database.protect({"t": [Audit()]})
    assert (
        database.rows(
            "select c.relname, a.privilege_type from pg_class as c cross join lateral aclexplode(c.relacl) as a"
            " where c.relnamespace = 'holdfast'::regnamespace and a.grantee <> c.relowner"
        )
        == []
    )
    # What says who it is, and what it may do; nothing that writes the journal but by its own rules.
    open_to_all = "as_of assign_role granted may named permissions_of present_permissions present_tenant record_denial"
    open_to_all += " require set_context set_signed_context withdraw_role"
    assert database.rows(
        "select p.proname from pg_proc as p cross join lateral aclexplode(p.proacl) as a"
        " where p.pronamespace = 'holdfast'::regnamespace and a.grantee <> p.proowner"
        " order by 1"
    ) == [(name,) for name in open_to_all.split()]
    assert database.rows("select has_schema_privilege('public', 'holdfast', 'create')") == [(False,)]
    assert database.drift() == []


@pytest.mark.parametrize("chinook", ["chinook_postgresql", "chinook_sqlite"])
@pytest.mark.parametrize("policies", [(Audit(),), EVERYTHING], ids=["audit", "everything"])
def test_chinook(request: pytest.FixtureRequest, chinook: str, policies: Sequence[Policy]) -> None:
    database = Protected(request.getfixturevalue(chinook))
    before = fingerprint(database)
    tables = {name.name: database.checksum(f'"{name.name}"') for name in database.inventory().tables}
    database.protect(wanted(database, policies), add_columns=True)
    assert database.drift() == []
    database.unprotect(purge_history=True)
    assert fingerprint(database) == before
    assert {name: database.checksum(f'"{name}"') for name in tables} == tables


@pytest.mark.parametrize("purge", [True, False])
def test_unprotecting_one_table_leaves_the_others_alone(database: str, purge: bool) -> None:
    shop = Protected(database)
    shop.run("create table a (id int primary key, n int)", "create table b (id int primary key, n int)")
    shop.protect({"a": EVERYTHING, "b": EVERYTHING}, add_columns=True)
    shop.run("insert into a (id, n) values (1, 1)", "insert into b (id, n) values (1, 1)")
    shop.unprotect("a", purge_history=purge)
    assert shop.drift() == []
    assert [each.table for each in shop.log()] == (["b"] if purge else ["a", "b"])
    before = len(shop.log())
    shop.run("update a set n = 2", "update b set n = 2")
    assert [(each.table, each.before) for each in shop.log()[before:]] == [("b", {"n": 1})]
    assert [column.name for column in shop.inventory().resolve("a").columns] == ["id", "n"]


@pytest.mark.parametrize(
    "statements, told",
    [
        (
            ("create table gone (x)", "create view broken as select x from gone", "drop table gone"),
            "The view broken stands in the way: no such table: main.gone.",
        ),
        (("create view newest as select updated_at from a",), "The view newest stands in the way: no such column"),
        (("create index by_mark on a (deleted_at)",), "The index by_mark stands in the way: no such column"),
        (
            ("create trigger mine after insert on b begin select version from b; end",),
            "The trigger mine stands in the way: no such column",
        ),
    ],
    ids=["broken_view", "view", "index", "trigger"],
)
@pytest.mark.parametrize("purge", [True, False])
def test_what_stops_sqlite_from_dropping_a_column_stops_all_of_it(
    sqlite_database: str, statements: Sequence[str], told: str, purge: bool
) -> None:
    shop = Protected(sqlite_database)
    shop.run(
        "create table a (id integer primary key, n int)", "create table b (id integer primary key, a int references a)"
    )
    bare = fingerprint(shop)
    shop.protect({"a": EVERYTHING, "b": EVERYTHING}, add_columns=True)
    shop.run("insert into a (id, n) values (1, 1)")
    shop.run(*statements)
    before, history = fingerprint(shop), shop.log()

    with pytest.raises(UnsupportedError, match=f"HF414: {told}"):
        shop.unprotect(purge_history=purge)

    assert fingerprint(shop) == before
    assert shop.drift() == []
    assert shop.log() == history
    _, kind, name, *_ = statements[-2 if "gone" in told else -1].split()
    shop.run(f"drop {kind} {name}")
    shop.unprotect(purge_history=True)
    assert fingerprint(shop) == bare


def test_history_of_a_table_stays_until_it_is_purged_by_name(database: str) -> None:
    shop = Protected(database)
    shop.run("create table a (id int primary key, n int)", "create table b (id int primary key, n int)")
    shop.protect({"a": [Audit()], "b": [Audit()]})
    shop.run("insert into a values (1, 1)", "insert into b values (1, 1)", "update a set n = 2")
    shop.unprotect("a")
    assert [(each.table, each.operation) for each in shop.log("a")] == [("a", "insert"), ("a", "update")]
    # Nothing is protected after this, but the history of a was not to be purged.
    shop.unprotect("b", purge_history=True)
    assert [each.operation for each in shop.log("a")] == ["insert", "update"]
    shop.unprotect("a", purge_history=True)
    assert not shop.inventory().has_journal


def test_the_history_of_a_dropped_table_is_purged_with_everything_alone(database: str) -> None:
    shop = Protected(database)
    shop.run("create table a (id int primary key, n int)", "create table b (id int primary key, n int)")
    shop.protect({"a": [Audit()], "b": [Audit()]})
    shop.run("insert into a values (1, 1)", "insert into b values (1, 1)", "delete from a")
    shop.run("drop table a")
    shop.unprotect("b", purge_history=True)
    assert [(each.table, each.operation) for each in shop.log()] == [("a", "insert"), ("a", "delete")]
    shop.unprotect(purge_history=True)
    assert not shop.inventory().has_journal


def test_protecting_again_goes_on_where_history_ended(database: str) -> None:
    shop = Protected(database)
    shop.run("create table a (id int primary key, n int)")
    shop.protect({"a": EVERYTHING}, add_columns=True)
    shop.run("insert into a (id, n) values (1, 1)", "update a set n = 2")
    shop.unprotect("a")
    shop.run("update a set n = 3")
    shop.protect({"a": EVERYTHING}, add_columns=True)
    shop.run("update a set n = 4")
    assert len(shop.inventory().relations) == 1
    updates = [each for each in shop.log("a") if each.operation == "update"]
    assert [(each.before, each.after) for each in updates] == [({"n": 1}, {"n": 2}), ({"n": 3}, {"n": 4})]
    shop.unprotect(purge_history=True)
    assert [column.name for column in shop.inventory().resolve("a").columns] == ["id", "n"]


def test_a_child_cannot_leave_a_parent_whose_rows_it_must_follow(database: str) -> None:
    shop = Protected(database)
    shop.run(
        "create table p (id int primary key)",
        "create table c (id int primary key, p int references p on delete cascade)",
    )
    shop.protect({"p": [Audit(), SoftDelete()], "c": [Audit(), SoftDelete()]}, add_columns=True)
    with pytest.raises(DeclarationError, match="HF107"):
        shop.unprotect("c")
    assert shop.drift() == []


def test_a_parent_learns_that_its_child_has_no_mark_any_more(database: str) -> None:
    shop = Protected(database)
    shop.run("create table p (id int primary key)", "create table c (id int primary key, p int references p)")
    shop.protect({"p": [Audit(), SoftDelete()], "c": [Audit(), SoftDelete()]}, add_columns=True)
    shop.unprotect("c")
    assert shop.drift() == []
    shop.run("insert into p (id) values (1), (2)", "insert into c values (1, 1)")
    shop.run("delete from p where id = 2")
    assert [each.operation for each in shop.log("p")][-1] == "delete"
    with pytest.raises(Exception, match="HF201"):
        shop.run("delete from p where id = 1")


def test_a_table_whose_declaration_no_longer_holds_can_be_unprotected(database: str) -> None:
    shop = Protected(database)
    shop.run("create table a (id int primary key, n int)", "create table b (id int primary key, n int)")
    before = fingerprint(shop)
    shop.protect({"a": [Audit(exclude={"n"})], "b": [Audit()]})
    if shop.name == "postgresql":
        shop.run("alter table a rename n to m")
        shop.unprotect("b")
        shop.unprotect("a", purge_history=True)
        shop.run("alter table a rename m to n")
        shop.unprotect(purge_history=True)
        assert fingerprint(shop) == before


@pytest.mark.usefixtures("no_templates")
def test_a_role_of_that_name_that_was_there_before_stays(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run("create role holdfast")
    try:
        database.run("create table a (id int primary key)")
        database.protect({"a": [Audit()]})
        database.unprotect(purge_history=True)
        assert has_role(database)
    finally:
        database.run("drop role holdfast")


@pytest.mark.usefixtures("no_templates")
def test_a_role_that_another_database_uses_stays(postgresql_database: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgresql")
    database = Protected(postgresql_database)
    database.run("create table a (id int primary key)")
    database.protect({"a": [Audit()]})
    with server.new_database() as url:
        other = Protected(url)
        other.run("create table a (id int primary key)")
        other.protect({"a": [Audit()]})
        database.unprotect(purge_history=True)
        assert has_role(other)
        assert other.drift() == []
        other.unprotect(purge_history=True)
        assert not has_role(other)
