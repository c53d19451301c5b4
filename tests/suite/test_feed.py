"""The change feed: what is committed comes once, in its order, and a consumer goes on where it was done."""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from holdfast.consumer import Consumer
from holdfast.database import Database, execute
from holdfast.errors import InvalidCursorError, LockedError, RequestError, UnsupportedError
from holdfast.feed import changes_after, cursor_at, disable_wake_up, enable_wake_up, feed_state
from holdfast.following import Follower
from holdfast.journal import Change
from holdfast.policies import Audit, SoftDelete, Version
from tests.harness import Protected
from tests.servers import libpq_url, pg_dump_schema
from tests.suite.test_drift import dump_and_restore


def told(changes: list[Change]) -> list[tuple[Any, ...]]:
    return [(each.table, each.key, each.operation, each.before, each.after) for each in changes]


def everything(source: Database, cursor: str | None = None, **options: Any) -> list[Change]:
    found = []
    while True:
        batch = changes_after(source, cursor, **options)
        found += batch.changes
        cursor = batch.cursor
        if not batch.more:
            return found


@pytest.fixture
def stock(database: str) -> Protected:
    return prepared(database)


def prepared(url: str) -> Protected:
    stock = Protected(url)
    stock.run(
        "create table item (id integer primary key, n integer, note text)",
        "create table place (shelf integer, slot text, item integer, primary key (shelf, slot))",
    )
    stock.protect({"item": [Audit()], "place": [Audit()]})
    return stock


def history(stock: Protected) -> None:
    """Runs of inserted keys, several changes of one row, keys of two columns, keys that come again."""
    stock.run("insert into item values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 4, 'd'), (7, 7, 'e')")
    stock.write("insert into place values (1, 'x', 3), (2, 'y', 7)", actor="ada")
    stock.write("update item set n = n + 1 where id < 3", "delete from item where id = 3")
    stock.write("insert into item values (3, 33, 'again'), (5, 5, null), (6, 6, null)", "update item set note = 'z'")
    stock.run("delete from place")


@contextmanager
def transaction(url: str, *statements: str) -> Iterator[psycopg.Connection]:
    """Left open; rolled back unless the test commits."""
    with psycopg.connect(libpq_url(url)) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()


def test_the_feed_is_the_journal_from_the_oldest_on(stock: Protected) -> None:
    history(stock)
    changes = everything(stock.database)
    assert told(changes) == told(stock.log())
    assert [(each.key, each.after) for each in changes[:2]] == [
        (1, {"id": 1, "n": 1, "note": "a"}),
        (2, {"id": 2, "n": 2, "note": "b"}),
    ]
    assert {each.actor for each in changes if each.table == "place" and each.operation == "insert"} == {"ada"}


def test_any_split_into_pages_is_the_same_sequence(stock: Protected) -> None:
    history(stock)
    whole = everything(stock.database)
    chance = random.Random(5)
    for _ in range(6):
        seen, cursors = [], []
        with Follower(stock.database, cursor_at(stock.database, "beginning")) as follower:
            while True:
                follower.limit = chance.choice((1, 1, 2, 3, 5, 8, 100))
                batch = follower.read()
                assert len(batch.changes) <= follower.limit
                if not batch.changes:
                    break
                seen += batch.changes
                cursors += batch.cursors()
        assert seen == whole
        # Each change has its cursor: what comes after it is the rest.
        place = chance.randrange(len(whole))
        assert everything(stock.database, cursors[place]) == whole[place + 1 :]


