"""Protection is installed on a database in use: nobody queues behind it, and it can be interrupted anywhere."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from holdfast.errors import LockedError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.install import apply, install_lock
from holdfast.plan import Plan, plan_unprotect
from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version
from tests.alembic.scripts import until
from tests.harness import Protected
from tests.readers import forget
from tests.servers import libpq_url

DECLARED = {
    "parent": (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=1000)),
    "child": (Audit(), SoftDelete(), Version()),
}
HELD = 2.0
# One statement in so many is where the installer dies; HOLDFAST_TEST_ALL=1 tries them all.
STRIDE = {"postgresql": 1, "sqlite": 1} if os.environ.get("HOLDFAST_TEST_ALL") else {"postgresql": 5, "sqlite": 29}
NUMBERS = itertools.count(100)


def prepared(url: str) -> Protected:
    database = Protected(url)
    database.run(
        "create table parent (id int primary key, n int default 0)",
        "create table child (id int primary key, parent int references parent on delete cascade, n int default 0)",
        "insert into parent (id) values (1), (2), (3)",
        "insert into child (id, parent) values (1, 1), (2, 2), (3, 3)",
    )
    return database


@contextmanager
def held(url: str, statement: str, seconds: float) -> Iterator[None]:
    """Somebody else's transaction, open for that long."""
    began = threading.Event()

    def hold() -> None:
        with psycopg.connect(libpq_url(url)) as connection:
            connection.execute(statement)
            began.set()
            time.sleep(seconds)

    thread = threading.Thread(target=hold)
    thread.start()
    began.wait(10)
    try:
        yield
    finally:
        thread.join()


@contextmanager
def probing(url: str, *statements: str) -> Iterator[list[float]]:
    """Other clients meanwhile, each with one statement over and over; the longest wait of each."""
    done = threading.Event()
    longest = [0.0] * len(statements)

    def probe(number: int, statement: str) -> None:
        with psycopg.connect(libpq_url(url), autocommit=True) as connection:
            while not done.wait(0.01):
                start = time.monotonic()
                connection.execute(statement)
                longest[number] = max(longest[number], time.monotonic() - start)

    threads = [threading.Thread(target=probe, args=each) for each in enumerate(statements)]
    for thread in threads:
        thread.start()
    try:
        yield longest
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    "holding",
    ["select * from parent", "update child set n = 1 where id = 3", "select * from child, parent for update"],
    ids=["a reader", "a writer", "row locks"],
)
def test_nobody_queues_behind_the_installer(postgresql_database: str, holding: str) -> None:
    database = prepared(postgresql_database)
    readers = ("select id from parent", "select id from child")
    writers = (
        ()
        if "for update" in holding
        else ("update parent set n = n + 1 where id = 1", "update child set n = 2 where id = 1")
    )
    with probing(postgresql_database, *readers, *writers) as longest, held(postgresql_database, holding, HELD):
        started = time.monotonic()
        database.protect(DECLARED, add_columns=True)
        took = time.monotonic() - started
    # The installer had to wait for the one who held the table; whoever came after it did not wait for both.
    assert took > HELD / 2
    assert max(longest) < HELD / 2
    assert database.drift() == []


def test_unprotecting_lets_nobody_queue_either(postgresql_database: str) -> None:
    database = prepared(postgresql_database)
    database.protect(DECLARED, add_columns=True)
    with (
        probing(postgresql_database, "select id from parent", "update child set n = 2 where id = 1") as longest,
        held(postgresql_database, "select * from parent", HELD),
    ):
        database.unprotect(purge_history=True)
    assert max(longest) < HELD / 2
    assert not database.inventory().has_journal


@pytest.mark.parametrize("holding", ["select * from parent", "update parent set n = 1 where id = 3"])
@pytest.mark.parametrize("add_columns", [True, False])
def test_a_table_that_stays_locked_is_left_as_it_was(postgresql_database: str, holding: str, add_columns: bool) -> None:
    database = prepared(postgresql_database)
    policies = (Audit(), Timestamps(), Version()) if add_columns else (Audit(), Guard(max_rows=5))
    plan = database.plan({"parent": policies}, add_columns=add_columns)
    before = database.inventory().tables
    if not add_columns and holding.startswith("select"):
        with held(postgresql_database, holding, 1):
            # A reader is in nobody's way where no column is added.
            apply(database.database, plan, deadline=0.3)
        assert database.drift() == []
        return
    with held(postgresql_database, holding, 2), pytest.raises(UnsupportedError, match="HF407"):
        apply(database.database, plan, deadline=0.5)
    assert database.inventory().tables == before
    assert (
        database.rows(
            "select tgname from pg_trigger where not tgisinternal and tgrelid <> all (\n"
            "    select c.oid from pg_class as c where c.relnamespace = to_regnamespace('holdfast'))"
        )
        == []
    )
    assert database.inventory().relations == {}
    database.protect({"parent": policies}, add_columns=add_columns)
    assert database.drift() == []


class Interrupted(BaseException):
    """The installer dies here."""


