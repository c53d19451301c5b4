"""What was sealed cannot be changed without a trace: each attack is found and named."""

from __future__ import annotations

import psycopg
import pytest

from holdfast.evidence import seal, verify
from tests.harness import Protected
from tests.sealed import MAINTENANCE, check, kinds, sealed
from tests.servers import libpq_url

pytestmark = pytest.mark.copy_of(build=sealed)


# Changes: 1 insert of the customer, 2 insert of both orders, 3 payment, 4 and 5 rolled back, 6 total, 7 delete, 8 name.
POSTGRESQL: dict[str, tuple[str, list[str]]] = {
    "value of a change edited": (
        "update holdfast.change set after = replace(after, 'paid', 'open') where id = 3",
        ["change edited"],
    ),
    "change given to another row": ("update holdfast.change set key = '2' where id = 3", ["change edited"]),
    "operation edited": ("update holdfast.change set operation = 'U' where id = 7", ["change edited"]),
    "change moved in time": ("update holdfast.change set at = at - interval '1 hour' where id = 3", ["change edited"]),
    "change removed": ("delete from holdfast.change where id = 6", ["change removed"]),
    "run of inserts shortened": ("update holdfast.change set key_last = null where id = 2", ["change edited"]),
    "change inserted where a number was free": (
        (
            "insert into holdfast.change (id, xid, at, relation, operation, key, before, after)"
            " select 4, xid, at, relation, operation, key, before, after from holdfast.change where id = 3"
        ),
        ["change inserted"],
    ),
    "change inserted before all others": (
        (
            "insert into holdfast.change (id, xid, at, relation, operation, key)"
            " select 0, xid, at, relation, 'I', '9' from holdfast.change where id = 1"
        ),
        ["change inserted"],
    ),
    "change inserted twice": (
        "insert into holdfast.change select * from holdfast.change where id = 3",
        ["change inserted"],
    ),
    "two changes exchanged": (
        "update holdfast.change set id = case id when 3 then 6 else 3 end where id in (3, 6)",
        ["change reordered"],
    ),
    "change moved to a free number": ("update holdfast.change set id = 5 where id = 3", ["change reordered"]),
    "change moved behind the last seal": ("update holdfast.change set id = 99 where id = 3", ["change removed"]),
    "actor edited": ("update holdfast.transaction set actor = 'bo' where actor = 'eve'", ["transaction edited"]),
    "reason made up": ("update holdfast.transaction set reason = 'ordered' where id = 3", ["transaction edited"]),
    "transaction removed": ("delete from holdfast.transaction where actor = 'eve'", ["transaction removed"]),
    "transaction made up": (
        (
            "insert into holdfast.transaction (id, xid, at, session_user_name, actor) overriding system value"
            " select 4, '3', at, session_user, 'bo' from holdfast.transaction where id = 1"
        ),
        ["transaction inserted"],
    ),
    "epoch redated": (
        "update holdfast.epoch set sealed_at = sealed_at - interval '1 day' where number = 2",
        ["epoch rewritten"],
    ),
    "change edited, and its digest made anew": (
        (
            "update holdfast.change set after = replace(after, 'paid', 'open') where id = 3;"
            "update holdfast.epoch set leaves = overlay(leaves placing sha256('x') from 1 for 32) where number = 2"
        ),
        ["epoch rewritten"],
    ),
    "epoch made anew up to its own digest": (
        ("update holdfast.epoch set hash = sha256('x') where number = 2"),
        ["epoch rewritten"],
    ),
    "epoch removed": (
        "delete from holdfast.epoch where number = 2",
        ["change inserted", "epoch removed", "transaction inserted"],
    ),
    "seed changed": ("update holdfast.epoch set seed = sha256('x') where number = 2", ["salts changed"]),
    "seed taken away": ("update holdfast.epoch set seed = null where number = 2", ["salts changed"]),
    "edit passed off as an erasure": (
        (
            "set session_replication_role = replica;"
            "insert into holdfast.stand_in (change, intervention, digest, remaining, salt)"
            " values (3, 99, sha256('x'), sha256('y'), 'z');"
            "update holdfast.change set after = replace(after, 'paid', 'open') where id = 3"
        ),
        ["change forged"],
    ),
    "removal passed off as a retention": (
        (
            "set session_replication_role = replica;"
            "insert into holdfast.removed values (99, 'change', 3, 3); delete from holdfast.change where id = 3"
        ),
        ["change removed", "removal forged"],
    ),
    "removal hung on what was something else": (
        "insert into holdfast.removed values (1, 'change', 3, 3); delete from holdfast.change where id = 3",
        ["change removed", "intervention edited", "removal forged"],
    ),
    "intervention removed": ("delete from holdfast.intervention where id = 2", ["intervention removed"]),
    "trigger switched off": ("alter table orders disable trigger holdfast_record_update", ["object disabled"]),
    "all triggers switched off and on": (
        "alter table orders disable trigger user; alter table orders enable trigger user",
        ["object altered"],
    ),
    "trigger dropped": ("drop trigger holdfast_record_delete on orders", ["object dropped"]),
    "function emptied": (
        (
            "create or replace function holdfast.record_update_2() returns trigger language plpgsql"
            " as 'begin return null; end'"
        ),
        ["object altered"],
    ),
    "function emptied and put back": (
        (
            "create temporary table kept as"
            " select pg_get_functiondef('holdfast.record_update_2()'::regprocedure) as sql;"
            "create or replace function holdfast.record_update_2() returns trigger language plpgsql"
            " as 'begin return null; end'; do $$ begin execute (select sql from kept); end $$"
        ),
        ["object altered"],
    ),
    "trigger dropped and made anew": (
        (
            "create temporary table kept as select t.oid, pg_get_triggerdef(t.oid) as sql,"
            " obj_description(t.oid, 'pg_trigger') as said from pg_trigger as t"
            " where t.tgname = 'holdfast_record_delete' and t.tgrelid = 'orders'::regclass;"
            "drop trigger holdfast_record_delete on orders; do $$ begin execute (select sql from kept);"
            " execute format('comment on trigger holdfast_record_delete on orders is %L', (select said from kept));"
            " end $$"
        ),
        ["object altered"],
    ),
    "function altered, and marked as if it had not been": (
        (
            "create or replace function holdfast.record_update_2() returns trigger language plpgsql"
            " as 'begin return null; end';"
            "select holdfast.mark('function', 'record_update_2', '', '', '0.1.0', 'abc')"
        ),
        ["object altered"],
    ),
    "journal opened for everybody": ("grant insert on holdfast.change to public", ["object altered"]),
    "table's name in the journal exchanged": (
        "update holdfast.relation set table_name = case id when 1 then 'orders' else 'customers' end",
        ["names rewritten"],
    ),
    "column's name in the journal rewritten": (
        "update holdfast.relation_column set name = 'discount' where name = 'total'",
        ["names rewritten"],
    ),
    "protected table dropped": ("drop table orders", ["table dropped"]),
    "beginning of the history moved": (
        "update holdfast.relation set since = since + interval '1 hour' where id = 2",
        ["names rewritten"],
    ),
}


