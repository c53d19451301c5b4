"""Sixteen writers and a consumer that is killed again and again: it ends with exactly the journal."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from holdfast.consumer import Consumer
from holdfast.errors import LockedError
from holdfast.policies import Audit
from tests.feeding import NAME, Consumers, noted
from tests.harness import Protected
from tests.servers import libpq_url

SECONDS = float(os.environ.get("HOLDFAST_TEST_FEED_SECONDS", "4"))
"""HOLDFAST_TEST_FEED_SECONDS=60 for the full minute."""
WRITERS, KILLS = 16, 4


class Writers:
    """Each has rows of its own, and one row that it shares with all others and takes last, so that none waits in a
    circle. Transactions are short or long, some are rolled back, some to a savepoint, some end with the connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.failures: list[str] = []

    def run(self, seconds: float) -> list[threading.Thread]:
        ends = time.monotonic() + seconds
        threads = [threading.Thread(target=self._write, args=(number, ends)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        return threads

    def _write(self, number: int, ends: float) -> None:
        chance = random.Random(number)
        try:
            while time.monotonic() < ends:
                with psycopg.connect(libpq_url(self.url), autocommit=True) as connection:
                    for _ in range(8):
                        self._transaction(connection, chance, number * 1_000_000)
                    if chance.random() < 0.3:
                        connection.execute("begin")
                        self._statement(connection, chance, number * 1_000_000)
                        # Gone in the middle of a transaction.
                        connection.close()
        except psycopg.Error as error:
            self.failures.append(repr(error))

    def _transaction(self, connection: psycopg.Connection, chance: random.Random, own: int) -> None:
        connection.execute("begin")
        for _ in range(chance.randint(1, 3)):
            self._statement(connection, chance, own)
            if chance.random() < 0.2:
                connection.execute("savepoint s")
                self._statement(connection, chance, own)
                connection.execute("rollback to s" if chance.random() < 0.6 else "release s")
        # Most are over at once, some stay open while many others come and go.
        time.sleep(chance.choice((0, 0.05, 0.1, 0.5)) * chance.random())
        if chance.random() < 0.5:
            connection.execute("update item set n = n + 1 where id = %s", (chance.randint(1, 3),))
        connection.execute("rollback" if chance.random() < 0.2 else "commit")

    def _statement(self, connection: psycopg.Connection, chance: random.Random, own: int) -> None:
        first, last = sorted(own + chance.randint(10, 16) for _ in range(2))
        match chance.randint(1, 4):
            case 1:
                connection.execute(
                    "insert into item select g, 0, 'new' from generate_series(%s::int, %s) as g on conflict do nothing",
                    (first, last),
                )
            case 2:
                connection.execute("update item set n = n + 1, note = 'set' where id between %s and %s", (first, last))
            case 3:
                connection.execute("delete from item where id between %s and %s", (first, last))
            case 4:
                connection.execute(
                    "update item as i set id = id + 500000 where id = %s"
                    " and not exists (select from item as o where o.id = i.id + 500000)",
                    (first,),
                )


def first_told(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each change where it came first. What came again was the same."""
    seen: dict[tuple[int, int], dict[str, Any]] = {}
    for each in lines:
        told = seen.setdefault((each["id"], each["key"]), each)
        assert {**told, "order": None} == {**each, "order": None}
    return list(seen.values())


def replayed(lines: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """The table, made of nothing but the changes."""
    rows: dict[int, dict[str, Any]] = {row: {"id": row, "n": 0, "note": None} for row in (1, 2, 3)}
    for each in lines:
        if each["after"] is None:
            assert rows.pop(each["key"], None) == each["before"]
        elif each["before"] is None:
            assert each["key"] not in rows
            rows[each["key"]] = dict(each["after"])
        else:
            row = rows[each["key"]]
            assert {name: row[name] for name in each["before"]} == each["before"]
            row.update(each["after"])
    return rows


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_consumer_that_is_killed_ends_with_exactly_the_journal(postgresql_database: str, tmp_path: Path) -> None:
    database = Protected(postgresql_database)
    database.run(
        "create table item (id int primary key, n int not null, note text)",
        "insert into item values (1, 0), (2, 0), (3, 0)",
    )
    database.protect({"item": [Audit()]})
    chance = random.Random(11)
    writers = Writers(postgresql_database)
    with Consumers(postgresql_database, tmp_path / "seen") as consumers:
        threads = writers.run(SECONDS)
        while any(thread.is_alive() for thread in threads) or consumers.killed < KILLS:
            # Once it has begun to write, at any moment.
            before = consumers.written()
            while consumers.written() < before + 2 and any(thread.is_alive() for thread in threads):
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.15))
            consumers.kill()
            consumers.start()
        consumers.kill()

    assert writers.failures == []
    lives = consumers.lives()
    while len(lives) <= consumers.killed + 1:
        try:
            with Consumer(database.database, NAME) as last:
                lives.append([each for batch in last.batches() for each in noted(batch)])
        except LockedError:
            # The server has not noticed yet that the last one is dead.
            continue
    for life in lives:
        places = [tuple(each["order"]) for each in life]
        assert places == sorted(set(places))
    # Everything, and nothing that was rolled back.
    once = first_told(each for life in lives for each in life)
    assert {(each["id"], each["key"]) for each in once} == set(
        database.rows("select id, key::text::int from holdfast.timeline")
    )
    # And in an order in which it can be done: nothing comes before what it was made upon.
    table = {row[0]: dict(zip(("id", "n", "note"), row, strict=True)) for row in database.rows("select * from item")}
    assert replayed(once) == table
    assert len(once) > 300