def interrupt_after(database: Protected, number: int) -> Callable[[], bool]:
    """The connection is gone after that many statements; says whether it came to that."""
    seen = [0]

    def executed(connection: Any, *_: object) -> None:
        seen[0] += 1
        if seen[0] == number:
            raw = connection.connection.driver_connection
            raw.close()
            raise Interrupted

    sa.event.listen(database.database.engine, "after_cursor_execute", executed)
    return lambda: seen[0] >= number


def die(installer: Protected, plan: Plan) -> None:
    try:
        apply(installer.database, plan)
    except Interrupted:
        pass
    # A process that dies lets go of its cursors too.
    gc.collect()


def in_one_piece(database: Protected) -> None:
    """Each table has all its triggers or none, and no column of ours that it is not known to have from us; and rows
    are written and deleted as ever."""
    inventory = database.inventory()
    known = {each.table: set(each.added) for each in inventory.relations.values()}
    for table in inventory.tables.values():
        brought = {column.name for column in table.columns} - {"id", "parent", "n"}
        assert brought == known.get(table.name, set()), table.name
    states = [each for each in database.status() if "trigger" in each.object]
    for table in DECLARED:
        missing = {each.state == "missing" for each in states if each.table.endswith(table)}
        assert len(missing) < 2, table
    number = next(NUMBERS)
    database.run(
        "update parent set n = n + 1 where id = 1",
        f"insert into parent (id) values ({number})",
        f"insert into child (id, parent) values ({number}, {number})",
        f"delete from parent where id = {number}",
    )


def test_interrupted_anywhere_a_rerun_finishes(database: str) -> None:
    first = prepared(database)
    number, reached = 1 - STRIDE[first.name], True
    while reached:
        number += STRIDE[first.name]
        installer = Protected(database)
        plan = installer.plan(DECLARED, add_columns=True)
        reached_it = interrupt_after(installer, number)
        die(installer, plan)
        reached = reached_it()
        survivor = Protected(database)
        in_one_piece(survivor)
        survivor.protect(DECLARED, add_columns=True)
        assert survivor.drift() == []
        in_one_piece(survivor)
        survivor.unprotect(purge_history=True)
    assert number > 8


def test_interrupted_anywhere_an_unprotect_can_be_finished(database: str) -> None:
    first = prepared(database)
    before = first.inventory().tables
    number, reached = 1 - STRIDE[first.name], True
    while reached:
        number += STRIDE[first.name]
        Protected(database).protect(DECLARED, add_columns=True)
        installer = Protected(database)
        with installer.database.snapshot() as connection:
            dialect, inventory = inspect(connection, installer.database.dialect)
        plan = plan_unprotect(dialect, inventory, None, purge_history=True)
        reached_it = interrupt_after(installer, number)
        die(installer, plan)
        reached = reached_it()
        survivor = Protected(database)
        survivor.unprotect(purge_history=True)
        after = survivor.inventory()
        assert not after.has_journal
        assert [[c.name for c in table.columns] for table in after.tables.values()] == [
            [c.name for c in table.columns] for table in before.values()
        ]
    assert number > 4


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from holdfast.install import apply
from tests.harness import Protected
from tests.suite.test_busy_install import DECLARED

installer = Protected(sys.argv[1])
plan = installer.plan(DECLARED, add_columns=True)
seen = []

def executed(*_):
    seen.append(1)
    if len(seen) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(installer.database.engine, "after_cursor_execute", executed)
apply(installer.database, plan)
"""


def nobody_else_is_connected(database: Protected) -> bool:
    forget(database.database.url.database)
    own = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    return database.name == "sqlite" or database.rows(own) == [(0,)]


def test_a_killed_installer_leaves_no_lock_behind(database: str) -> None:
    survivor = prepared(database)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, database, "10"], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert killed.returncode == -signal.SIGKILL
    in_one_piece(survivor)
    # The server notices that the client is gone when it next looks.
    until(lambda: nobody_else_is_connected(survivor))
    survivor.protect(DECLARED, add_columns=True)
    assert survivor.drift() == []


def test_a_second_installer_says_that_the_first_is_at_work(postgresql_database: str) -> None:
    database = prepared(postgresql_database)
    plan = database.plan({"parent": [Audit()]})
    with install_lock(Protected(postgresql_database).database), pytest.raises(LockedError, match="HF304"):
        apply(database.database, plan)
    assert not database.inventory().has_journal
    apply(database.database, plan)
    assert database.drift() == []


def test_a_plan_is_not_applied_to_a_database_that_has_changed_since(database: str) -> None:
    shop = prepared(database)
    plan = shop.plan({"parent": [Audit()]})
    # Both would be the first relation.
    other = Protected(database)
    other.protect({"child": [Audit()]})
    with pytest.raises(LockedError, match="HF304"):
        apply(shop.database, plan)
    assert shop.drift() == []
    assert [each.table.name for each in shop.inventory().relations.values()] == ["child"]
    shop.protect({"parent": [Audit()]})
    stale = shop.plan({"parent": [Guard(max_rows=7)]})
    shop.run("alter table parent add column more int")
    with pytest.raises(LockedError, match="HF304"):
        apply(shop.database, stale)


def meanwhile(reader: Protected, number: int, do: Callable[[], object]) -> Callable[[], bool]:
    """Somebody else does that after the reader's statement of that number; says whether it came to that."""
    seen = [0]

    def executed(*_: object) -> None:
        seen[0] += 1
        if seen[0] == number:
            do()

    sa.event.listen(reader.database.engine, "after_cursor_execute", executed)
    return lambda: seen[0] >= number