@pytest.mark.parametrize("attack", list(POSTGRESQL))
def test_an_attack_of_the_owner_is_found_and_named(postgresql_database: str, attack: str) -> None:
    statements, expected = POSTGRESQL[attack]
    with psycopg.connect(libpq_url(postgresql_database), autocommit=True) as connection:
        connection.execute(statements)
    verification = check(postgresql_database)
    assert kinds(verification) == expected
    if "names" in expected[0] or "object" in expected[0] or "table" in expected[0]:
        # It is still known when it was mended or lasted, and sealed.
        database = Protected(postgresql_database)
        seal(database.database)
        assert kinds(verify(database.database)) == expected


SQLITE: dict[str, tuple[str, list[str]]] = {
    "value of a change edited": (
        "update holdfast_value set after = 'open' where after = 'paid'",
        ["change edited"],
    ),
    "value of another type": ("update holdfast_value set after = '25' where after = 25", ["change edited"]),
    "change removed": (
        "delete from holdfast_value where change = 4; delete from holdfast_change where id = 4",
        ["change removed"],
    ),
    "value removed": ("delete from holdfast_value where change = 4", ["change edited"]),
    "change inserted before all others": (
        (
            "insert into holdfast_change select 0, transaction_id, statement, relation, operation, side, late, place, 7"
            " from holdfast_change where id = 1"
        ),
        ["change inserted"],
    ),
    "two changes exchanged": (
        (
            "update holdfast_change set id = -1 where id = 4; update holdfast_change set id = 4 where id = 5;"
            "update holdfast_change set id = 5 where id = -1; update holdfast_value set change = -1 where change = 4;"
            "update holdfast_value set change = 4 where change = 5;"
            "update holdfast_value set change = 5 where change = -1"
        ),
        ["change reordered"],
    ),
    "actor edited": ("update holdfast_transaction set actor = 'bo' where actor = 'eve'", ["transaction edited"]),
    "transaction removed": ("delete from holdfast_transaction where id = 2", ["transaction removed"]),
    "epoch redated": ("update holdfast_epoch set sealed_at = '2000' where number = 2", ["epoch rewritten"]),
    "epoch removed": (
        "delete from holdfast_epoch where number = 2",
        ["change inserted", "epoch removed", "transaction inserted"],
    ),
    "seed changed": ("update holdfast_epoch set seed = x'00' where number = 2", ["salts changed"]),
    "edit passed off as an erasure": (
        (
            "insert into holdfast_stand_in values (4, 99, x'01', x'02', x'03');"
            "update holdfast_value set after = 'open' where change = 4"
        ),
        ["change forged"],
    ),
    "removal passed off as a retention": (
        (
            "insert into holdfast_removed values (99, 'change', 4, 4);"
            "delete from holdfast_value where change = 4; delete from holdfast_change where id = 4"
        ),
        ["change removed", "removal forged"],
    ),
    "intervention edited": ("update holdfast_intervention set actor = 'bo' where id = 1", ["intervention edited"]),
    "table's name in the journal rewritten": (
        "update holdfast_relation set key_columns = '[\"status\"]' where id = 2",
        ["names rewritten"],
    ),
    "trigger dropped": ("drop trigger holdfast_record_delete_2", ["object dropped"]),
    "guard of the journal dropped": ("drop trigger holdfast_value_no_update", ["object dropped"]),
}


