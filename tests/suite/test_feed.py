"""The change feed: what is committed comes once, in its order, and a cursor is of one database."""

from __future__ import annotations

import pathlib
import random
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast.consumer import Consumer
from holdfast.dialects.feed import Position
from holdfast.errors import InvalidCursorError, UnsupportedError
from holdfast.feed import changes_after, cursor_at, feed_state
from holdfast.feed_cursor import encode, position_of
from holdfast.following import Follower
from tests.harness import Protected
from tests.servers import dump_and_restore
from tests.stock import everything, history, prepared, told, transaction

pytestmark = pytest.mark.copy_of(build=prepared)


@pytest.fixture
def stock(database: str) -> Protected:
    return Protected(database)


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
    for _ in range(4):
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
    stock = Protected(postgresql_database)
    history(stock)
    whole = everything(stock.database)
    begun = cursor_at(stock.database, "now")
    # Numbers that nobody has, as a large transaction leaves them that was rolled back.
    stock.run("select setval('holdfast.change_id', 5000)", "update item set n = 0")
    stock.run("delete from item")
    later = everything(stock.database, begun)
    assert len(later) == 14
    monkeypatch.setattr("holdfast.feed_page._AT_ONCE", 2)
    for limit in (3, 100):
        assert everything(stock.database, limit=limit) == whole + later
        assert everything(stock.database, begun, limit=limit) == later


def test_some_tables_alone(stock: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    history(stock)
    places = [each for each in everything(stock.database) if each.table == "place"]
    monkeypatch.setattr("holdfast.feed_page._LOOK", 3)
    for limit in (1, 2, 100):
        assert everything(stock.database, tables=["place"], limit=limit) == places
    stock.run("alter table place rename to shelf")
    assert len(everything(stock.database, tables=["shelf"])) == len(places)
    with pytest.raises(UnsupportedError, match="HF409"):
        changes_after(stock.database, tables=["nothing"])


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
    changed = [
        cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :] for place in range(0, 60, 7)
    ]
    for wrong in (*changed, cursor[:-5], cursor + "AAAA", "", "!", "é", "null"):
        with pytest.raises(InvalidCursorError, match="HF430"):
            changes_after(stock.database, wrong)


def test_a_cursor_that_somebody_made_up_is_refused(stock: Protected) -> None:
    """It may come from a client, and its parts go into SQL."""
    history(stock)
    cursor = changes_after(stock.database, limit=3).cursor
    with stock.connect() as connection:
        identity = feed_state(connection, stock.database.dialect).origins[-1].identity
    sly: Any = "0) or true --"
    for part in (field.name for field in fields(Position)):
        with pytest.raises(InvalidCursorError, match="HF430"):
            changes_after(stock.database, encode(replace(position_of(cursor), **{part: sly}), identity))


def test_a_cursor_of_another_file_is_refused(sqlite_database: str, tmp_path: pathlib.Path) -> None:
    stock, other = Protected(sqlite_database), prepared(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(InvalidCursorError, match="another database"):
        changes_after(stock.database, cursor_at(other.database, "now"))


def test_a_cursor_of_another_database_is_refused(postgresql_database: str, elsewhere: str) -> None:
    stock = Protected(postgresql_database)
    Protected(elsewhere).run("create table before_the_journal (id integer)")
    other = prepared(elsewhere)
    with pytest.raises(InvalidCursorError, match="another database"):
        changes_after(stock.database, cursor_at(other.database, "now"))


def test_a_cursor_from_before_the_database_was_set_back(stock: Protected) -> None:
    history(stock)
    cursor = cursor_at(stock.database, "now")
    with stock.connect() as connection:
        identity = feed_state(connection, stock.database.dialect).origins[-1].identity
    ahead = replace(position_of(cursor), done="900000:900000:", transaction=900_000)
    with pytest.raises(InvalidCursorError, match="set back"):
        changes_after(stock.database, encode(ahead, identity))


# ---------------------------------------------------------------------- dump and restore


def test_a_restored_copy_goes_on_where_the_original_was(postgresql_database: str, elsewhere: str) -> None:
    stock = Protected(postgresql_database)
    history(stock)
    whole = told(everything(stock.database))
    first, last = changes_after(stock.database, limit=5), changes_after(stock.database)
    dump_and_restore(postgresql_database, elsewhere)
    copy = Protected(elsewhere)
    # What is written before anybody reads is not lost either.
    copy.run("savepoint s", "insert into item values (100, 1, null)")
    with copy.connect() as connection, pytest.raises(UnsupportedError, match="HF433"):
        changes_after(connection)

    for cursor, read in ((first.cursor, 5), (last.cursor, len(whole))):
        rest = everything(copy.database, cursor, limit=4)
        assert told(rest)[:-1] == whole[read:]
        assert rest[-1].key == 100
    # As if the other cluster had counted far ahead of this one.
    brought = "at < (select max(c.at) from holdfast.change as c)"
    for table in ("transaction", "change"):
        copy.run(f"update holdfast.{table} set xid = (xid::text::bigint + 1000000)::text::xid8 where {brought}")
    with transaction(elsewhere, "insert into item values (101, 1, null)") as slow:
        copy.run("insert into item values (102, 1, null)")
        changes = everything(copy.database, limit=4)
        slow.commit()
    assert told(changes)[:-2] == whole
    assert [each.key for each in changes[-2:]] == [100, 102]
    with Consumer(copy.database, "index") as consumer:
        assert len([each for batch in consumer.batches() for each in batch.changes]) == len(whole) + 3
    assert copy.drift() == []
