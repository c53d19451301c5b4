"""Switched off one at a time, each trigger and index is missed by some check: none of them is there for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version
from tests.harness import Protected
from tests.servers import libpq_url

SCHEMA = """
create table parent (id int primary key, n int default 0);
create table child (id int primary key, parent int references parent on delete cascade, n int);
create table note (id int primary key, parent int references parent on delete set null);
create table invoice (id int primary key, parent int references parent on delete restrict);
create table entry (id int primary key, n int);
create table event (id int, day date, n int, primary key (id, day)) partition by range (day);
create table event_1 partition of event for values from ('2024-01-01') to ('2025-01-01');
create table event_2 partition of event for values from ('2025-01-01') to ('2026-01-01');
"""
DECLARED = {
    "parent": (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=3)),
    "child": (Audit(form="row"), SoftDelete()),
    "note": (Audit(inserts="full"), Guard(truncate=True)),
    "entry": (Audit(), SoftDelete(raw_delete="refuse"), Version()),
    "event": (Audit(), SoftDelete(), Timestamps(), Guard(max_rows=3)),
}
ROWS = """
insert into parent (id) select * from generate_series(1, 9);
insert into child (id, parent) select i, i from generate_series(1, 9) as i;
insert into note values (1, 1), (2, 2);
insert into invoice values (1, 9);
insert into entry (id, n) values (1, 1), (2, 2);
insert into event (id, day) select i, day from generate_series(1, 5) as i,
    (values (date '2024-05-05'), ('2025-05-05')) as d (day);