@pytest.mark.parametrize("attack", list(SQLITE))
def test_an_attack_on_a_file_is_found_and_named(sqlite_database: str, attack: str) -> None:
    statements, expected = SQLITE[attack]
    Protected(sqlite_database).run(MAINTENANCE, *statements.split(";"), "delete from holdfast_context")
    assert kinds(check(sqlite_database)) == expected


@pytest.mark.parametrize("emptied", [False, True])
def test_a_trigger_of_a_file_that_was_dropped_and_made_anew(sqlite_database: str, emptied: bool) -> None:
    database = Protected(sqlite_database)
    [(sql,)] = database.rows("select sql from sqlite_schema where name = 'holdfast_record_update_1'")
    if emptied:
        sql = "create trigger holdfast_record_update_1 after update on customers begin select 1; end"
    database.run("drop trigger holdfast_record_update_1", "update customers set name = 'Cy'", sql)
    assert kinds(check(sqlite_database)) == ["object altered"]


def test_a_finding_says_which_change_it_is(database: str) -> None:
    protected = Protected(database)
    [paid] = [each for each in protected.log("orders") if each.after == {"status": "paid"}]
    if protected.name == "postgresql":
        protected.run(f"update holdfast.change set after = replace(after, 'paid', 'open') where id = {paid.id}")
    else:
        edit = f"update holdfast_value set after = 'open' where change = {paid.id}"
        protected.run(MAINTENANCE, edit, "delete from holdfast_context")
    [finding] = check(database).findings
    schema = "public" if protected.name == "postgresql" else "main"
    assert (finding.change, finding.transaction, finding.epoch) == (paid.id, paid.transaction, 2)
    assert (finding.table, finding.key) == (f"{schema}.orders", "1")
    assert finding.message == (
        f"Change {paid.id} (update of {schema}.orders 1) was edited after it was sealed in epoch 2."
    )
