"""Undo that is interrupted, refused, raced, or very large: all of it or nothing, in bounded memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import sqlalchemy

from holdfast.errors import HoldfastError, UndoConflictError, UnsupportedError
from holdfast.policies import Audit
from tests.harness import Protected, journal
from tests.servers import libpq_url

pytestmark = pytest.mark.copy_of(build=journal)

# Waits in the middle of the undo's own writes until it is told to go on, or is killed.
WAITS = (
    """
    create function waits() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock(42); return null; end $$
    """,
    "create trigger waits after insert on t for each row execute function waits()",
)
UNDO = """
import sys
from holdfast.database import Database
from holdfast.undo import undo
undo(Database(sys.argv[1]), sys.argv[2])
"""


@pytest.fixture
def deleted(postgresql_database: str) -> tuple[Protected, str]:
    """A table whose rows one transaction deleted."""
    protected = Protected(postgresql_database)
    protected.run("create table t (id int primary key, v int)", "insert into t select generate_series(1, 50), 1")
    protected.protect({"t": [Audit()]})
    protected.run("delete from t")
    return protected, protected.last_transaction()


def wait_for(what: Callable[[], Any]) -> Any:
    for _ in range(500):
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


def waiting(protected: Protected, kind: str) -> list[Any]:
    return protected.rows(
        f"select pid from pg_stat_activity where wait_event_type = 'Lock' and wait_event = '{kind}' "
        "and datname = current_database()"
    )


@pytest.mark.parametrize("how", ["the connection", "the process"])
def test_an_undo_that_is_killed_half_way_has_changed_nothing(deleted: tuple[Protected, str], how: str) -> None:
    protected, transaction = deleted
    protected.run(*WAITS)
    journal = protected.rows("select count(*) from holdfast.change")
    with psycopg.connect(libpq_url(protected.url)) as blocker:
        blocker.execute("select pg_advisory_xact_lock(42)")
        process = subprocess.Popen(
            [sys.executable, "-c", UNDO, protected.url, transaction], stderr=subprocess.PIPE, text=True
        )
        [(pid,)] = wait_for(lambda: waiting(protected, "advisory"))
        if how == "the process":
            process.send_signal(signal.SIGKILL)
        protected.rows(f"select pg_terminate_backend({pid})")
        _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    if how == "the connection":
        assert "HF615" in errors
    assert protected.rows("select count(*) from t") == [(0,)]
    assert protected.rows("select count(*) from holdfast.change") == journal
    protected.run("drop trigger waits on t")
    assert protected.undo(transaction).rows == 50


def test_a_process_killed_half_way_has_changed_nothing_on_sqlite(sqlite_database: str) -> None:
    protected = Protected(sqlite_database)
    protected.run(
        "create table t (id int primary key, v int)",
        "with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000) "
        "insert into t select i, 1 from n",
    )
    protected.protect({"t": [Audit()]})
    protected.run("delete from t")
    transaction = protected.last_transaction()
    # Ends the process, as a kill would, at the 500th row that comes back.
    script = UNDO.replace(
        "undo(",
        "import os, sqlalchemy\n"
        "seen = []\n"
        "def end(value):\n"
        "    seen.append(value)\n"
        "    return os._exit(9) if len(seen) == 500 else 0\n"
        "database = Database(sys.argv[1])\n"
        "@sqlalchemy.event.listens_for(database.engine, 'connect')\n"
        "def connected(connection, _):\n"
        "    connection.create_function('end_here', 1, end)\n"
        "    connection.execute('create temp trigger ends after insert on main.t "
        "begin select end_here(new.id); end')\n"
        "undo(",
        1,
    ).replace("undo(Database(sys.argv[1]),", "undo(database,")
    process = subprocess.run([sys.executable, "-c", script, protected.url, transaction], capture_output=True, text=True)
    assert process.returncode == 9, process.stderr
    assert protected.rows("select count(*) from t") == [(0,)]
    assert protected.undo(transaction).rows == 20000


@pytest.mark.parametrize("clause", ["replace", "ignore", "rollback", "fail"])
def test_no_row_goes_for_a_value_that_is_worked_out_on_sqlite(sqlite_database: str, clause: str) -> None:
    """The undo does not know the value beforehand; SQLite tells of it, and nothing is written."""
    protected = Protected(sqlite_database)
    protected.run(
        "create table t (id integer primary key, name text, alike text generated always as (lower(name)) stored,"
        f" unique (alike) on conflict {clause})",
        "insert into t (id, name) values (1, 'bob'), (2, 'ann')",
    )
    protected.protect({"t": [Audit()]})
    transaction = protected.write("update t set name = 'x' where id = 1", "update t set name = 'y' where id = 2")
    protected.run("insert into t (id, name) values (3, 'BOB')")
    with pytest.raises(UndoConflictError, match=r"UNIQUE constraint failed: t\.alike"):
        protected.undo(transaction)
    assert protected.rows("select id, name from t order by id") == [(1, "x"), (2, "y"), (3, "BOB")]


def test_a_writer_cannot_come_between_comparing_and_writing(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(
        "create table t (id int primary key, v int)",
        "create table u (id int primary key, v int)",
        "insert into t values (1, 1)",
        "insert into u values (1, 1)",
    )
    protected.protect({"t": [Audit()], "u": [Audit()]})
    protected.run("update t set v = 2", "update u set v = 2")
    transaction = protected.last_transaction()
    with psycopg.connect(libpq_url(protected.url)) as writer, psycopg.connect(libpq_url(protected.url)) as other:
        # The undo has its lock on t, and waits for u.
        other.execute("update u set v = 2")
        undoing = threading.Thread(target=protected.undo, args=(transaction,))
        undoing.start()
        wait_for(lambda: waiting(protected, "transactionid"))
        writer.execute("set lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            writer.execute("update t set v = 3")
        writer.rollback()
        other.commit()
        undoing.join(30)
        assert not undoing.is_alive()
    assert protected.rows("select t.v, u.v from t, u") == [(1, 1)]


def test_a_writer_that_was_there_first_is_a_conflict(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table t (id int primary key, v int)", "insert into t values (1, 1)")
    protected.protect({"t": [Audit()]})
    protected.run("update t set v = 2")
    transaction = protected.last_transaction()
    found: list[BaseException] = []

    def undo() -> None:
        try:
            protected.undo(transaction)
        except UndoConflictError as error:
            found.append(error)

    with psycopg.connect(libpq_url(protected.url)) as writer:
        writer.execute("update t set v = 3")
        undoing = threading.Thread(target=undo)
        undoing.start()
        wait_for(lambda: waiting(protected, "transactionid"))
        writer.commit()
        undoing.join(30)
    assert len(found) == 1
    assert protected.rows("select v from t") == [(3,)]


def test_a_child_that_is_being_inserted_is_waited_for(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(
        "create table p (id int primary key)",
        "create table c (id int primary key, p int references p on delete cascade)",
    )
    protected.protect({"p": [Audit()], "c": [Audit()]})
    protected.run("insert into p values (1)")
    transaction = protected.last_transaction()
    found: list[BaseException] = []

    def undo() -> None:
        try:
            protected.undo(transaction)
        except UndoConflictError as error:
            found.append(error)

    with psycopg.connect(libpq_url(protected.url)) as writer:
        writer.execute("insert into c values (1, 1)")
        undoing = threading.Thread(target=undo)
        undoing.start()
        wait_for(lambda: waiting(protected, "transactionid"))
        writer.commit()
        undoing.join(30)
    assert len(found) == 1
    assert protected.rows("select count(*) from c") == [(1,)]


@pytest.mark.parametrize("rights", ["", "grant select on t to {role}", "grant select, insert on t to {role}"])
def test_a_role_without_the_rights_is_told_so(deleted: tuple[Protected, str], rights: str) -> None:
    protected, transaction = deleted
    role = f"clerk_{os.getpid()}_{abs(hash(rights)) % 10_000}"
    protected.run(
        f"create role {role} login",
        "grant select on all tables in schema holdfast to " + role,
        *([rights.format(role=role)] if rights else []),
        "insert into t values (1000, 1)",
    )
    try:
        url = sqlalchemy.make_url(protected.url).set(username=role).render_as_string(hide_password=False)
        journal = protected.rows("select count(*) from holdfast.change")
        with pytest.raises(HoldfastError) as caught:
            Protected(url).undo(transaction)
        assert caught.value.code == "HF404"
        assert protected.rows("select count(*) from t") == [(1,)]
        assert protected.rows("select count(*) from holdfast.change") == journal
    finally:
        protected.run(f"drop owned by {role}", f"drop role {role}")


def test_a_role_that_may_not_read_the_journal_is_told_so(deleted: tuple[Protected, str]) -> None:
    protected, transaction = deleted
    role = f"stranger_{os.getpid()}"
    protected.run(f"create role {role} login", f"grant all on t to {role}")
    try:
        url = sqlalchemy.make_url(protected.url).set(username=role).render_as_string(hide_password=False)
        with pytest.raises(UnsupportedError) as caught:
            Protected(url).undo(transaction)
        assert caught.value.code == "HF404"
    finally:
        protected.run(f"drop owned by {role}", f"drop role {role}")


MEASURED = """
import sys
from pathlib import Path
from holdfast.database import Database
from holdfast.undo import undo
database = Database(sys.argv[1])
with database.begin() as connection:
    pass
