"""Transactions that overlap: each comes when it is committed, whoever began first."""

from __future__ import annotations

import random
from contextlib import ExitStack

import psycopg
import pytest

from holdfast.database import execute
from holdfast.feed import changes_after, cursor_at
from tests.harness import Protected
from tests.servers import libpq_url
from tests.stock import everything, prepared, transaction

pytestmark = pytest.mark.copy_of(build=prepared)


def test_what_runs_long_delays_itself_alone(postgresql_database: str) -> None:
    stock = Protected(postgresql_database)
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
    stock = Protected(postgresql_database)
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
    stock = Protected(postgresql_database)
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
    stock = Protected(postgresql_database)
    with stock.connect() as connection:
        execute(connection, "insert into item values (1, 1, null)")
        batch = changes_after(connection)
        assert batch.changes == []
        connection.commit()
        assert [each.key for each in changes_after(connection, batch.cursor).changes] == [1]


def test_nothing_is_lost_whoever_writes_first_and_ends_last(
    postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transactions that begin to write, write on and end in any order, between pages that are read in any way."""
    stock = Protected(postgresql_database)
    chance = random.Random(3)
    monkeypatch.setattr("holdfast.feed_page._AT_ONCE", 5)
    url = libpq_url(postgresql_database)
    seen, cursor, key = [], cursor_at(stock.database, "now"), 0
    with ExitStack() as exits:
        writers = [exits.enter_context(psycopg.connect(url)) for _ in range(6)]
        reader = exits.enter_context(stock.connect())
        for _ in range(300):
            writer = chance.choice(writers)
            match chance.choice(("write", "write", "write", "commit", "commit", "rollback", "read", "read")):
                case "write":
                    for _ in range(chance.choice((1, 1, 4))):
                        key += 1
                        writer.execute("insert into item values (%s, 0, null)", (2 * key,))
                case "commit":
                    writer.commit()
                case "rollback":
                    writer.rollback()
                case "read":
                    batch = changes_after(chance.choice((stock.database, reader)), cursor, limit=chance.randint(1, 9))
                    seen += [each.key for each in batch.changes]
                    cursor = batch.cursor
                    if chance.random() < 0.5:
                        reader.rollback()
        for writer in writers:
            writer.commit()
    seen += [each.key for each in everything(stock.database, cursor)]
    assert sorted(seen) == [row[0] for row in stock.rows("select id from item order by id")]
    assert len(seen) > 100
