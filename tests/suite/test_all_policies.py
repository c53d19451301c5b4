"""All policies on one table: each statement is one change of each row, and none gets in another's way."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.errors import GuardError, ProtectedError, StaleVersionError
from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version
from tests.harness import Protected, journal
from tests.suite.test_soft_delete import living, made

ALL = (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=10))
COLUMNS = "created_at timestamptz, updated_at timestamptz, version int, deleted_at timestamptz"
SHOP = (
    f"create table orders (id int primary key, status text, {COLUMNS})",
    f"create table lines (id int primary key, bill int references orders on delete cascade, amount int, {COLUMNS})",
)
ROWS = (
    "insert into orders (id, status) values (1, 'open'), (2, 'open')",
    "insert into lines (id, bill, amount) values (10, 1, 1), (11, 1, 2), (20, 2, 3)",
)


def build(url: str) -> None:
    shop = made(url, *SHOP, protect={"orders": ALL, "lines": ALL})
    shop.run(*ROWS)


pytestmark = pytest.mark.copy_of(build=build)


@pytest.fixture
def shop(database: str) -> Protected:
    return Protected(database)


def told(protected: Protected, table: str) -> list[tuple[str, Any]]:
    return [(each.operation, each.key) for each in protected.log(table)]


def versions(protected: Protected, table: str) -> list[Any]:
    return [row[0] for row in protected.rows(f"select version from {table} order by id")]


def test_each_statement_is_one_change_of_each_row(shop: Protected) -> None:
    assert told(shop, "orders") == [("insert", 1), ("insert", 2)]
    shop.run("update orders set status = 'paid'")
    shop.run("update orders set status = 'paid'")
    shop.run("delete from orders where id = 1")
    shop.run("update orders set deleted_at = null where id = 1")
    assert told(shop, "orders")[2:4] == [("update", 1), ("update", 2)]
    assert told(shop, "orders")[4:] == [("delete", 1), ("restore", 1)]
    assert told(shop, "lines")[3:] == [("delete", 10), ("delete", 11), ("restore", 10), ("restore", 11)]
    assert versions(shop, "orders") == [4, 2]
    assert versions(shop, "lines") == [3, 3, 1]


def test_a_change_names_what_the_writer_changed_and_nothing_that_follows(shop: Protected) -> None:
    shop.run("update orders set status = 'paid' where id = 1")
    change = shop.log("orders")[-1]
    assert (change.before, change.after) == ({"status": "open"}, {"status": "paid"})
    shop.run("delete from orders where id = 2")
    change = shop.log("orders")[-1]
    assert change.before == {"deleted_at": None}
    assert change.after is not None
    assert set(change.after) == {"deleted_at"}


def test_deleting_a_dead_row_again_counts_nothing(shop: Protected) -> None:
    shop.run("delete from orders where id = 1")
    before = versions(shop, "orders"), len(shop.log())
    shop.run("delete from orders where id = 1")
    assert (versions(shop, "orders"), len(shop.log())) == before


def test_undo_gives_the_values_back_and_moves_version_and_time_on(shop: Protected) -> None:
    [before] = shop.rows("select status, created_at, updated_at from orders where id = 1")
    shop.run("update orders set status = 'paid' where id = 1")
    shop.undo()
    [after] = shop.rows("select status, created_at, updated_at from orders where id = 1")
    assert after[:2] == before[:2]
    assert after[2] > before[2]
    assert versions(shop, "orders") == [3, 1]
    shop.run("delete from orders where id = 1")
    shop.undo()
    assert (living(shop, "orders"), living(shop, "lines")) == ([1, 2], [10, 11, 20])
    assert versions(shop, "orders") == [5, 1]


def test_a_refused_write_leaves_no_trace_of_any_policy(shop: Protected) -> None:
    shop.run("delete from orders where id = 2")
    before, journal = [shop.checksum(table) for table in ("orders", "lines")], len(shop.log())
    for error, statement in (
        (StaleVersionError, "update orders set status = 'x', version = 7 where id = 1"),
        (ProtectedError, "insert into lines (id, bill) values (30, 2)"),
        (ProtectedError, "update lines set bill = 2 where id = 10"),
    ):
        with pytest.raises(error):
            shop.run("update orders set status = 'y' where id = 1", statement)
    many = ", ".join(f"({key})" for key in range(100, 111))
    shop.run(f"insert into orders (id) values {many}")
    before[0], journal = shop.checksum("orders"), len(shop.log())
    for statement in ("update orders set status = 'x'", "delete from orders"):
        with pytest.raises(GuardError):
            shop.run(statement)
    assert [shop.checksum(table) for table in ("orders", "lines")] == before
    assert len(shop.log()) == journal


def test_an_upsert_is_an_insert_or_an_update(shop: Protected) -> None:
    shop.run(
        "insert into orders (id, status) values (1, 'paid'), (3, 'new')"
        " on conflict (id) do update set status = excluded.status"
    )
    assert set(told(shop, "orders")[2:]) == {("update", 1), ("insert", 3)}
    assert versions(shop, "orders") == [2, 1, 1]


def test_a_version_that_was_read_may_go_with_a_delete(shop: Protected) -> None:
    """What an ORM with optimistic locking sends when it deletes."""
    shop.run("update orders set deleted_at = current_timestamp, version = 2 where id = 1 and version = 1")
    assert living(shop, "lines") == [20]
    with pytest.raises(StaleVersionError):
        shop.run("update orders set deleted_at = current_timestamp, version = 9 where id = 2")


@pytest.mark.copy_of(build=journal)
def test_a_partitioned_table_has_them_all(postgresql_database: str) -> None:
    events = made(
        postgresql_database,
        f"create table events (id int, year int, note text, {COLUMNS}, primary key (id, year))"
        " partition by range (year)",
        "create table events_old partition of events for values from (0) to (2020)",
        "create table events_new partition of events for values from (2020) to (3000)",
        protect={"events": ALL},
    )
    events.run("insert into events (id, year) values (1, 2019), (2, 2019), (3, 2021)")
    events.run("update events set note = 'a'")
    events.run("delete from events_old where id = 1")
    events.run("update events set year = 2022 where id = 2")
    assert versions(events, "events") == [3, 3, 2]
    assert living(events, "events") == [2, 3]
    assert events.rows("select id, year from events order by id") == [(1, 2019), (2, 2022), (3, 2021)]
    events.undo()
    assert events.rows("select id, year from events order by id") == [(1, 2019), (2, 2019), (3, 2021)]


def test_protecting_twice_changes_nothing_and_unprotecting_leaves_the_rows(shop: Protected) -> None:
    assert shop.plan({"orders": ALL, "lines": ALL}).empty
    assert shop.drift() == []
    shop.unprotect()
    shop.run("delete from orders where id = 1", "update orders set version = 70")
    assert shop.rows("select id, version from orders") == [(2, 70)]