def peak():
    # What getrusage says includes the program that started this one.
    [line] = [each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1])
before = peak()
print(undo(database, sys.argv[2], preview=20).rows, peak() - before)
"""


MANY = 100_000 if os.environ.get("HOLDFAST_TEST_ALL") else 40_000


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_many_changes_are_undone_in_bounded_memory(database: str) -> None:
    """A kilobyte for each is less than they would take if they were kept."""
    protected = Protected(database)
    numbers = f"with recursive n (i) as (select 1 union all select i + 1 from n where i < {MANY}) "
    protected.run(
        "create table t (id int primary key, name text, note text)",
        "insert into t (id, name, note) "
        + numbers
        + "select i, 'name ' || i, 'note that is a bit longer ' || i from n",
    )
    protected.protect({"t": [Audit()]})
    before = protected.checksum("t")
    transaction = protected.write("delete from t where id % 2 = 0", "update t set note = note || '!'")
    measured = subprocess.run(
        [sys.executable, "-c", MEASURED, protected.url, transaction], capture_output=True, text=True, check=True
    )
    rows, kilobytes = map(int, measured.stdout.split())
    assert rows == MANY
    assert kilobytes < MANY
    assert protected.checksum("t") == before


def test_rows_that_were_changed_twice_are_undone_in_proportion_to_their_number(postgresql_database: str) -> None:
    """To look up each row's changes among all of them took minutes for as many as these."""
    protected = Protected(postgresql_database)
    protected.run(
        "create table t (id int primary key, n int)", "insert into t select i, i from generate_series(1, 10000) as i"
    )
    protected.protect({"t": [Audit()]})
    before = protected.checksum("t")
    transaction = protected.write("update t set n = n + 1", "update t set n = n * 2", "delete from t where id > 9000")
    database = sqlalchemy.make_url(postgresql_database).database
    protected.run(f"alter database \"{database}\" set statement_timeout = '30s'")
    protected.undo(transaction)
    assert protected.checksum("t") == before
