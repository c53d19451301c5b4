"""Whatever is changed behind its back is found by ``status``, and mended by ``protect``; history stays readable."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from holdfast.errors import DriftError, ProtectedError
from holdfast.inspector import inspect
from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version
from holdfast.status import status
from tests.harness import Protected
from tests.servers import dump_and_restore

POSTGRESQL = """
create table customers (id int primary key, name text not null, email text unique, deleted_at timestamptz);
create table orders (
    id int primary key, customer_id int references customers on delete cascade, status text,
    total numeric(12, 2), deleted_at timestamptz, created_at timestamptz, updated_at timestamptz, version int
);
create table events (id int, day date, what text, primary key (id, day)) partition by range (day);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01');
create schema archive;
"""
SQLITE = """
create table customers (id integer primary key, name text not null, email text unique, deleted_at text);
create table orders (
    id integer primary key, customer_id int references customers on delete cascade, status text,
    total numeric, deleted_at text, created_at text, updated_at text, version int
);
"""
DECLARED = {
    "customers": [Audit(), SoftDelete()],
    "orders": [Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=100)],
}
ROWS = (
    "insert into customers (id, name) values (1, 'Ada')",
    "insert into orders (id, customer_id, status) values (1, 1, 'new')",
    "update orders set status = 'paid' where id = 1",
)


def protected(url: str) -> None:
    database = Protected(url)
    if database.name == "postgresql":
        database.run(*POSTGRESQL.strip().rstrip(";").split(";\n"))
        database.protect({**DECLARED, "events": [Audit(), Guard(max_rows=10)]})
        database.run("insert into events values (1, '2024-05-05', 'start')")
    else:
        database.run(*SQLITE.strip().rstrip(";").split(";\n"))
        database.protect(DECLARED)
    database.run(*ROWS)
    assert database.drift() == []


pytestmark = pytest.mark.copy_of(build=protected)


def found(database: Protected) -> set[tuple[str, str, str]]:
    return {(each.table, each.object, each.state) for each in database.drift()}


def mend(database: Protected) -> None:
    """What ``protect`` does with what the database remembers alone; afterwards there is nothing left to do."""
    database.protect({})
    assert database.drift() == []
    assert database.plan({}).empty


def history(database: Protected, operation: str = "update") -> list[dict[str, object] | None]:
    return [each.before for each in database.log(operation=operation)]


ALTERATIONS = {
    "trigger disabled": (
        "alter table orders disable trigger holdfast_record_update",
        ("public.orders", "trigger holdfast_record_update", "disabled"),
    ),
    "all triggers disabled": (
        "alter table orders disable trigger user",
        ("public.orders", "trigger zz_holdfast_stamp_update", "disabled"),
    ),
    "trigger of replicas alone": (
        "alter table orders enable replica trigger holdfast_record_delete",
        ("public.orders", "trigger holdfast_record_delete", "disabled"),
    ),
    "trigger disabled on one partition": (
        "alter table events_2024 disable trigger holdfast_record_insert",
        ("public.events", "trigger holdfast_record_insert", "disabled"),
    ),
    "trigger dropped": (
        "drop trigger holdfast_record_update on orders",
        ("public.orders", "trigger holdfast_record_update", "missing"),
    ),
    "trigger renamed": (
        "alter trigger holdfast_record_update on orders rename to zzz",
        ("public.orders", "trigger zzz", "orphaned"),
    ),
    "trigger replaced by one that does less": (
        (
            "create or replace trigger holdfast_record_update after update of status on orders"
            " for each row execute function holdfast.soft_delete_mark_2()"
        ),
        ("public.orders", "trigger holdfast_record_update", "altered"),
    ),
    "trigger calls a function of the same name elsewhere": (
        (
            "create function public.record_update_2() returns trigger language plpgsql as 'begin return null; end';"
            "create or replace trigger holdfast_record_update after update on orders"
            " referencing old table as old_rows new table as new_rows for each statement"
            " execute function record_update_2()"
        ),
        ("public.orders", "trigger holdfast_record_update", "altered"),
    ),
    "constraint trigger in its place": (
        (
            "drop trigger holdfast_soft_delete_parent_1_1_insert on orders;"
            "create constraint trigger holdfast_soft_delete_parent_1_1_insert after insert on orders"
            " for each row execute function holdfast.soft_delete_parent_1_1()"
        ),
        ("public.customers", "trigger holdfast_soft_delete_parent_1_1_insert", "altered"),
    ),
    "comment of a trigger removed": (
        "comment on trigger holdfast_record_update on orders is null",
        ("public.orders", "trigger holdfast_record_update", "altered"),
    ),
    "comment of a function removed": (
        "comment on function holdfast.record_update_2() is null",
        ("public.orders", "function record_update_2", "altered"),
    ),
    "function edited": (
        (
            "create or replace function holdfast.record_update_2() returns trigger language plpgsql security definer"
            " as 'begin return null; end'"
        ),
        ("public.orders", "function record_update_2", "altered"),
    ),
    "function for everybody to call": (
        "grant execute on function holdfast.record_update_2() to public",
        ("public.orders", "function record_update_2", "altered"),
    ),
    "function dropped with its trigger": (
        "drop function holdfast.record_update_2() cascade",
        ("public.orders", "function record_update_2", "missing"),
    ),
    "function of another type in its place": (
        (
            "drop function holdfast.record_update_2() cascade;"
            "create function holdfast.record_update_2() returns int language sql as 'select 1'"
        ),
        ("public.orders", "function record_update_2", "altered"),
    ),
    "journal function edited": (
        "create or replace function holdfast.record_transaction() returns xid8 language sql as 'select null::xid8'",
        ("journal", "function record_transaction", "altered"),
    ),
    "context no longer for everybody": (
        "revoke execute on function holdfast.set_context from public",
        ("journal", "function set_context", "altered"),
    ),
    "journal function for everybody": (
        "grant execute on function holdfast.record_transaction to public",
        ("journal", "function record_transaction", "altered"),
    ),
    "journal function dropped": (
        "drop function holdfast.set_context",
        ("journal", "function set_context", "missing"),
    ),
    "journal for everybody to write": (
        "grant insert, delete on holdfast.change to public",
        ("journal", "schema holdfast", "altered"),
    ),
    "schema for everybody to fill": (
        "grant create on schema holdfast to public",
        ("journal", "schema holdfast", "altered"),
    ),
    "schema for nobody to use": (
        "revoke usage on schema holdfast from public",
        ("journal", "schema holdfast", "altered"),
    ),
    "journal index dropped": ("drop index holdfast.change_row", ("journal", "index change_row", "missing")),
    "view dropped": ("drop view holdfast.timeline cascade", ("journal", "view timeline", "missing")),
    "view edited": (
        (
            "do $$ begin execute 'create or replace view holdfast.timeline as ' || rtrim(pg_get_viewdef("
            "'holdfast.timeline'::regclass), ';') || ' where c.id > 100'; end $$"
        ),
        ("journal", "view timeline", "altered"),
    ),
    "journal table dropped": ("drop table holdfast.change_default", ("journal", "table change_default", "missing")),
    "right to read for TRUNCATE taken away": (
        "revoke select on orders from holdfast",
        ("public.orders", "trigger holdfast_record_truncate", "altered"),
    ),
    "column added": (
        "alter table orders add column note text",
        ("public.orders", "function record_update_2", "outdated"),
    ),
    "column renamed": (
        "alter table orders rename column status to state",
        ("public.orders", "function record_update_2", "outdated"),
    ),
    "column dropped": (
        "alter table orders drop column total",
        ("public.orders", "function record_update_2", "outdated"),
    ),
    "column retyped": (
        "alter table orders alter column total type text",
        ("public.orders", "function past_2", "outdated"),
    ),
    "column retyped to the same family": (
        "alter table orders alter column total type numeric(20, 4)",
        ("public.orders", "table description", "outdated"),
    ),
    "key changed": (
        "alter table orders drop constraint orders_pkey; alter table orders add primary key (id, created_at)",
        ("public.orders", "key (id, created_at), which was (id)", "outdated"),
    ),
    "table renamed": ("alter table orders rename to purchases", ("public.purchases", "table description", "outdated")),
    "table moved to another schema": (
        "alter table orders set schema archive",
        ("archive.orders", "table description", "outdated"),
    ),
    "table dropped": ("drop table orders", ("public.orders", "table", "missing")),
    "table dropped and recreated": (
        "create table fresh (like orders including all); drop table orders; alter table fresh rename to orders",
        ("public.orders", "trigger holdfast_record_update", "missing"),
    ),
    "partition attached": (
        "create table events_2026 partition of events for values from ('2026-01-01') to ('2027-01-01')",
        ("public.events", "trigger holdfast_record_truncate", "missing"),
    ),
    "partition detached": (
        "alter table events detach partition events_2024",
        ("public.events_2024", "trigger holdfast_record_truncate", "orphaned"),
    ),
    "foreign key to a soft-deleted parent added": (
        "alter table orders add column buyer int references customers on delete set null",
        ("public.customers", "trigger holdfast_soft_delete_parent_1_2_insert", "missing"),
    ),
    "child of a soft-deleted parent added": (
        "create table notes (id int primary key, customer_id int references customers)",
        ("public.customers", "function soft_delete_follow_1", "outdated"),
    ),
    "declaration changed": (
        (
            "update holdfast.relation set policies ="
            """ '[{"policy": "Audit", "inserts": "full"}, {"policy": "SoftDelete"}]' where id = 2"""
        ),
        ("public.orders", "function record_insert_2", "outdated"),
    ),
}


@pytest.mark.parametrize("alteration", list(ALTERATIONS))
def test_drift_is_found_and_mended(postgresql_database: str, alteration: str) -> None:
    database = Protected(postgresql_database)
    told = history(database)
    statement, expected = ALTERATIONS[alteration]
    database.run(statement)
    assert expected in found(database)

    mend(database)

    # What was recorded before still reads, under present names; and recording goes on.
    assert [set(each or ()) - {"state", "status"} for each in history(database)] == [
        set(each or ()) - {"state", "status"} for each in told
    ]
    if alteration != "table dropped":
        table = expected[0] if expected[0].endswith(("purchases", "archive.orders")) else "orders"
        database.run(f"insert into {table} (id, customer_id, created_at) values (7, 1, now())")
        before = len(database.log())
        database.run(f"update {table} set customer_id = null where id = 7")
        assert [each.operation for each in database.log()[before:]] == ["update"]
        database.undo()
        assert database.rows(f"select customer_id from {table} where id = 7") == [(1,)]


def test_a_renamed_column_keeps_its_history_under_its_present_name(database: str) -> None:
    protected_database = Protected(database)
    protected_database.run("alter table orders rename column status to state")
    mend(protected_database)
    protected_database.run("update orders set state = 'sent'")
    updates = [each for each in protected_database.log("orders") if each.operation == "update"]
    assert [(each.before, each.after) for each in updates] == [
        ({"state": "new"}, {"state": "paid"}),
        ({"state": "paid"}, {"state": "sent"}),
    ]


def test_a_dropped_column_keeps_its_history_and_a_new_one_of_its_name_has_its_own(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run("alter table orders drop column status")
    mend(database)
    assert {"status": "new"} in history(database)
    database.run("alter table orders add column status int default 5")
    mend(database)
    database.run("update orders set status = 6")
    assert history(database)[-1] == {"status": 5}
    [(columns,)] = database.rows("select count(*) from holdfast.relation_column where name = 'status'")
    assert columns == 2


@pytest.mark.parametrize(
    "statement, expected",
    [
        ("drop a recording trigger", ("main.orders", "missing")),
        ("alter table orders add column note text", ("main.orders", "outdated")),
        ("alter table orders drop column total", ("main.orders", "outdated")),
        ("alter table orders rename to purchases", ("main.purchases", "altered")),
        ("drop table orders", ("main.orders", "missing")),
    ],
)
def test_drift_on_sqlite(sqlite_database: str, statement: str, expected: tuple[str, str]) -> None:
    database = Protected(sqlite_database)
    told = len(history(database))
    if "trigger" in statement:
        [(statement,)] = database.rows(
            "select 'drop trigger ' || name from sqlite_schema where type = 'trigger' and tbl_name = 'orders'"
            " and name like 'holdfast!_record!_%' escape '!' limit 1"
        )
    if "drop column" in statement:
        # SQLite refuses to drop a column that a trigger names, so whoever does it drops the triggers first.
        names = database.rows("select name from sqlite_schema where type = 'trigger' and tbl_name = 'orders'")
        database.run(*(f"drop trigger {name}" for (name,) in names))
    database.run(statement)
    assert expected in {(table, state) for table, _, state in found(database)}
    mend(database)
    assert len(history(database)) == told


def test_an_edited_trigger_on_sqlite(sqlite_database: str) -> None:
    database = Protected(sqlite_database)
    [(name,), *_] = database.rows(
        "select name from sqlite_schema where type = 'trigger' and tbl_name = 'orders' and name like '%record%'"
    )
    database.run(f"drop trigger {name}", f"create trigger {name} after update on orders begin select 1; end")
    assert ("main.orders", f"trigger {name}", "altered") in found(database)
    mend(database)


JOURNAL_ALTERATIONS = {
    "append-only no longer": (
        ("drop trigger holdfast_change_no_delete",),
        ("journal", "trigger holdfast_change_no_delete", "missing"),
    ),
    "append-only but for some": (
        (
            "drop trigger holdfast_value_no_update",
            "create trigger holdfast_value_no_update before update on holdfast_value when 0 begin select 1; end",
        ),
        ("journal", "trigger holdfast_value_no_update", "altered"),
    ),
    "view dropped": (("drop view holdfast_timeline",), ("journal", "view holdfast_timeline", "missing")),
    "view edited": (
        ("drop view holdfast_timeline", "create view holdfast_timeline as select 1 as id"),
        ("journal", "view holdfast_timeline", "altered"),
    ),
    "index dropped": (("drop index holdfast_change_row",), ("journal", "index holdfast_change_row", "missing")),
    "index over something else": (
        ("drop index holdfast_change_row", "create index holdfast_change_row on holdfast_change (key)"),
        ("journal", "index holdfast_change_row", "altered"),
    ),
    "table dropped": (("drop table holdfast_hold",), ("journal", "table holdfast_hold", "missing")),
}


@pytest.mark.parametrize("alteration", list(JOURNAL_ALTERATIONS))
def test_drift_of_the_journal_on_sqlite(sqlite_database: str, alteration: str) -> None:
    database = Protected(sqlite_database)
    told = history(database)
    made = database.rows("select type, name, sql from sqlite_schema order by type, name")
    statements, expected = JOURNAL_ALTERATIONS[alteration]
    database.run(*statements)
    assert found(database) == {expected}

    mend(database)

    assert database.rows("select type, name, sql from sqlite_schema order by type, name") == made
    assert history(database) == told
    for written in ("update holdfast_value set before = 'forged'", "delete from holdfast_change"):
        with pytest.raises(ProtectedError, match="HF201"):
            database.run(written)


def test_a_journal_that_was_made_before_its_objects_were_written_down_is_outdated(sqlite_database: str) -> None:
    database = Protected(sqlite_database)
    told = history(database)
    own = "select name from sqlite_schema where tbl_name glob 'holdfast_*'"
    database.run(f"delete from holdfast_object where name in ({own})")
    states = [each for each in database.status() if each.table == "journal"]
    assert {each.state for each in states} == {"outdated"}
    assert {each.object.split()[0] for each in states} == {"table", "index", "trigger", "view"}
    mend(database)
    assert history(database) == told


def test_a_journal_table_that_was_altered_on_sqlite_is_told_and_not_hidden(sqlite_database: str) -> None:
    database = Protected(sqlite_database)
    database.run("alter table holdfast_change add column extra")
    assert found(database) == {("journal", "table holdfast_change", "altered")}
    with pytest.raises(DriftError, match="HF305"):
        database.protect({})
    database.run("alter table holdfast_change drop column extra")
    assert database.drift() == []


def test_a_file_that_was_dumped_and_read_in_again_is_as_declared(sqlite_database: str, tmp_path: Path) -> None:
    database = Protected(sqlite_database)
    told = history(database)
    with closing(sqlite3.connect(database.database.url.database or "")) as old:
        script = "\n".join(old.iterdump())
    with closing(sqlite3.connect(tmp_path / "copy.db")) as new:
        new.executescript(script)
    copy = Protected(f"sqlite:///{tmp_path / 'copy.db'}")
    assert copy.drift() == []
    assert history(copy) == told


def test_status_compares_with_what_a_declaration_says_now(database: str) -> None:
    protected_database = Protected(database)
    with protected_database.database.connect() as connection:
        dialect, inventory = inspect(connection, protected_database.database.dialect)
    orders = inventory.resolve("orders").name
    assert {each.state for each in status(dialect, inventory, {orders: DECLARED["orders"]})} == {"current"}
    stricter = status(dialect, inventory, {orders: [Guard(max_rows=1)]})
    assert {each.policy for each in stricter if each.state == "outdated"} >= {"Guard"}
    column = status(dialect, inventory, {orders: [SoftDelete("removed_on")]})
    assert ("column removed_on", "missing") in {(each.object, each.state) for each in column}


def test_a_table_that_took_a_protected_tables_name_is_not_taken_for_it(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run("create table fresh (like orders including all)", "alter table orders rename to orders_old")
    database.run("alter table fresh rename to orders")
    mend(database)
    assert [str(each.table) for each in database.inventory().relations.values() if each.id == 2] == [
        "public.orders_old"
    ]
    database.run("update orders_old set status = 'kept'")
    assert database.log()[-1].table == "orders_old"


def test_two_protected_tables_swapped_by_a_drop_and_a_rename(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run("create table orders_new (id int primary key, status text)")
    database.protect({"orders_new": [Audit()]})
    database.run("insert into orders_new values (1, 'new')", "drop table orders")
    database.run("alter table orders_new rename to orders")
    assert ("public.orders", "table", "missing") in found(database)
    mend(database)
    database.run("update orders set status = 'x'")
    assert database.log()[-1].before == {"status": "new"}


def test_a_journal_table_that_was_altered_is_told_and_not_hidden(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run("alter table holdfast.change rename column before to was")
    assert ("journal", "table change", "altered") in found(database)
    with pytest.raises(DriftError, match="HF305"):
        database.protect({})
    database.run("alter table holdfast.change rename column was to before")
    assert database.drift() == []


def test_a_journal_that_has_lost_its_declarations_says_so(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run("drop table holdfast.relation cascade")
    with pytest.raises(DriftError, match="HF305"):
        database.status()


def test_a_right_to_read_the_journal_is_no_drift_and_stays(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run("grant select on holdfast.timeline to public", "drop function holdfast.named cascade")
    database.protect({})
    database.run("grant select on holdfast.timeline to public")
    assert database.drift() == []
    database.protect({"orders": [Guard(max_rows=5)]})
    assert database.rows("select has_table_privilege('public', 'holdfast.timeline', 'select')") == [(True,)]


def test_a_dump_restored_elsewhere_is_as_declared_and_goes_on(postgresql_database: str, elsewhere: str) -> None:
    database = Protected(postgresql_database)
    # A dropped column: the copy numbers its columns anew. And other oids for everything.
    database.run("alter table orders drop column total")
    mend(database)
    database.run("update orders set status = 'sent'")
    told = [(each.table, each.key, each.operation, each.before, each.after) for each in database.log()]

    dump_and_restore(postgresql_database, elsewhere)

    copy = Protected(elsewhere)
    assert copy.drift() == []
    assert [(each.table, each.key, each.operation, each.before, each.after) for each in copy.log()] == told
    copy.run("update orders set status = 'back' where id = 1")
    assert copy.log()[-1].before == {"status": "sent"}
    copy.undo()
    assert copy.rows("select status from orders") == [("sent",)]
    # A transaction that was made in the other database is taken back here.
    paid = next(each for each in copy.log("events") if each.operation == "insert")
    copy.undo(paid.transaction)
    assert copy.rows("select count(*) from events") == [(0,)]
    mend(copy)
    copy.protect({"customers": [Guard(max_rows=3)]})
    assert copy.drift() == []
    assert {type(each).__name__ for each in copy.inventory().relations[1].policies} == {"Audit", "SoftDelete", "Guard"}


def test_oids_of_a_restored_database_are_not_believed(postgresql_database: str, elsewhere: str) -> None:
    database = Protected(postgresql_database)
    dump_and_restore(postgresql_database, elsewhere)
    copy = Protected(elsewhere)
    # The number that orders had is now, by chance, that of customers.
    copy.run("update holdfast.relation set oid = 'customers'::regclass where id = 2")
    assert copy.drift() == []
    assert database.drift() == []
    copy.run("update orders set status = 'x'")
    assert copy.log()[-1].table == "orders"


def test_a_later_protect_elsewhere_keeps_what_was_declared(database: str) -> None:
    first = Protected(database)
    second = Protected(database)
    second.protect({"customers": [Guard(max_rows=50)]})
    policies = {each.table.name: each.policies for each in second.inventory().relations.values()}
    assert policies["customers"] == (Audit(), SoftDelete(), Guard(max_rows=50))
    assert set(policies["orders"]) == set(DECLARED["orders"])
    assert first.drift() == []