"""
TOLD = (
    "select string_agg(distinct concat(table_name, ' ', operation), ', ') from holdfast.timeline"
    " where xid = pg_current_xact_id()"
)


@dataclass(frozen=True)
class Check:
    """Statements in a transaction that is rolled back, and what comes of them: an SQLSTATE, or an answer."""

    statements: str
    expected: object
    query: str = "select null"
    beside: str = ""
    """What another transaction has done and not committed yet."""


def told(statements: str, *changes: str) -> Check:
    """The journal tells of these changes and of no others."""
    return Check(statements, ", ".join(sorted(changes)), TOLD)


WRITER = (
    "create role holdfast_test_writer; grant select, update, delete on parent, child to holdfast_test_writer;"
    " alter table parent enable row level security; alter table child enable row level security;"
    " create policy low on parent using (id < 6); create policy low on child using (id < 6);"
    " set local role holdfast_test_writer"
)

CHECKS = [
    *(
        told(f"insert into {table} (id) values (50)", f"{table} insert")
        for table in ("parent", "child", "note", "entry")
    ),
    *(told(f"update {table} set n = 77 where id = 1", f"{table} update") for table in ("parent", "child", "entry")),
    told("update note set parent = 3 where id = 1", "note update"),
    told("delete from note where id = 1", "note delete"),
    told("set local holdfast.allow = 'hard_delete'; delete from child where id = 5", "child delete"),
    told("set local holdfast.allow = 'hard_delete'; delete from entry where id = 2", "entry delete"),
    told("set local holdfast.allow = 'hard_delete'; delete from parent where id = 8", "parent delete", "child delete"),
    told("truncate note", "note truncate"),
    told("set local holdfast.allow = 'truncate'; truncate entry", "entry truncate"),
    told("set local holdfast.allow = 'truncate'; truncate child", "child truncate"),
    told("set local holdfast.allow = 'truncate'; truncate event_1", "event truncate"),
    told("insert into event (id, day) values (9, '2024-01-01')", "event insert"),
    told("update event set n = 5 where id = 1", "event update"),
    told("set local holdfast.allow = 'hard_delete'; delete from event where id = 1", "event delete"),
    Check("truncate parent, child, note, invoice", "HF205"),
    Check("truncate child", "HF205"),
    Check("truncate entry", "HF205"),
    Check("truncate event", "HF205"),
    Check("truncate event_1", "HF205"),
    Check("truncate event_2", "HF205"),
    told(
        "set local holdfast.allow = 'truncate'; truncate parent cascade",
        "parent truncate",
        "child truncate",
        "note truncate",
    ),
    told("set local holdfast.allow = 'truncate'; truncate event_2", "event truncate"),
    Check("alter table child disable trigger holdfast_guard_truncate; truncate parent cascade", "HF205"),
    Check(
        "alter table event detach partition event_1; alter table event detach partition event_2;"
        " create table event_3 partition of event default; truncate event",
        "HF205",
    ),
    Check("delete from entry where id = 1", "HF201"),
    Check("delete from parent where id = 9", "HF201"),
    Check("update parent set n = 5", "HF204"),
    Check("delete from parent where id between 2 and 8", "HF204"),
    Check("update event set n = 5", "HF204"),
    Check("update event_1 set n = 5", "HF204"),
    Check("update event_2 set n = 5", "HF204"),
    Check("delete from event", "HF204"),
    Check("delete from event_1", "HF204"),
    Check("delete from event_2", "HF204"),
    Check("set local holdfast.allow = 'hard_delete'; delete from parent where id between 2 and 6", "HF204"),
    Check("set local holdfast.allow = 'hard_delete'; delete from event_1", "HF204"),
    Check("set local holdfast.allow = 'hard_delete'; delete from event_2", "HF204"),
    Check("set local holdfast.allow = 'hard_delete'; delete from event where id < 3", "HF204"),
    Check("update parent set version = 7 where id = 1", "HF202"),
    Check("update entry set version = 7 where id = 1", "HF202"),
    Check("insert into parent (id, version) values (50, 9)", 1, "select version from parent where id = 50"),
    Check("insert into entry (id, version) values (50, 9)", 1, "select version from entry where id = 50"),
    Check("update entry set n = 9 where id = 1", 2, "select version from entry where id = 1"),
    Check(
        "insert into event (id, day, created_at) values (9, '2024-01-01', 'epoch')",
        True,
        "select created_at > 'epoch' from event where id = 9",
    ),
    Check(
        "update event set n = 9, updated_at = 'epoch' where id = 1",
        True,
        "select bool_and(updated_at > created_at) from event where id = 1",
    ),
    # The mark, for each table, its partitions, and what refers to it.
    Check("delete from parent where id = 1", [1], "select array_agg(id) from parent where deleted_at is not null"),
    Check("delete from parent where id = 1", [1], "select array_agg(id) from child where deleted_at is not null"),
    Check("delete from parent where id = 1", None, "select parent from note where id = 1"),
    Check(
        "delete from parent where id = 1; update parent set deleted_at = null where id = 1",
        0,
        "select count(*) from child where deleted_at is not null",
    ),
    Check(
        "delete from child where id = 1; delete from parent where id = 1;"
        " update parent set deleted_at = null where id = 1",
        [1],
        "select array_agg(id) from child where deleted_at is not null",
    ),
    Check(
        "update parent set deleted_at = 'epoch' where id = 2",
        True,
        "select deleted_at > 'epoch' from parent where id = 2",
    ),
    Check(
        "update child set deleted_at = 'epoch' where id = 2",
        True,
        "select deleted_at > 'epoch' from child where id = 2",
    ),
    Check(
        "update entry set deleted_at = 'epoch' where id = 2",
        True,
        "select deleted_at > 'epoch' from entry where id = 2",
    ),
    Check(
        "update event set deleted_at = 'epoch' where id = 2",
        True,
        "select bool_and(deleted_at > 'epoch') from event where id = 2",
    ),
    Check("delete from child where id = 2", True, "select deleted_at is not null from child where id = 2"),
    Check("delete from event where id = 2", 2, "select count(*) from event where id = 2 and deleted_at is not null"),
    Check("delete from event_1 where id = 2", 1, "select count(*) from event where id = 2 and deleted_at is not null"),
    Check(
        "update event_1 set day = '2024-06-06' where id = 1;"
        " update event set day = '2025-07-07' where day = '2024-06-06'",
        2,
        "select count(*) from event_2 where id = 1 and deleted_at is null",
    ),
    Check(
        "update event set day = '2024-07-07' where id = 1 and day = '2024-05-05';"
        " delete from event where day = '2024-07-07'",
        1,
        "select count(*) from event_1 where id = 1 and deleted_at is not null",
    ),
    Check(
        "delete from parent where id in (1, 2); delete from parent where id in (3, 4)",
        4,
        "select count(*) from parent where deleted_at is not null",
    ),
    Check(
        "delete from event where id = 1; delete from event where id = 2",
        4,
        "select count(*) from event where deleted_at is not null",
    ),
    Check(
        "delete from event_1 where id in (1, 2); delete from event_1 where id in (3, 4)",
        4,
        "select count(*) from event where deleted_at is not null",
    ),
    Check(
        "delete from event_2 where id in (1, 2); delete from event_2 where id in (3, 4)",
        4,
        "select count(*) from event where deleted_at is not null",
    ),
    Check("delete from parent where id = 3; insert into child (id, parent) values (60, 3)", "HF201"),
    Check("delete from parent where id = 3; insert into note values (60, 3)", "HF201"),
    Check("delete from parent where id = 3; insert into invoice values (60, 3)", "HF201"),
    Check("delete from parent where id = 3; update child set deleted_at = null where id = 3", "HF201"),
    Check("delete from parent where id = 3; update note set parent = 3 where id = 1", "HF201"),
    Check("delete from parent where id = 3; update invoice set parent = 3", "HF201"),
    Check(
        "set local lock_timeout = 100; update parent set deleted_at = now() where id = 4",
        "55P03",
        beside="insert into child (id, parent) values (70, 4)",
    ),
    # Under row security each row goes by itself, and what others wrote into the settings counts for nothing.
    *(
        Check(
            f"{WRITER}; {statements}; reset role",
            marked,
            f"select array_agg(id) from {table} where deleted_at is not null",
        )
        for table, statements, marked in (
            ("child", "delete from child", [1, 2, 3, 4, 5]),
            ("parent", "delete from parent where id > 3", [4, 5]),
            ("parent", "delete from parent where id < 4; delete from parent where id > 3", [1, 2, 3, 4, 5]),
            (
                "parent",
                "select set_config('holdfast.deleted_1_a', ',(0,8)', true); delete from parent where false",
                None,
            ),
            ("child", "select set_config('holdfast.deleted_2_a', ',(0,8)', true); delete from child where false", None),
        )
    ),
    Check(f"{WRITER}; delete from parent", "HF204"),
    # The journal itself.
    Check(
        "update parent set n = 1 where id = 1; select holdfast.record_transaction()",
        1,
        "select count(*) from holdfast.transaction where xid = pg_current_xact_id()",
    ),
    Check("set local enable_seqscan = off", False, "select plan('relation = 1 and key = ''1''') ~ 'Seq Scan'"),
    Check(
        "set local enable_seqscan = off",
        True,
        "select plan('relation = 1 and key = ''1''') ~ '(?n)Index Cond: .*key ='",
    ),
    Check(
        "set local enable_seqscan = off",
        True,
        "select plan('relation = 1 and key_last > 4 and key_last is not null') ~ '(?n)Index Cond: .*key_last'",
    ),
    Check("set local enable_seqscan = off", True, "select plan('at > now()') ~ '(?n)Index Cond: .*at >'"),
    Check("set local enable_seqscan = off", True, "select plan('id > 7') ~ 'change_[0-9]+_at_id_idx'"),
    Check(
        "update parent set n = 5 where id = 1;"
        " select set_config('holdfast_test.written', clock_timestamp()::text, true); set constraints all immediate",
        True,
        "select t.committed > current_setting('holdfast_test.written')::timestamptz"
        " from holdfast.transaction as t where t.xid = pg_current_xact_id()",
    ),
]
PLAN = """
create function public.plan(condition text) returns text language plpgsql as $$
declare
    v_line text;
    v_all text := '';
