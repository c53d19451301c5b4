"""What was sealed cannot be changed without a trace, and what is done rightly is never taken for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
import sqlalchemy

from holdfast.database import execute
from holdfast.erasure import erase
from holdfast.errors import LockedError, UnsupportedError
from holdfast.evidence import Digest, Verification, read_digests, seal, seal_lock, verify
from holdfast.evidence.leaves import inner, salt_of
from holdfast.policies import Audit, SoftDelete
from tests.harness import Protected
from tests.servers import Server, dump_and_restore, libpq_url

TABLES = """
create table customers (id integer primary key, name text);
create table orders (id integer primary key, status text, total integer)
"""


def sealed(url: str) -> None:
    """Three epochs; a number that a rolled back transaction took lies in the second (on PostgreSQL)."""
    database = Protected(url)
    database.run(*TABLES.strip().split(";\n"))
    database.protect({"customers": [Audit()], "orders": [Audit()]})
    database.write("insert into customers values (1, 'Ada')", actor="ada")
    database.write("insert into orders values (1, 'new', 10), (2, 'new', 20)", actor="bo")
    seal(database.database)
    database.write("update orders set status = 'paid' where id = 1", actor="ada")
    with database.connect() as connection:
        connection.exec_driver_sql("update orders set status = 'lost'")
        connection.rollback()
    database.write("update orders set total = 25 where id = 2", actor="eve")
    seal(database.database)
    database.write("delete from orders where id = 2", actor="eve")
    database.write("update customers set name = 'Bea'", actor="ada")
    seal(database.database)


pytestmark = pytest.mark.copy_of(build=sealed)


def kinds(verification: Verification) -> list[str]:
    return sorted({each.kind for each in verification.findings})


def check(url: str, *digests: Digest) -> Verification:
    return verify(Protected(url).database, digests)


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


MAINTENANCE = "insert into holdfast_context (id, token, maintenance) values (1, 'm', 1)"
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


# ---------------------------------------------------------------------- digests that were kept outside


def owner(database: Protected, *statements: str) -> None:
    if database.name == "sqlite":
        statements = (MAINTENANCE, *(each.replace("holdfast.", "holdfast_") for each in statements))
        statements = (*statements, "delete from holdfast_context")
    database.run(*statements)


def test_only_a_digest_from_outside_shows_that_the_end_was_cut_off(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    digest = seal(database.database)
    assert digest.epoch == 3
    owner(
        database,
        "delete from holdfast.epoch where number = 3",
        "delete from holdfast.change where id >= 7",
        "delete from holdfast.transaction where id > (select max(high_transaction) from holdfast.epoch)",
    )
    assert kinds(check(postgresql_database)) == []
    assert kinds(check(postgresql_database, digest)) == ["journal truncated"]


def test_only_a_digest_from_outside_shows_that_all_was_sealed_anew(database: str) -> None:
    protected = Protected(database)
    digest = seal(protected.database)
    owner(
        protected, "delete from holdfast.epoch where number = 3", "delete from holdfast.transaction where actor = 'eve'"
    )
    owner(protected, "delete from holdfast.epoch", "update holdfast.transaction set actor = 'bo'")
    again = seal(protected.database)
    assert kinds(check(database, again)) == []
    assert kinds(check(database, digest)) == ["other journal"]


def test_a_restored_backup_is_a_fork_that_can_be_stated(postgresql: Server, postgresql_database: str) -> None:
    template = str(sqlalchemy.make_url(postgresql_database).database)
    with postgresql.new_database(template) as restored:
        original, backup = Protected(postgresql_database), Protected(restored)
        earlier = seal(original.database)
        digests = []
        for name in ("Cy", "Di", "Ed"):
            original.run(f"update customers set name = '{name}'")
            digests.append(seal(original.database))

        # The backup has never come so far; then it goes on, and has another epoch of that number.
        assert kinds(verify(backup.database, [earlier])) == []
        assert kinds(verify(backup.database, digests)) == ["fork"]
        backup.run("update customers set name = 'Other'")
        seal(backup.database)
        assert kinds(verify(backup.database, digests)) == ["fork"]

        with pytest.raises(UnsupportedError, match="HF311"):
            seal(backup.database, fork="no", digests=[earlier])
        stated = seal(backup.database, fork="the disk was lost", digests=digests)
        verification = verify(backup.database, [earlier, *digests, stated])
        assert verification.findings == ()
        [fork] = [each for each in verification.recorded if each.kind == "fork"]
        assert (fork.reason, fork.epoch) == ("the disk was lost", stated.epoch)
        # What the statement does not cover is still found.
        assert kinds(verify(backup.database, [replace(digests[0], hash="00")])) == ["fork"]
        assert kinds(verify(original.database, [stated])) == ["fork"]


def test_a_digest_file_is_read_as_it_was_written() -> None:
    digest = Digest("6f1c", 2, "ab12", "2026-05-06T07:08:09.000000Z", 512, 530)
    assert (
        read_digests(json.dumps(digest.as_json()) + "\n" + json.dumps(digest.as_json(), indent=2), "f") == [digest] * 2
    )
    for text in ("", "{}", "[1]", '{"holdfast": 2}', json.dumps({**digest.as_json(), "epoch": "x"})):
        with pytest.raises(UnsupportedError, match="HF312"):
            read_digests(text, "f")


# ---------------------------------------------------------------------- what is taken out rightly


def test_what_was_erased_cannot_be_guessed_from_its_digest(database: str) -> None:
    protected = Protected(database)
    evidence = protected.database.dialect.evidence
    digest = seal(protected.database)
    with protected.database.connect() as connection:
        named = [each.id for each in protected.log("customers") if each.operation == "update"]
        [before] = execute(connection, evidence.some("change", named))
    erase(protected.database, "customers", 1, reason="request 7")

    with protected.database.connect() as connection:
        [stand_in] = [each for each in execute(connection, evidence.stand_ins(named)) if each.change == before.id]
        epochs = [execute(connection, evidence.large(number))[0] for number in (1, 2, 3)]
        known = [bytes(each.seed) for each in epochs if each.seed is not None]
        salts = [bytes(each.salts or b"")[i : i + 16] for each in epochs for i in range(0, len(each.salts or b""), 16)]
    assert len(salts) > 2
    salts += [salt_of(seed, "change", before.id) for seed in known] + [bytes(stand_in.salt)]
    assert bytes(stand_in.digest) not in {inner(salt, before.body) for salt in salts}
    verification = check(database, digest)
    assert verification.findings == ()
    assert [each.reason for each in verification.recorded if each.kind == "erasure"] == ["request 7"]

    # Nothing can be hung on that erasure later.
    seal(protected.database)
    change = min(each.id for each in protected.log("orders"))
    owner(
        protected,
        "insert into holdfast.stand_in (change, intervention, digest, remaining, salt)"
        f" select {change}, intervention, digest, remaining, salt from holdfast.stand_in where change = {before.id}",
    )
    assert kinds(check(database)) == ["change forged", "intervention edited"]


def test_what_a_purge_took_is_known_as_purged_and_cannot_be_guessed(database: str) -> None:
    protected = Protected(database)
    digest = seal(protected.database)
    protected.unprotect("orders", purge_history=True)
    assert kinds(check(database, digest)) == []
    later = seal(protected.database)
    verification = check(database, digest, later)
    assert (verification.findings, verification.changes) == ((), len(protected.log()))
    with protected.database.connect() as connection:
        [epoch] = execute(connection, protected.database.dialect.evidence.large(2))
    assert epoch.seed is None


# ---------------------------------------------------------------------- nothing is found where nothing is wrong


def test_much_is_sealed_in_several_epochs(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    protected = Protected(database)
    first = seal(protected.database)
    monkeypatch.setattr(type(protected.database.dialect.evidence), "at_once", 3)
    with protected.connect() as slow:
        if protected.name == "postgresql":
            for number in range(10, 17):
                slow.exec_driver_sql(f"insert into orders values ({number}, 'late', 1)")
        for number in range(20, 31):
            protected.run(f"insert into orders values ({number}, 'x', 1)")
        second = seal(protected.database)
        slow.commit()
    third = seal(protected.database)
    assert second.epoch > first.epoch + 3
    late = 7 if protected.name == "postgresql" else 0
    assert (second.changes - first.changes, third.changes - second.changes) == (11, late)
    verification = check(database, first, second, third)
    assert (verification.findings, verification.changes, verification.unsealed) == ((), third.changes, 0)


def test_transactions_that_overlap_go_into_the_epochs_that_can_see_them(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    first = seal(database.database)
    with (
        psycopg.connect(libpq_url(postgresql_database)) as slow,
        psycopg.connect(libpq_url(postgresql_database)) as lost,
    ):
        slow.execute("update orders set total = 1 where id = 1")
        lost.execute("insert into orders values (8, 'x', 1)")
        database.run("update customers set name = 'Fay'")
        second = seal(database.database)
        assert (second.epoch, second.changes) == (first.epoch + 1, first.changes + 1)
        slow.execute("insert into orders values (9, 'x', 1)")
        database.run("update customers set name = 'Gus'")
        third = seal(database.database)
        assert third.changes == second.changes + 1
        slow.commit()
        lost.rollback()
        verification = check(postgresql_database, first, second, third)
        assert (verification.findings, verification.unsealed) == ((), 2)
        last = seal(database.database)
    verification = check(postgresql_database, first, second, third, last)
    assert (verification.findings, verification.unsealed) == ((), 0)
    assert verification.changes == last.changes == third.changes + 2
    # A number below the last seal that none of those transactions had is not taken for a late one.
    database.run(
        "insert into holdfast.change (id, xid, at, relation, operation, key)"
        " select c.id + 1, c.xid, c.at, 2, 'D', '8' from holdfast.change as c"
        " where exists (select from holdfast.change as d where d.id = c.id + 2) and not exists"
        " (select from holdfast.change as d where d.id = c.id + 1) order by c.id desc limit 1"
    )
    assert kinds(check(postgresql_database)) == ["change inserted"]
    seal(database.database)
    assert kinds(check(postgresql_database)) == ["change inserted"]


def test_the_latest_transactions_that_still_run_are_sealed_when_they_end(postgresql_database: str) -> None:
    """None that began after them has ended, so that the snapshot does not name them."""
    protected = Protected(postgresql_database)
    url = libpq_url(postgresql_database)
    with psycopg.connect(url) as early, psycopg.connect(url) as late:
        protected.run("insert into orders values (3, 'new', 30)")
        early.execute("insert into orders values (4, 'new', 40)")
        late.execute("insert into orders values (5, 'new', 50)")
        first = seal(protected.database)
        late.commit()
        second = seal(protected.database)
        early.commit()
    assert (second.changes, seal(protected.database).changes) == (first.changes + 1, first.changes + 2)
    verification = verify(protected.database, [first, second])
    assert (verification.findings, verification.unsealed) == ((), 0)


def test_sealers_and_writers_at_once(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    failures: list[BaseException] = []
    digests: list[Digest] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    def write(number: int) -> None:
        with psycopg.connect(libpq_url(postgresql_database), autocommit=True) as connection:
            for turn in range(40):
                with connection.transaction(force_rollback=turn % 5 == 4):
                    connection.execute("insert into orders values (%s, 'w', 0)", (1000 * number + turn,))
                    connection.execute("update orders set total = total + 1 where id = %s", (1000 * number + turn,))

    def work_of_sealer() -> None:
        for _ in range(6):
            digests.append(seal(Protected(postgresql_database).database))

    works = [*(lambda number=number: write(number) for number in (1, 2, 3, 4)), work_of_sealer, work_of_sealer]
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    digests.append(seal(database.database))
    verification = check(postgresql_database, *digests)
    assert (verification.findings, verification.unsealed) == ((), 0)
    [(recorded,)] = database.rows("select count(*) from holdfast.change")
    assert verification.changes == digests[-1].changes == recorded


def test_a_second_sealer_waits_and_then_says_so(postgresql_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.evidence.sealing._PATIENCE", 0.1)
    database = Protected(postgresql_database)
    with database.database.begin() as connection:
        seal_lock(connection, database.database.dialect)
        with pytest.raises(LockedError, match="HF310"):
            seal(database.database)
    assert seal(database.database).epoch == 3


def test_installing_is_not_tampering(database: str) -> None:
    protected = Protected(database)
    digests = [seal(protected.database)]

    def step(*statements: str) -> None:
        if statements:
            protected.run(*statements)
        assert kinds(check(database, *digests)) == []
        digests.append(seal(protected.database))
        assert kinds(check(database, *digests)) == []

    protected.protect({"orders": [Audit(), SoftDelete("gone")]}, add_columns=True)
    step()
    step("alter table orders add column note text", "update orders set note = 'x'")
    protected.protect({})
    step("update orders set note = 'y'")
    step("alter table orders rename column note to remark")
    step("alter table customers rename to clients")
    protected.protect({})
    step("update clients set name = 'Hal'")
    protected.unprotect("orders")
    step("drop table orders")
    protected.unprotect("clients", purge_history=True)
    step()
    protected.run("create table fresh (id integer primary key)")
    protected.protect({"fresh": [Audit()]})
    step("insert into fresh values (1), (2)", "delete from fresh")
    protected.unprotect("fresh", purge_history=True)
    step()
    recorded = {each.kind for each in check(database).recorded}
    assert recorded == {"installation", "purge"}


def test_what_an_installation_mended_is_still_found(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run("alter table orders disable trigger holdfast_record_update", "update orders set total = 0")
    database.protect({})
    assert database.drift() == []
    assert kinds(check(postgresql_database)) == ["object disabled"]
    seal(database.database)
    assert kinds(check(postgresql_database)) == ["object disabled"]


def test_partitions_come_and_go(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run(
        "create table events (id int, day date, primary key (id, day)) partition by range (day)",
        "create table events_1 partition of events for values from ('2026-01-01') to ('2026-02-01')",
    )
    database.protect({"events": [Audit()]})
    seal(database.database)
    database.run(
        "create table events_2 partition of events for values from ('2026-02-01') to ('2026-03-01')",
        "insert into events values (1, '2026-01-05'), (2, '2026-02-05')",
    )
    assert kinds(check(postgresql_database)) == []
    seal(database.database)
    database.run("alter table events detach partition events_1", "drop table events_1")
    assert kinds(check(postgresql_database)) == []
    database.protect({})
    seal(database.database)
    database.run("drop trigger holdfast_record_truncate on events_2")
    assert kinds(check(postgresql_database)) == ["object dropped"]


@pytest.fixture
def elsewhere(postgresql: Server) -> Iterator[str]:
    with postgresql.new_database() as url:
        yield url


def test_a_dump_restored_elsewhere_is_intact_and_goes_on(postgresql_database: str, elsewhere: str) -> None:
    database = Protected(postgresql_database)
    late = psycopg.connect(libpq_url(postgresql_database))
    late.execute("update orders set total = 7 where id = 1")
    database.run("update customers set name = 'Ida'")
    digest = seal(database.database)
    late.commit()
    late.close()
    dump_and_restore(postgresql_database, elsewhere)

    copy = Protected(elsewhere)
    verification = verify(copy.database, [digest])
    assert (verification.findings, verification.unsealed) == ((), 1)
    copy.run("update customers set name = 'Jon'")
    later = seal(copy.database)
    assert later.changes == digest.changes + 2
    verification = verify(copy.database, [digest, later])
    assert (verification.findings, verification.unsealed) == ((), 0)
    copy.protect({"orders": [Audit(), SoftDelete("gone")]}, add_columns=True)
    seal(copy.database)
    assert verify(copy.database).findings == ()
    # And it is no less watched there.
    copy.run("alter table customers disable trigger user", "alter table customers enable trigger user")
    assert kinds(verify(copy.database)) == ["object altered"]


def test_a_file_that_was_compacted_is_intact(sqlite_database: str) -> None:
    database = Protected(sqlite_database)
    database.protect({"orders": [Audit(), SoftDelete("gone")]}, add_columns=True)
    seal(database.database)
    with database.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("vacuum")
    database.run("update orders set total = 1")
    assert check(sqlite_database).findings == ()
    seal(database.database)
    assert check(sqlite_database).findings == ()


@pytest.mark.copy_of(build=Protected)
def test_nothing_to_seal_and_nothing_to_verify(database: str) -> None:
    protected = Protected(database)
    for attempt in (seal, verify):
        with pytest.raises(UnsupportedError, match="HF313"):
            attempt(protected.database)
    protected.run("create table t (id integer primary key)")
    protected.protect({"t": [Audit()]})
    assert verify(protected.database).epochs == 0
    first = seal(protected.database)
    assert (first.epoch, first.changes) == (1, 0)
    assert seal(protected.database) == first
