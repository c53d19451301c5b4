"""The log: which changes it finds, in which order, and with which values."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from holdfast.context import bind, context
from holdfast.database import execute
from holdfast.dialects.log import LogFilter
from holdfast.errors import UnsupportedError
from holdfast.inspector import inspect
from holdfast.journal import Change
from holdfast.policies import Audit, Timestamps, Version
from holdfast.timeline import log, show
from tests.harness import Protected, journal
from tests.servers import libpq_url

pytestmark = pytest.mark.copy_of(build=journal)


@pytest.fixture
def house(database: str) -> Protected:
    protected = Protected(database)
    protected.run(
        "create table cats (id int primary key, name text, lives int)",
        "create table seats (hall text, number int, guest text, primary key (hall, number))",
    )
    protected.protect({"cats": [Audit()], "seats": [Audit()]})
    bind(protected.database.engine)
    return protected


def as_actor(protected: Protected, actor: str, *statements: str) -> str:
    """One transaction of that actor; gives its name."""
    with context(actor=actor, reason="because", tenant="t"), protected.database.begin() as connection:
        for statement in statements:
            execute(connection, statement)
    return protected.log(limit=1)[0].transaction


def newest_first(protected: Protected, **wanted: Any) -> list[Change]:
    return protected.log(**wanted)[::-1]


def told(changes: list[Change]) -> list[tuple[str, Any, str]]:
    return [(change.table, change.key, change.operation) for change in changes]


def test_the_newest_change_comes_first(house: Protected) -> None:
    first = as_actor(house, "ada", "insert into cats values (1, 'Tom', 9)")
    second = as_actor(house, "bo", "update cats set lives = 8", "insert into seats values ('a', 1, null)")
    third = as_actor(house, "ada", "delete from cats")
    changes = newest_first(house)
    assert told(changes) == [
        ("cats", 1, "delete"), ("seats", ["a", 1], "insert"), ("cats", 1, "update"), ("cats", 1, "insert"),
    ]  # fmt: skip
    assert [change.transaction for change in changes] == [third, second, second, first]
    assert [change.actor for change in changes] == ["ada", "bo", "bo", "ada"]
    assert (changes[0].tenant, changes[0].reason) == ("t", "because")
    assert changes[0].before == {"id": 1, "name": "Tom", "lives": 8}
    assert (changes[2].before, changes[2].after) == ({"lives": 9}, {"lives": 8})


def test_filters_find_what_they_name_and_nothing_else(house: Protected) -> None:
    as_actor(
        house, "ada", "insert into cats values (1, 'Tom', 9), (2, 'Kit', 9)", "insert into seats values ('a', 1, 'x')"
    )
    second = as_actor(house, "bo", "update cats set lives = 8 where id = 2", "delete from cats where id = 1")
    as_actor(house, "bo", "update seats set guest = 'y'")
    assert told(house.log("seats")) == [("seats", ["a", 1], "insert"), ("seats", ["a", 1], "update")]
    assert told(house.log("cats", key="2")) == [("cats", 2, "insert"), ("cats", 2, "update")]
    assert told(house.log("cats", key="3")) == []
    assert told(house.log(actor="bo", table="cats")) == [("cats", 2, "update"), ("cats", 1, "delete")]
    assert told(house.log(operation="delete")) == [("cats", 1, "delete")]
    assert len(house.log(operation="insert")) == 3
    assert told(house.log(transaction=second)) == [("cats", 2, "update"), ("cats", 1, "delete")]
    assert told(house.log(limit=2)) == [("cats", 1, "delete"), ("seats", ["a", 1], "update")]
    assert house.log(actor="nobody") == []


@pytest.mark.parametrize("key", ['["a", 1]', '["a",1]', ' [ "a" , 1 ] '])
def test_a_key_of_several_columns_is_found_however_it_is_spaced(house: Protected, key: str) -> None:
    house.run("insert into seats values ('a', 1, 'x'), ('a', 2, 'y'), ('b', 1, 'z')")
    assert told(house.log("seats", key=key)) == [("seats", ["a", 1], "insert")]


TEXTS = ["plain", 'quo"te', "back\\slash", "ünï ☃", "tab\tand\nline", "1", "null", "'; drop table keys; --", "%s :key"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_key_of_any_text_is_found(database: str, text: str) -> None:
    protected = Protected(database)
    protected.run("create table keys (k text primary key, v int)")
    protected.protect({"keys": [Audit()]})
    dollars = "'" + text.replace("'", "''") + "'"
    protected.run(f"insert into keys values ({dollars}, 1), ('other', 1)")
    protected.run("update keys set v = 2")
    changes = protected.log("keys", key=json.dumps(text, ensure_ascii=False))
    assert [(change.key, change.operation) for change in changes] == [(text, "insert"), (text, "update")]
    assert changes[0].after == {"k": text, "v": 1}


@pytest.mark.parametrize(
    "kind, value, key",
    [
        ("uuid", "11111111-2222-3333-4444-555555555555", '"11111111-2222-3333-4444-555555555555"'),
        ("numeric", "1.50", "1.50"),
        ("bigint", "-9223372036854775808", "-9223372036854775808"),
        ("date", "2026-02-03", '"2026-02-03"'),
        ("boolean", "true", "true"),
    ],
)
def test_a_key_of_any_type_is_found(postgresql_database: str, kind: str, value: str, key: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(f"create table keys (k {kind} primary key, v int)")
    protected.protect({"keys": [Audit()]})
    protected.run(f"insert into keys values ('{value}', 1)")
    protected.run("update keys set v = 2")
    assert [change.operation for change in protected.log("keys", key=key)] == ["insert", "update"]


def test_since_and_until_bound_the_time(house: Protected) -> None:
    names = [as_actor(house, "ada", f"insert into cats values ({n}, 'x', 1)") for n in (1, 2, 3)]
    times = [house.log(transaction=name)[0].at for name in names]
    moment = timedelta(milliseconds=1)
    assert [change.key for change in house.log(since=times[1])][-2:] == [2, 3]
    assert 1 in [change.key for change in house.log(until=times[1])]
    assert house.log(since=times[2] + moment * 50) == []
    assert house.log(until=times[0] - moment * 50) == []
    assert len(house.log(since=times[0] - moment, until=times[2] + moment)) == 3


def test_an_insert_shows_the_values_of_then_not_of_now(house: Protected) -> None:
    house.run("insert into cats values (1, 'Tom', 9), (2, 'Kit', 9), (3, null, null)")
    house.run("update cats set lives = lives - 1 where id in (1, 2)")
    house.run("update cats set lives = lives - 1, name = 'Kat' where id = 2")
    house.run("delete from cats where id = 2")
    house.run("insert into cats values (2, 'New', 1)")
    house.run("update cats set id = 7 where id = 1")
    inserts = [(change.key, change.after) for change in house.log(operation="insert")]
    assert inserts == [
        (1, {"id": 1, "name": "Tom", "lives": 9}),
        (2, {"id": 2, "name": "Kit", "lives": 9}),
        (3, {"id": 3, "name": None, "lives": None}),
        (2, {"id": 2, "name": "New", "lives": 1}),
    ]


def test_an_insert_does_not_show_a_version_that_came_later(database: str) -> None:
    protected = Protected(database)
    protected.run("create table notes (id int primary key, body text)")
    protected.protect({"notes": [Audit(), Version(), Timestamps()]}, add_columns=True)
    protected.run("insert into notes (id, body) values (1, 'a'), (2, 'b')")
    protected.run("update notes set body = 'c' where id = 1")
    changed, untouched = protected.log(operation="insert")
    assert changed.after is not None
    assert untouched.after is not None
    assert set(changed.after) == {"id", "body", "created_at"}
    assert changed.after["body"] == "a"
    assert set(untouched.after) == {"id", "body", "created_at", "updated_at", "version"}
    assert untouched.after["version"] == 1


def test_a_masked_value_is_not_shown_and_an_excluded_one_not_mentioned(database: str) -> None:
    protected = Protected(database)
    protected.run("create table people (id int primary key, iban text, pin text)")
    protected.protect({"people": [Audit(mask={"iban"}, exclude={"pin"})]})
    protected.run("insert into people values (1, 'DE1', '1234')")
    protected.run("update people set iban = 'DE2', pin = '4321'")
    protected.run("delete from people")
    insert, update, delete = protected.log()
    assert insert.after == {"id": 1, "iban": "***"}
    assert (update.before, update.after) == ({"iban": "***"}, {"iban": "***"})
    assert delete.before == {"id": 1, "iban": "***"}


def test_the_search_goes_further_back_until_there_is_enough(house: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    as_actor(house, "ada", "insert into seats values ('a', 1, 'x')")
    for number in range(12):
        house.run(f"insert into cats values ({number}, 'x', 1)")
    monkeypatch.setattr("holdfast.timeline._WINDOWS", (2, 5))
    assert [change.key for change in newest_first(house, limit=4)] == [11, 10, 9, 8]
    assert [change.key for change in newest_first(house, limit=100)] == [*range(11, -1, -1), ["a", 1]]
    assert told(house.log("seats", limit=3)) == [("seats", ["a", 1], "insert")]
    assert told(house.log(actor="ada", limit=1)) == [("seats", ["a", 1], "insert")]


def test_what_began_long_ago_and_wrote_last_is_the_newest(
    postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table cats (id int primary key)")
    protected.protect({"cats": [Audit()]})
    monkeypatch.setattr("holdfast.timeline._WINDOWS", (2, 5))
    with psycopg.connect(libpq_url(postgresql_database)) as long:
        long.execute("select holdfast.set_context('ada')")
        long.execute("insert into cats values (1)")
        for number in range(2, 12):
            protected.run(f"insert into cats values ({number})")
        long.execute("insert into cats values (12)")
    assert [change.key for change in newest_first(protected, limit=3)] == [12, 11, 10]
    assert [change.key for change in newest_first(protected, limit=2, actor="ada")] == [12, 1]
    fifth = next(change for change in protected.log() if change.key == 5)
    assert [change.key for change in newest_first(protected, limit=3, until=fifth.at)] == [12, 5, 4]
    assert [change.key for change in newest_first(protected, limit=9, since=fifth.at)] == [*range(11, 4, -1)]


def test_history_is_read_under_the_names_of_now(house: Protected) -> None:
    house.run("insert into cats values (1, 'Tom', 9)")
    house.run("update cats set name = 'Tim', lives = 8")
    if house.name == "sqlite":
        # There a column that a trigger names cannot be dropped.
        house.unprotect("cats")
    house.run("alter table cats rename column name to title", "alter table cats drop column lives")
    house.protect({"cats": [Audit()]})
    house.run("update cats set title = 'Tam'")
    insert, first, second = house.log("cats")
    assert (second.before, second.after) == ({"title": "Tim"}, {"title": "Tam"})
    assert (first.before, first.after) == ({"title": "Tom", "lives": 9}, {"title": "Tim", "lives": 8})
    # While it was unprotected the row may have changed, so what it was inserted with cannot be told from what it is.
    assert insert.after == (None if house.name == "sqlite" else {"id": 1, "title": "Tom", "lives": 9})


def test_history_of_a_table_that_was_renamed_is_its_own(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table cats (id int primary key, name text)")
    protected.protect({"cats": [Audit()]})
    protected.run("insert into cats values (1, 'Tom')")
    protected.run("alter table cats rename to felines")
    assert protected.log()[0].after == {"id": 1, "name": "Tom"}
    protected.protect({"felines": [Audit()]})
    protected.run("update felines set name = 'Tim'")
    assert told(protected.log("felines")) == [("felines", 1, "insert"), ("felines", 1, "update")]


def test_history_stays_when_the_table_is_gone(house: Protected) -> None:
    house.run("insert into cats values (1, 'Tom', 9)")
    house.run("delete from cats")
    house.run("drop table cats")
    assert [change.operation for change in house.log()] == ["insert", "delete"]
    assert house.log()[1].before == {"id": 1, "name": "Tom", "lives": 9}


def test_one_transaction_is_shown_with_all_that_it_did(house: Protected) -> None:
    name = as_actor(
        house, "ada", "insert into cats values (1, 'Tom', 9), (2, 'Kit', 9)", "delete from cats where id = 1"
    )
    as_actor(house, "bo", "update cats set lives = 1")
    with house.database.connect() as connection:
        dialect, inventory = inspect(connection, house.database.dialect)
        transaction, changes = show(connection, dialect, inventory, name)
        assert (transaction.id, transaction.actor, transaction.reason) == (name, "ada", "because")
        assert sorted((change.operation, change.key) for change in changes) == [
            ("delete", 1), ("insert", 1), ("insert", 2),
        ]  # fmt: skip
        assert {change.after["lives"] for change in changes if change.after} == {9}
        for wrong in ("12345", "x12345", "nonsense"):
            with pytest.raises(UnsupportedError) as caught:
                show(connection, dialect, inventory, wrong)
            assert caught.value.code == "HF410"


def test_a_run_of_inserted_keys_is_one_change_for_each(house: Protected) -> None:
    house.run(f"insert into cats values {', '.join(f'({n}, null, {n})' for n in (*range(1, 60), 70, 71))}")
    changes = house.log("cats")
    assert sorted(change.key for change in changes) == [*range(1, 60), 70, 71]
    assert all(change.after == {"id": change.key, "name": None, "lives": change.key} for change in changes)
    assert [change.key for change in house.log("cats", key="30")] == [30]
    assert house.log("cats", key="65") == []
    assert len(newest_first(house, limit=10)) == 10
    assert [change.key for change in newest_first(house, limit=3)] == [71, 70, 59]


def test_a_long_run_of_inserted_keys_is_found_by_each(house: Protected) -> None:
    """It is kept in blocks of 1024 keys, below zero too."""
    series = "with recursive s (n) as (select -1500 union all select n + 1 from s where n < 1500)"
    house.run(f"{series} insert into cats (id, lives) select n, n from s" if house.name == "sqlite" else
              "insert into cats (id, lives) select n, n from generate_series(-1500, 1500) as n")  # fmt: skip
    for key in (-1500, -1025, -1024, -1, 0, 1, 1023, 1024, 1500):
        assert [change.key for change in house.log("cats", key=str(key))] == [key]
    assert house.log("cats", key="-1501") == house.log("cats", key="1501") == []
    assert [change.key for change in newest_first(house, limit=3)] == [1500, 1499, 1498]


def test_the_log_can_be_read_of_a_connection_that_is_in_use(house: Protected) -> None:
    """What the transaction in hand has written is in what it reads."""
    with context(actor="ada"), house.database.begin() as connection:
        execute(connection, "insert into cats values (1, 'Tom', 9)")
        dialect, inventory = inspect(connection, house.database.dialect)
        changes = log(connection, dialect, inventory, LogFilter())
        assert told(changes) == [("cats", 1, "insert")]


def test_a_large_insert_is_read_by_few_statements(house: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    house.run("insert into cats values " + ", ".join(f"({n}, 'x', {n})" for n in range(1, 301)))
    house.run("update cats set lives = 0 where id > 100", "delete from cats where id > 200")
    house.run("insert into seats values " + ", ".join(f"('a', {n}, 'g')" for n in range(1, 301)))
    monkeypatch.setattr("holdfast.timeline._AT_ONCE", 120)
    with house.database.connect() as connection:
        dialect, inventory = inspect(connection, house.database.dialect)
        statements: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        changes = log(connection, dialect, inventory, LogFilter(operation="insert", limit=None))
    # The journal, the names of its columns where it has numbers, and for each 120 rows of a table those that are there
    # and those that were.
    assert len(statements) == 1 + (house.name != "sqlite") + 2 * 3 * 2
    assert len(changes) == 600
    for change in changes:
        if change.table == "cats":
            assert change.after == {"id": change.key, "name": "x", "lives": change.key}
        else:
            assert change.after == {"hall": "a", "number": change.key[1], "guest": "g"}


def test_an_insert_is_filled_in_from_its_own_table(postgresql_database: str) -> None:
    """A table was renamed, and another one has its name now."""
    protected = Protected(postgresql_database)
    protected.run("create table cats (id int primary key, name text)")
    protected.protect({"cats": [Audit()]})
    protected.run("insert into cats values (1, 'Tom')", "insert into cats values (2, 'Kit')")
    protected.run("update cats set name = 'Kat' where id = 2", "alter table cats rename to felines")
    protected.run("create table cats (id int primary key, name text)")
    protected.protect({"cats": [Audit()]})
    protected.run("insert into cats values (1, 'other')", "update cats set name = 'another'")
    assert [change.after for change in protected.log(operation="insert")] == [
        {"id": 1, "name": "Tom"},
        {"id": 2, "name": "Kit"},
        {"id": 1, "name": "other"},
    ]
