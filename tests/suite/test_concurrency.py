"""Eight writers on the same rows: no change lost, none doubled, in the order of the commits, and no new deadlock."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable

import psycopg
import pytest

from holdfast.policies import Audit, Guard, Policy, SoftDelete, Timestamps, Version
from tests.harness import Protected, journal
from tests.servers import libpq_url

pytestmark = pytest.mark.copy_of(build=journal)

SECONDS = float(os.environ.get("HOLDFAST_TEST_CONCURRENCY_SECONDS", "8"))
"""HOLDFAST_TEST_CONCURRENCY_SECONDS=60 for the full minute."""
WRITERS = 8
ROWS = 6

EVERYTHING: tuple[Policy, ...] = (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=1000))
DECLARATIONS: dict[str, tuple[Policy, ...]] = {
    "by statement": (Audit(form="statement"),),
    "by row": (Audit(form="row"),),
    "everything": EVERYTHING,
}


class Load:
    """Each writer takes rows in an order that no two writers turn around, so that without protection none waits
    for another in a circle; some transactions are rolled back, some to a savepoint."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.committed: Counter[int] = Counter()
        self.failures: list[str] = []
        self.transactions = 0
        self._lock = threading.Lock()

    def run(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        threads = [threading.Thread(target=self._write, args=(number, ends)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _write(self, number: int, ends: float) -> None:
        chance = random.Random(number)
        with psycopg.connect(libpq_url(self.url), autocommit=True) as connection:
            while time.monotonic() < ends:
                try:
                    self._transaction(connection, chance)
                except psycopg.Error as error:
                    with self._lock:
                        self.failures.append(f"{error.sqlstate} {error}")

    def _transaction(self, connection: psycopg.Connection, chance: random.Random) -> None:
        done: Counter[int] = Counter()
        connection.execute("begin")
        first, last = sorted(chance.sample(range(1, ROWS + 1), 2))
        for row in range(first, last + 1):
            connection.execute("update counter set n = n + 1 where id = %s", (row,))
            done[row] += 1
            if chance.random() < 0.2:
                connection.execute("savepoint s")
                connection.execute("update counter set n = n + 1 where id = %s", (row,))
                connection.execute("rollback to savepoint s")
        if chance.random() < 0.2:
            # All rows at once, those that are already ours first: a set, through another path.
            connection.execute("update counter set n = n + 1 where id between %s and %s", (first, last))
            done.update(range(first, last + 1))
        if chance.random() < 0.1:
            connection.execute("rollback")
            return
        connection.execute("commit")
        with self._lock:
            self.committed.update(done)
            self.transactions += 1


def prepared(url: str) -> Protected:
    database = Protected(url)
    database.run(
        "create table counter (id int primary key, n bigint not null default 0)",
        f"insert into counter (id) select * from generate_series(1, {ROWS})",
    )
    return database


def in_order(database: Protected, committed: Counter[int]) -> None:
    """What each row came to, step by step, is what its writers committed: 1, 2, 3 …"""
    values: dict[int, list[int]] = {row: [] for row in range(1, ROWS + 1)}
    for row, value in database.rows(
        "select (c.key)::int, (holdfast.named(c.relation, c.after) ->> 'n')::bigint"
        " from holdfast.change as c where c.operation = 'U' order by c.id"
    ):
        values[row].append(value)
    assert {row: len(each) for row, each in values.items()} == {row: committed[row] for row in values}
    for each in values.values():
        assert each == list(range(1, len(each) + 1))
    assert dict(database.rows("select id, n from counter")) == {row: committed[row] for row in values}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("declared", list(DECLARATIONS))
def test_eight_writers_on_the_same_rows(postgresql_database: str, declared: str) -> None:
    database = prepared(postgresql_database)
    control = Load(postgresql_database)
    control.run(SECONDS / 8)
    assert control.failures == []
    assert control.transactions > 0
    database.run("update counter set n = 0")
    database.protect({"counter": DECLARATIONS[declared]}, add_columns=True)

    load = Load(postgresql_database)
    load.run(SECONDS / len(DECLARATIONS))

    assert load.failures == []
    in_order(database, load.committed)
    log = [each for each in database.log("counter", key="1") if each.operation == "update"]
    assert [each.after["n"] for each in log if each.after] == list(range(1, load.committed[1] + 1))
    # Each transaction is there once, and undoing the very last one takes back just that.
    assert len({each.transaction for each in database.log("counter")}) <= load.transactions
    before = dict(database.rows("select id, n from counter"))
    last = database.log("counter")[-1].transaction
    touched = Counter(each.key for each in database.log("counter", transaction=last))
    database.undo(last)
    assert dict(database.rows("select id, n from counter")) == {row: n - touched[row] for row, n in before.items()}


def test_parents_and_children_deleted_and_revived_at_once(postgresql_database: str) -> None:
    """Children inserted while their parent goes are refused or go with it; none lives under a dead parent."""
    database = Protected(postgresql_database)
    database.run(
        "create table parent (id int primary key)",
        "create table child (id serial primary key, parent int not null references parent on delete cascade)",
        "insert into parent select * from generate_series(1, 4)",
    )
    database.protect({"parent": EVERYTHING[:2], "child": EVERYTHING[:2]}, add_columns=True)
    unexpected: list[str] = []

    def work(statement: Callable[[random.Random], str], seed: int) -> None:
        chance = random.Random(seed)
        ends = time.monotonic() + SECONDS / 4
        with psycopg.connect(libpq_url(postgresql_database), autocommit=True) as connection:
            while time.monotonic() < ends:
                try:
                    connection.execute(statement(chance))
                except psycopg.Error as error:
                    if error.sqlstate != "HF201":
                        unexpected.append(f"{error.sqlstate} {error}")

    statements: list[Callable[[random.Random], str]] = [
        lambda chance: f"insert into child (parent) values ({chance.randint(1, 4)})",
        lambda chance: f"insert into child (parent) values ({chance.randint(1, 4)})",
        lambda chance: f"delete from parent where id = {chance.randint(1, 4)}",
        lambda chance: f"update parent set deleted_at = null where id = {chance.randint(1, 4)}",
    ]
    threads = [threading.Thread(target=work, args=(each, seed)) for seed, each in enumerate(statements * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert unexpected == []
    assert (
        database.rows(
            "select c.id from child as c join parent as p on p.id = c.parent"
            " where c.deleted_at is null and p.deleted_at is not null"
        )
        == []
    )
    # What the journal says of each row, one step after the other, is what became of it.
    dead: dict[tuple[str, object], bool] = {}
    for table, key, operation in database.rows(
        "select table_name, key::text::int, operation from holdfast.timeline order by id"
    ):
        if operation == "insert":
            assert (table, key) not in dead
            dead[table, key] = False
        elif operation in ("delete", "restore"):
            assert dead.get((table, key), False) == (operation == "restore")
            dead[table, key] = operation == "delete"
    for table in ("parent", "child"):
        for key, is_dead in database.rows(f"select id, deleted_at is not null from {table}"):
            assert dead.get((table, key), False) == is_dead


def test_writers_of_a_versioned_row_lose_no_update(postgresql_database: str) -> None:
    """Read, add one, write back with the version that was read: who was too late is told, and tries again."""
    database = prepared(postgresql_database)
    database.protect({"counter": [Audit(), Version()]}, add_columns=True)
    written = [0] * WRITERS
    refusals: list[list[str | None]] = [[] for _ in range(WRITERS)]

    def work(number: int) -> None:
        with psycopg.connect(libpq_url(postgresql_database), autocommit=True) as connection:
            while written[number] < 25:
                row = connection.execute("select n, version from counter where id = 1").fetchone()
                assert row is not None
                try:
                    connection.execute("update counter set n = %s, version = %s where id = 1", (row[0] + 1, row[1]))
                except psycopg.Error as error:
                    refusals[number].append(error.sqlstate)
                else:
                    written[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.rows("select n, version from counter where id = 1") == [(25 * WRITERS, 25 * WRITERS + 1)]
    assert {each for refused in refusals for each in refused} == {"HF202"}


def test_eight_writers_on_sqlite(sqlite_database: str) -> None:
    database = Protected(sqlite_database)
    database.run(
        "create table counter (id integer primary key, n integer not null default 0)",
        f"insert into counter (id) select value from json_each('[{','.join(map(str, range(1, ROWS + 1)))}]')",
    )
    database.protect({"counter": [Audit(), Version()]}, add_columns=True)
    committed: Counter[int] = Counter()
    failures: list[str] = []
    lock = threading.Lock()
    ends = time.monotonic() + SECONDS / 4

    def write(number: int) -> None:
        chance = random.Random(number)
        connection = sqlite3.connect(database.database.url.database or "", timeout=60, isolation_level=None)
        while time.monotonic() < ends:
            rows = chance.sample(range(1, ROWS + 1), 2)
            try:
                connection.execute("begin immediate")
                for row in rows:
                    connection.execute("update counter set n = n + 1 where id = ?", (row,))
                keep = chance.random() < 0.9
                connection.execute("commit" if keep else "rollback")
            except sqlite3.Error as error:
                failures.append(str(error))
                break
            if keep:
                with lock:
                    committed.update(rows)
        connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    values: dict[int, list[int]] = {row: [] for row in range(1, ROWS + 1)}
    for change in database.log("counter"):
        if change.operation == "update":
            assert change.after is not None
            values[change.key].append(change.after["n"])
    assert {row: len(each) for row, each in values.items()} == {row: committed[row] for row in values}
    for each in values.values():
        assert each == list(range(1, len(each) + 1))
