"""Rows that were deleted long ago really go, children first; what lives, is held or is in use stays."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.errors import UnsupportedError
from holdfast.holds import hold, release
from holdfast.policies import Audit, Guard, SoftDelete
from holdfast.purging import Purged, purge
from tests.harness import Protected, journal
from tests.suite.test_retention import Killed, killed_at

AT_ONCE = timedelta(seconds=1)
"""What is older than this may go; the marks of these tests are made old by hand."""


def make(url: str) -> Protected:
    shop = Protected(url)
    mark = "text" if shop.name == "sqlite" else "timestamptz"
    shop.run(
        f"create table orders (id integer primary key, parent integer references orders, deleted_at {mark})",
        "create table items (a integer, b integer references orders on delete cascade,"
        f" deleted_at {mark}, primary key (a, b))",
        f"create table notes (id text primary key, a integer, b integer, deleted_at {mark},"
        " foreign key (a, b) references items on delete cascade)",
        "create table invoices (id integer primary key, order_id integer references orders on delete set null)",
    )
    shop.protect(
        {
            "orders": [Audit(), SoftDelete(purge_after="90d"), Guard(max_rows=2)],
            "items": [Audit(), SoftDelete(raw_delete="refuse"), Guard(max_rows=1)],
            "notes": [Audit(), SoftDelete()],
        }
    )
    return shop


def dead(shop: Protected, table: str, where: str, days: float = 100) -> None:
    """Marked so many days ago."""
    moment = (
        f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{days} days')"
        if shop.name == "sqlite"
        else f"now() - interval '{days} days'"
    )
    without_triggers = (
        ("insert into holdfast_context (undo, allow) values (1, 'mass')", "delete from holdfast_context")
        if shop.name == "sqlite"
        else ("set local session_replication_role = replica", "select 1")
    )
    first, last = without_triggers
    shop.run(first, f"update {table} set deleted_at = {moment} where {where}", last)


def ids(shop: Protected, table: str) -> list[int]:
    return [number for (number,) in shop.rows(f"select id from {table} order by id")]


def write(shop: Protected, *statements: str) -> None:
    for statement in statements:
        shop.run(statement)


def filled(url: str) -> None:
    """Orders 1 to 9, of which 1 to 6 are long dead: 2 under 1, 3 with an invoice, 4 with an item that died lately."""
    shop = make(url)
    write(
        shop,
        *(f"insert into orders (id, parent) values ({each}, {1 if each == 2 else 'null'})" for each in range(1, 10)),
        "insert into invoices values (1, 3)",
        *(f"insert into items (a, b) values ({a}, {b})" for a, b in ((1, 1), (2, 1), (1, 4), (1, 8))),
        "insert into notes (id, a, b) values ('n,1', 1, 1), ('n2', 1, 8)",
    )
    dead(shop, "orders", "id <= 6")
    dead(shop, "items", "b = 1")
    dead(shop, "items", "b = 4", days=10)
    dead(shop, "notes", "id = 'n,1'")


@pytest.fixture
def shop(database: str) -> Protected:
    return Protected(database)


pytestmark = pytest.mark.copy_of(build=filled)


def test_children_go_first_and_what_lives_keeps_its_parent(shop: Protected) -> None:
    before = {name: shop.checksum(name) for name in ("orders", "items", "notes", "invoices")}
    would = purge(shop.database, "orders", dry_run=True, batch=2)
    assert {name: shop.checksum(name) for name in before} == before

    purged = purge(shop.database, "orders", actor="cron", batch=2)

    assert purged.rows == would.rows == {"orders": 4, "items": 2, "notes": 1}
    assert [(each.key, each.why) for each in purged.left] == [
        (3, "a row of invoices refers to it"),
        (4, "a row of items that lives, or died later, refers to it"),
    ]
    assert ids(shop, "orders") == [3, 4, 7, 8, 9]
    assert shop.rows("select a, b from items order by b") == [(1, 4), (1, 8)]
    assert shop.rows("select id from notes") == [("n2",)]
    gone = [each for each in shop.log() if each.reason == "purge"]
    assert {each.operation for each in gone} == {"delete"}
    assert {each.actor for each in gone} == {"cron"}
    assert purge(shop.database, "orders").rows == {}
    for transaction in dict.fromkeys(each.transaction for each in reversed(gone)):
        shop.undo(transaction)
    assert {name: shop.checksum(name) for name in before} == before


def test_only_what_was_named_goes(shop: Protected) -> None:
    assert purge(shop.database, "notes", older_than=90).rows == {"notes": 1}
    assert purge(shop.database, "items", older_than="90d").rows == {"items": 2}
    assert ids(shop, "orders") == list(range(1, 10))
    for age in (200, "101d", timedelta(days=100, hours=1)):
        assert purge(shop.database, "orders", older_than=age).rows == {}


def test_what_is_held_stays_and_keeps_its_parent(shop: Protected) -> None:
    hold(shop.database, "orders", 5, reason="a case in court")
    hold(shop.database, "notes", "n,1", reason="another one")
    purged = purge(shop.database, "orders")
    assert (purged.rows, purged.held, purged.left_rows) == ({"orders": 2}, 1, 3)
    assert purged.left[0].why == "a row of items that stays refers to it"
    assert ids(shop, "orders") == [1, 3, 4, 5, 7, 8, 9]
    assert release(shop.database, "notes", "n,1") == ["another one"]
    assert purge(shop.database, "orders").rows == {"orders": 1, "items": 2, "notes": 1}


def test_rows_that_refer_to_each_other_in_a_circle_are_left(shop: Protected) -> None:
    write(shop, "update orders set parent = 6 where id = 5", "update orders set parent = 5 where id = 6")
    purged = purge(shop.database, "orders")
    assert [(each.key, each.why) for each in purged.left][-2:] == [
        (5, "it is part of a circle of rows that refer to each other"),
        (6, "it is part of a circle of rows that refer to each other"),
    ]
    assert ids(shop, "orders") == [3, 4, 5, 6, 7, 8, 9]


@pytest.mark.copy_of(build=make)
def test_killed_anywhere_it_is_finished_by_the_next_run(database: str, tmp_path: Path) -> None:
    shop = Protected(database)
    random_ = random.Random(7)
    parents = {each: each - 1 if random_.random() < 0.3 and each > 1 else None for each in range(1, 31)}
    rows = (f"({each}, {parent or 'null'})" for each, parent in parents.items())
    shop.run(f"insert into orders (id, parent) values {', '.join(rows)}")
    alive = {each for each in parents if random_.random() < 0.2}
    dead(shop, "orders", f"id not in ({', '.join(map(str, alive))})")
    remaining = set(alive)
    for each in sorted(parents, reverse=True):
        # A row stays if it lives, or if one that stays refers to it.
        if each in remaining and parents[each]:
            remaining.add(parents[each] or 0)
    statement, finished = random_.randint(1, 15), False
    while not finished:
        try:
            with killed_at(shop.database, statement):
                purge(shop.database, "orders", batch=4)
            finished = True
        except Killed:
            statement += random_.randint(3, 20)
        assert remaining <= set(ids(shop, "orders"))
    assert set(ids(shop, "orders")) == remaining
    gone = [each.key for each in shop.log("orders") if each.reason == "purge"]
    assert sorted(gone) == sorted(set(parents) - remaining)


@pytest.mark.copy_of(build=make)
def test_a_row_that_is_restored_meanwhile_lives(postgresql_database: str) -> None:
    shop = Protected(postgresql_database)
    write(shop, "insert into orders (id) values (1), (2), (3)", "insert into items (a, b) values (1, 2)")
    dead(shop, "orders", "true")
    dead(shop, "items", "true")
    with shop.connect() as other:
        other.exec_driver_sql("update orders set deleted_at = null where id = 2")
        purged = purge(shop.database, "orders")
        assert (purged.rows, purged.busy) == ({"orders": 2}, 1)
        other.commit()
    assert shop.rows("select id, deleted_at from orders") == [(2, None)]
    assert shop.rows("select a, b from items") == [(1, 2)]
    # And what was restored between two batches is looked at again.
    write(shop, "insert into orders (id) values (11), (12), (13)")
    dead(shop, "orders", "id > 10")

    def restore(*_: object) -> None:
        shop.run("update orders set deleted_at = null where id = 12")

    assert purge(shop.database, "orders", batch=1, progress=restore).rows == {"orders": 2}
    assert ids(shop, "orders") == [2, 12]


@pytest.mark.copy_of(build=journal)
def test_keys_of_every_sort_are_gone_through_in_their_order(database: str) -> None:
    shop = Protected(database)
    mark = "text" if shop.name == "sqlite" else "timestamptz"
    kinds = {"text": "'it''s \"{}\" \\ ö'", "numeric": "{}.50"}
    kinds |= {"blob": "x'0{}ff'"} if shop.name == "sqlite" else {
        "uuid": "'00000000-0000-0000-0000-00000000000{}'::uuid",
        "timestamptz": "timestamptz '2026-01-0{} 12:00+02'",
        "date": "date '2026-01-0{}'",
        "bytea": "'\\x0{}'::bytea",
        "char(3)": "'{}'",
    }  # fmt: skip
    tables = {f"t_{number}": kind for number, kind in enumerate(kinds)}
    shop.run(
        *(
            f"create table {name} (k {kind} not null, n int not null, deleted_at {mark},"
            f" primary key ({'k' if number % 2 else 'n, k'}))"
            for number, (name, kind) in enumerate(tables.items())
        )
    )
    shop.protect({name: [Audit(), SoftDelete()] for name in tables})
    for name, kind in tables.items():
        values = ", ".join(f"({kinds[kind].format(each)}, {each})" for each in range(1, 6))
        shop.run(f"insert into {name} (k, n) values {values}")
        dead(shop, name, "n < 5")
        assert purge(shop.database, name, older_than=90, batch=2).rows == {name: 4}, kind
        assert shop.rows(f"select n from {name}") == [(5,)]


@pytest.mark.copy_of(build=journal)
def test_a_row_in_two_tables_goes_from_both(database: str) -> None:
    shop = Protected(database)
    mark = "text" if shop.name == "sqlite" else "timestamptz"
    shop.run(
        f"create table people (id integer primary key, deleted_at {mark})",
        "create table workers (id integer primary key references people, wage integer)",
        "insert into people (id) values (1), (2)",
        "insert into workers (id) values (1), (2)",
    )
    shop.protect({"people": [Audit(), SoftDelete(parts=frozenset({"workers"}))], "workers": [Audit()]})
    dead(shop, "people", "id = 1")
    assert purge(shop.database, "people", older_than=90).rows == {"people": 1, "workers": 1}
    assert ids(shop, "workers") == ids(shop, "people") == [2]


def test_what_cannot_be_purged_is_said(shop: Protected) -> None:
    with pytest.raises(UnsupportedError, match="HF412"):
        purge(shop.database, "invoices", older_than=90)
    with pytest.raises(UnsupportedError, match="HF424"):
        purge(shop.database, "items")
    assert isinstance(purge(shop.database, "items", older_than=90, dry_run=True), Purged)