begin
    for v_line in execute 'explain (costs off) select * from holdfast.change where ' || condition loop
        v_all := v_all || v_line || chr(10);
    end loop;
    return v_all;
end $$
"""


def outcome(connection: psycopg.Connection, check: Check) -> object:
    if not check.beside:
        return _outcome(connection, check)
    with psycopg.connect(connection.info.dsn) as other:
        other.execute(check.beside)
        result = _outcome(connection, check)
        other.rollback()
        return result


def _outcome(connection: psycopg.Connection, check: Check) -> object:
    try:
        for statement in check.statements.split(";"):
            connection.execute(statement)
        row = connection.execute(check.query).fetchone()
        return row[0] if row else None
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        connection.rollback()


def missed(connection: psycopg.Connection, nearest: str = "") -> Iterator[Check]:
    """Checks that do not come out as they should; those that write to that table first."""
    for check in sorted(CHECKS, key=lambda check: nearest not in re.findall(r"\w+", check.statements)):
        if outcome(connection, check) != check.expected:
            yield check


def parts(database: Protected) -> dict[str, tuple[str, str]]:
    """Everything that can be switched off, with the way to do it and the way back."""
    triggers = database.rows(
        "select t.tgname, t.tgrelid::regclass::text from pg_trigger as t"
        " where not t.tgisinternal and t.tgparentid = 0 order by 2, 1"
    )
    switches = {
        f"{name} on {table}": (
            f"alter table {table} disable trigger {name}",
            f"alter table {table} enable trigger {name}",
        )
        for name, table in triggers
    }
    indexes = database.rows(
        "select c.relname, pg_get_indexdef(c.oid) from pg_class as c"
        " where c.relnamespace = 'holdfast'::regnamespace and c.relkind = 'I' order by 1"
    )
    for name, definition in indexes:
        switches[f"index {name}"] = (f"drop index holdfast.{name}", definition.replace(" ON ONLY ", " ON "))
    for name, definition in database.rows(
        "select conname, pg_get_constraintdef(oid) from pg_constraint"
        " where conrelid = 'holdfast.transaction'::regclass and contype = 'u'"
    ):
        table = "alter table holdfast.transaction"
        switches[f"constraint {name}"] = (
            f"{table} drop constraint {name}",
            f"{table} add constraint {name} {definition}",
        )
    return switches


def test_nothing_can_be_switched_off_unnoticed(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run(*SCHEMA.strip().rstrip(";").split(";\n"), PLAN)
    database.protect(DECLARED, add_columns=True)
    for rows in ROWS.strip().rstrip(";").split(";\n"):
        database.run("set local holdfast.allow = 'mass'", rows)
    unnoticed = []
    with psycopg.connect(libpq_url(postgresql_database)) as connection:
        assert [(each, outcome(connection, each)) for each in missed(connection)] == []
        switches = parts(database)
        assert len(switches) > 40
        for what, (off, on) in switches.items():
            connection.execute(off)
            connection.commit()
            if next(missed(connection, what.rpartition(" ")[2]), None) is None:
                unnoticed.append(what)
            # And status sees it, in its own way.
            if not database.drift():
                unnoticed.append(f"{what} (by status)")
            connection.execute(on)
            connection.commit()
    assert unnoticed == [], "\n".join(unnoticed)