def test_a_batch_that_is_too_large_to_sort_is_the_same_sequence(
    postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = prepared(postgresql_database)
    history(stock)
    whole = everything(stock.database)
    begun = cursor_at(stock.database, "now")
    # Numbers that nobody has, as a large transaction leaves them that was rolled back.
    stock.run("select setval('holdfast.change_id', 5000)", "update item set n = 0")
    stock.run("delete from item")
    later = everything(stock.database, begun)
    assert len(later) == 14
    monkeypatch.setattr("holdfast.feed._AT_ONCE", 2)
    for limit in (1, 4, 100):
        assert everything(stock.database, limit=limit) == whole + later
        assert everything(stock.database, begun, limit=limit) == later


def test_some_tables_alone(stock: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    history(stock)
    places = [each for each in everything(stock.database) if each.table == "place"]
    monkeypatch.setattr("holdfast.feed._LOOK", 3)
    for limit in (1, 2, 100):
        assert everything(stock.database, tables=["place"], limit=limit) == places
    stock.run("alter table place rename to shelf")
    assert len(everything(stock.database, tables=["shelf"])) == len(places)
    with pytest.raises(UnsupportedError, match="HF409"):
        changes_after(stock.database, tables=["nothing"])


def test_what_runs_long_delays_itself_alone(postgresql_database: str) -> None:
    stock = prepared(postgresql_database)
    cursor = cursor_at(stock.database, "now")
    with transaction(postgresql_database, "insert into item values (1, 1, 'slow')") as slow:
        stock.run("insert into item values (2, 2, 'fast')")
        batch = changes_after(stock.database, cursor)
        assert [each.key for each in batch.changes] == [2]
        assert changes_after(stock.database, batch.cursor).changes == []
        stock.run("insert into item values (3, 3, 'fast')")
        slow.execute("insert into item values (4, 4, 'slow')")
        slow.commit()
        # Both, once each, though one of them was written before what came first.
        batch = changes_after(stock.database, batch.cursor)
        assert [each.key for each in batch.changes] == [1, 3, 4]
    assert changes_after(stock.database, batch.cursor).changes == []


def test_a_row_changes_in_the_order_in_which_it_changed(postgresql_database: str) -> None:
    """The transaction that began to write first is the last to write this row."""
    stock = prepared(postgresql_database)
    stock.run("insert into item values (1, 0, null)")
    cursor = cursor_at(stock.database, "now")
    with (
        transaction(postgresql_database, "insert into item values (10, 0, 'first')") as first,
        transaction(postgresql_database, "insert into item values (11, 0, 'second')") as second,
        transaction(postgresql_database, "update item set n = 1 where id = 1") as third,
    ):
        third.commit()
        first.execute("update item set n = 2 where id = 1")
        first.commit()
        batch = changes_after(stock.database, cursor, limit=2)
        # That the second one still runs, which began between the two, changes nothing.
        assert [(each.key, each.after) for each in batch.changes] == [
            (10, {"id": 10, "n": 0, "note": "first"}),
            (1, {"n": 1}),
        ]
        second.commit()
    rest = everything(stock.database, batch.cursor)
    assert [(each.key, (each.after or {}).get("n")) for each in rest] == [(1, 2), (11, 0)]


def test_what_is_rolled_back_never_comes(postgresql_database: str) -> None:
    stock = prepared(postgresql_database)
    with transaction(postgresql_database, "insert into item values (1, 1, null)"):
        early = changes_after(stock.database)
    with transaction(postgresql_database, "insert into item values (2, 2, null)", "savepoint s") as partly:
        partly.execute("insert into item values (3, 3, null)")
        partly.execute("rollback to s")
        partly.execute("savepoint t")
        partly.execute("insert into item values (4, 4, null)")
        partly.commit()
    assert early.changes == []
    assert [each.key for each in everything(stock.database, early.cursor)] == [2, 4]


def test_the_readers_own_transaction_is_not_committed(postgresql_database: str) -> None:
    stock = prepared(postgresql_database)
    with stock.connect() as connection:
        execute(connection, "insert into item values (1, 1, null)")
        batch = changes_after(connection)
        assert batch.changes == []
        connection.commit()
        assert [each.key for each in changes_after(connection, batch.cursor).changes] == [1]


def test_an_inserted_row_has_the_values_that_it_was_given(stock: Protected) -> None:
    stock.run("insert into item values (1, 1, 'a'), (2, 2, 'b')")
    stock.run("update item set n = 10 where id = 1", "delete from item where id = 2")
    for source in ("database", "connection"):
        with stock.connect() as connection:
            batch = changes_after(stock.database if source == "database" else connection, limit=2)
        assert [each.after for each in batch.changes] == [
            {"id": 1, "n": 1, "note": "a"},
            {"id": 2, "n": 2, "note": "b"},
        ]


def test_where_to_begin(stock: Protected) -> None:
    stock.run("insert into item values (1, 1, null)")
    now = cursor_at(stock.database, "now")
    middle = datetime.now(UTC)
    assert changes_after(stock.database, now).changes == []
    stock.run("insert into item values (2, 2, null)")
    assert [each.key for each in everything(stock.database, now)] == [2]
    assert [each.key for each in everything(stock.database, cursor_at(stock.database, "beginning"))] == [1, 2]
    ago = middle - timedelta(hours=1)
    assert [each.key for each in everything(stock.database, cursor_at(stock.database, ago))] == [1, 2]
    after = cursor_at(stock.database, middle + timedelta(hours=1))
    stock.run("insert into item values (3, 3, null)")
    assert [each.key for each in everything(stock.database, after)] == [3]


def test_lag_is_there_while_there_is_more(stock: Protected) -> None:
    history(stock)
    batch = changes_after(stock.database, limit=2)
    assert batch.more
    assert timedelta(0) <= batch.lag < timedelta(hours=1)
    batch = changes_after(stock.database)
    assert (batch.more, batch.lag) == (False, timedelta(0))


def test_a_cursor_that_was_changed_is_refused(stock: Protected) -> None:
    history(stock)
    cursor = changes_after(stock.database, limit=3).cursor
    changed = [cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :] for place in range(0, 60, 7)]
    for wrong in (*changed, cursor[:-5], cursor + "AAAA", "", "!", "é", "null"):
        with pytest.raises(InvalidCursorError, match="HF430"):
            changes_after(stock.database, wrong)


def test_a_cursor_of_another_database_is_refused(stock: Protected, request: pytest.FixtureRequest, tmp_path: Any) -> None:
    if stock.name == "sqlite":
        other = prepared(f"sqlite:///{tmp_path / 'other.db'}")
        cursor = cursor_at(other.database, "now")
    else:
        with request.getfixturevalue("servers").get(None if False else stock_version(stock)).new_database() as url:
            # Another table means another number of the journal.
            Protected(url).run("create table more (id integer)")
            cursor = cursor_at(prepared(url).database, "now")
    with pytest.raises(InvalidCursorError, match="another database"):
        changes_after(stock.database, cursor)


def stock_version(stock: Protected) -> int:
    [(number,)] = stock.rows("select current_setting('server_version_num')::int / 10000")
    return int(number)


def test_a_database_that_was_set_back(stock: Protected) -> None:
    history(stock)
    cursor = cursor_at(stock.database, "now")
    batch = json.loads(__import__("base64").urlsafe_b64decode(cursor + "==")[6:])
    assert batch[0] == 1
    from holdfast.feed import encode, position_of  # noqa: PLC0415

    position = position_of(cursor)
    ahead = __import__("dataclasses").replace(position, done="900000:900000:", transaction=900000)
    with pytest.raises(InvalidCursorError, match="set back"):
        changes_after(stock.database, encode(ahead, batch[1]))
