"""What is done rightly is never taken for an attack, and whatever was written is sealed once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from holdfast.errors import LockedError, UnsupportedError
from holdfast.evidence import Digest, seal, seal_lock, verify
from holdfast.policies import Audit, SoftDelete
from holdfast.signing_keys import create_key, retire_key, turn_off, turn_on
from tests.harness import Protected
from tests.sealed import check, kinds, sealed
from tests.servers import dump_and_restore, libpq_url

pytestmark = pytest.mark.copy_of(build=sealed)


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


def test_keys_that_are_rotated_are_no_tampering(postgresql_database: str) -> None:
    """Those with which contexts are signed: what asks for a signature is made anew, and its keys come and go."""
    database = Protected(postgresql_database)
    digests = [seal(database.database)]
    steps: tuple[Callable[[], object], ...] = (
        lambda: create_key(database.database, "may"),
        lambda: turn_on(database.database),
        lambda: create_key(database.database, "june"),
        lambda: retire_key(database.database, "may"),
        lambda: turn_off(database.database),
    )
    for step in steps:
        step()
        database.run("update orders set total = total + 1")
        assert kinds(check(postgresql_database, *digests)) == []
        digests.append(seal(database.database))
        assert kinds(check(postgresql_database, *digests)) == []


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