def read_beside_writers(url: str) -> None:
    """On SQLite whoever reads keeps others from committing, unless the file has a write-ahead log."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(str(sa.make_url(url).database))) as connection:
            connection.execute("pragma journal_mode = wal")


def test_what_is_read_is_one_state_whoever_installs_meanwhile(database: str) -> None:
    shop = prepared(database)
    read_beside_writers(database)
    shop.protect({"child": [Audit()], "parent": [Audit()]})
    # Each adds a column and says that the table needs it: the one without the other is no state of the database.
    policies = (Version(), Timestamps(), Version("v2"), Timestamps("made", "moved"), Version("v3"))
    others = [{table: [policy]} for table in DECLARED for policy in policies]
    late = 0
    for number, other in enumerate(others, 1):
        before = shop.inventory()
        reader = Protected(database, kept=False)
        came_to_it = meanwhile(reader, number, functools.partial(shop.protect, other, add_columns=True))
        plan = reader.plan({"child": [Guard(max_rows=number)]})
        read = plan.basis
        assert read is not None
        if not came_to_it():
            break
        if (read.tables, read.relations) == (before.tables, before.relations):
            late += 1
            with pytest.raises(LockedError, match="changed since the plan was made"):
                apply(reader.database, plan)
        else:
            after = shop.inventory()
            assert (read.tables, read.relations) == (after.tables, after.relations)
    else:
        pytest.fail("the reader has more statements than there are changes to come between them")
    assert late >= 3


def test_what_is_dropped_while_it_is_read_is_said(postgresql_database: str) -> None:
    shop = prepared(postgresql_database)
    shop.protect({"parent": [Audit()]})
    reader = Protected(postgresql_database, kept=False)
    # The first two statements say that nothing is written, and find the journal.
    meanwhile(reader, 2, lambda: shop.unprotect(purge_history=True))
    with pytest.raises(LockedError, match="HF304: Protection was changed while it was read") as caught:
        reader.status()
    assert caught.value.hint == "Run the command again."
    assert reader.status() == []


def test_a_snapshot_writes_nothing(database: str) -> None:
    shop = prepared(database)
    with pytest.raises(UnsupportedError, match="HF405"), shop.database.snapshot() as connection:
        connection.exec_driver_sql("update parent set n = 9")
    assert shop.rows("select sum(n) from parent") == [(0,)]


def test_many_installers_at_once_leave_one_declaration(postgresql_database: str) -> None:
    prepared(postgresql_database)
    outcomes: list[str] = []

    def install(policies: dict[str, Any]) -> None:
        mine = Protected(postgresql_database)
        while True:
            try:
                mine.protect(policies, add_columns=True)
                outcomes.append("done")
                return
            except LockedError:
                outcomes.append("locked")
                time.sleep(0.02)

    wanted = [{"parent": [Audit()]}, {"child": [Audit()]}, {"parent": [Guard(max_rows=9)]}, {"child": [Version()]}]
    threads = [threading.Thread(target=install, args=(each,)) for each in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database = Protected(postgresql_database)
    assert database.drift() == []
    assert outcomes.count("done") == len(wanted)
    assert {each.table.name: each.policies for each in database.inventory().relations.values()} == {
        "parent": (Audit(), Guard(max_rows=9)),
        "child": (Audit(), Version()),
    }


def test_writers_go_on_while_protection_comes_and_goes(postgresql_database: str) -> None:
    database = prepared(postgresql_database)
    done = threading.Event()
    failures: list[BaseException] = []
    written = [0] * 4

    def write(number: int) -> None:
        try:
            with psycopg.connect(libpq_url(postgresql_database), autocommit=True) as connection:
                while not done.is_set():
                    with connection.transaction():
                        connection.execute("update parent set n = n + 1 where id = 1")
                        connection.execute("update child set n = n + 1 where id = 1")
                    written[number] += 1
                    # The installer gets its turn on the processor.
                    done.wait(0.002)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            database.protect(DECLARED, add_columns=True)
            assert database.drift() == []
            database.unprotect(purge_history=True)
        database.protect({"parent": [Audit()], "child": [Audit()]})
        [(start,)] = database.rows("select n from parent where id = 1")
        before = list(written)
        until(lambda: failures or all(now > then + 3 for now, then in zip(written, before, strict=True)))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert database.rows("select p.n, c.n from parent p, child c where p.id = 1 and c.id = 1") == [(sum(written),) * 2]
    told = [each.after["n"] for each in database.log("parent") if each.after]
    assert told == list(range(told[0], sum(written) + 1))
    assert told[0] <= start + 1
