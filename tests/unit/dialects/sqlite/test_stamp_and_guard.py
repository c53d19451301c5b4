"""Times, versions and guards hold for every writer."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import pytest

from holdfast.errors import DeclarationError
from holdfast.policies import Audit, Guard, Timestamps, Version


@pytest.fixture
def table(house: Any) -> Any:
    house("create table t (id integer primary key, x, y)")
    house.protect(t=(Audit(), Timestamps(), Version()))
    return house


def test_an_insert_is_stamped_whatever_it_says(table: Any) -> None:
    table("insert into t values (1, 'a', 1, '1999-01-01', '1999-01-01', 77)")
    created, updated, version = table("select created_at, updated_at, version from t")[0]
    assert created == updated
    assert created > "2020"
    assert len(created) == 26
    assert version == 1
    assert table.told() == [("I", 1, None, None)]


def test_every_real_change_counts_once_and_is_recorded_once(table: Any) -> None:
    table("insert into t (id, x) values (1, 'a'), (2, 'b')")
    for number in range(20):
        before = table("select updated_at from t order by id")
        table(f"update t set x = 'v{number}'")
        after = table("select updated_at from t order by id")
        assert all(new > old for new, old in zip(after, before, strict=True))
    assert table("select distinct version from t") == [(21,)]
    updates = [each for each in table.told() if each[0] == "U"]
    assert len(updates) == 40
    assert all(set(each[2]) == {"x"} for each in updates)


def test_a_no_op_moves_nothing(table: Any) -> None:
    table("insert into t (id, x) values (1, 'a')")
    before = table("select * from t")
    time.sleep(0.002)
    table("update t set x = 'a'")
    table("update t set id = 1, version = 1")
    table("update t set version = 2")
    table("update t set created_at = 'forged', updated_at = 'forged'")
    assert table("select * from t") == before
    assert len(table.told()) == 1


def test_forged_stamps_are_taken_back_in_a_real_change(table: Any) -> None:
    table("insert into t (id, x) values (1, 'a')")
    created = table("select created_at from t")
    table("update t set x = 'b', created_at = 'forged', updated_at = '9999-01-01'")
    assert table("select created_at from t") == created
    assert table("select version, updated_at < '3000' from t") == [(2, 1)]


def test_updated_grows_even_past_a_time_from_the_future(house: Any) -> None:
    house("create table t (id integer primary key, x, created_at, updated_at)")
    house("insert into t values (1, 'a', null, '2999-12-31 23:59:59.999999'), (2, 'b', null, '2999-01-01T00:00:00.5')")
    house.protect(t=Timestamps())
    house("update t set x = 'c'")
    assert house("select updated_at from t") == [("3000-01-01 00:00:00.000000",), ("2999-01-01 00:00:00.500001",)]


@pytest.mark.parametrize("written, refused", [(3, False), (4, False), (2, True), (5, True), ("null", True)])
def test_a_stale_version_is_refused(table: Any, written: Any, refused: bool) -> None:
    table("insert into t (id, x) values (1, 'a')")
    table("update t set x = 'b'")
    table("update t set x = 'c'")
    if refused:
        with pytest.raises(sqlite3.IntegrityError, match="HF202"):
            table(f"update t set x = 'd', version = {written}")
        assert table("select x, version from t") == [("c", 3)]
    else:
        table(f"update t set x = 'd', version = {written}")
        assert table("select x, version from t") == [("d", 4)]


def test_a_row_without_a_version_gets_one(house: Any) -> None:
    house("create table t (id integer primary key, x, version integer)")
    house("insert into t values (1, 'a', null)")
    house.protect(t=Version())
    house("update t set x = 'b'")
    assert house("select version from t") == [(1,)]


def test_a_table_without_a_key_can_be_stamped(house: Any) -> None:
    house("create table t (rowid, x, version integer)")
    house.protect(t=Version())
    house("insert into t (x) values ('a'), ('a')")
    house("update t set x = 'b'")
    assert house("select version from t") == [(2,), (2,)]


@pytest.mark.parametrize(
    "ddl, policy", [("created_at integer, updated_at text", Timestamps()), ("version text", Version())]
)
def test_a_type_that_cannot_hold_it_is_refused(house: Any, ddl: str, policy: Any) -> None:
    house(f"create table t (id integer primary key, {ddl})")
    with pytest.raises(DeclarationError, match="HF105"):
        house.protect(t=policy)


def test_upsert_and_ignore(table: Any) -> None:
    table("insert into t (id, x) values (1, 'a')")
    table("insert into t (id, x) values (1, 'b') on conflict (id) do update set x = excluded.x")
    table("insert or ignore into t (id, x) values (1, 'c')")
    assert table("select x, version from t") == [("b", 2)]


@pytest.fixture
def guarded(house: Any) -> Any:
    house("create table t (id integer primary key, x)")
    house("insert into t values (1, 1), (2, 1), (3, 1), (4, 1)")
    house.protect(t=(Guard(max_rows=2),))
    return house


@pytest.mark.parametrize(
    "statement", ["update t set x = 2", "update t set x = x", "delete from t", "delete from t where id < 4"]
)
def test_too_many_rows_are_refused_and_nothing_is_written(guarded: Any, statement: str) -> None:
    guarded("begin")
    guarded("update t set x = 9 where id <= 2")
    with pytest.raises(sqlite3.IntegrityError, match="HF204"):
        guarded(statement)
    guarded("commit")
    assert guarded("select x from t") == [(9,), (9,), (1,), (1,)]


def test_many_small_statements_are_no_large_one(guarded: Any) -> None:
    guarded("begin")
    guarded.connection.executemany("update t set x = x + 1 where id = ?", [(1 + n % 4,) for n in range(500)])
    guarded.connection.executemany("delete from t where id = ?", [(n,) for n in range(1, 5)])
    guarded("commit")
    assert guarded("select count(*) from t") == [(0,)]


@pytest.mark.parametrize(
    "action",
    [
        "cascade", "set null", "set  null", "SET\tNULL", "set\nnull", "set /* to */ null", "set -- to\nnull",
        "set/**/default", "Set\r\nDefault", "set default",
    ],
)  # fmt: skip
def test_rows_are_counted_while_a_foreign_key_acts(house: Any, action: str) -> None:
    """However its action is spelled, and also where the table that refers is younger than the guard."""
    house("create table p (id integer primary key)")
    house.protect(p=(Audit(), Guard(max_rows=2)))
    house("insert into p values (1), (2), (3), (4)")
    house(f"create table c (id integer primary key, p integer references p on delete {action})")
    house("insert into c select id, id from p")
    time.sleep(0.002)
    with pytest.raises(sqlite3.IntegrityError, match="HF204"):
        house("delete from p")
    assert house("select count(*) from p join c on c.p = p.id") == [(4,)]


def test_statements_are_counted_apart_where_no_foreign_key_acts(house: Any) -> None:
    house("create table p (id integer primary key)")
    house.protect(p=(Audit(), Guard(max_rows=2)))
    house("""
        create table c (
            id integer primary key, -- a set of
            p integer references p on delete restrict on update no action,
            asset text default 'set null', "offset" integer
        )""")
    house("insert into p values (1), (2), (3), (4)")
    for number in range(1, 5):
        house("delete from p where id = ?", number)
    assert len({each["transaction"] for each in house.log()}) == 5


@pytest.mark.parametrize(
    "allow, passes", [(4, True), (5, True), ("mass", True), ("truncate, mass", True), (3, False), ("truncate", False)]
)
def test_what_was_announced_may_pass(guarded: Any, allow: Any, passes: bool) -> None:
    if passes:
        guarded.work("delete from t", allow=allow)
        assert guarded("select * from t") == []
    else:
        with pytest.raises(sqlite3.IntegrityError, match="HF204"):
            guarded.work("delete from t", allow=allow)


def test_the_hint_of_a_guard_works_as_it_is_written(guarded: Any) -> None:
    with pytest.raises(sqlite3.IntegrityError) as raised:
        guarded("delete from t")
    error = guarded.dialect.error(raised.value)
    assert error.code == "HF204"
    assert error.message == "DELETE of t would touch more than 2 rows."
    guarded("begin")
    guarded("INSERT INTO holdfast_context (allow) VALUES ('mass')")
    guarded("delete from t")
    guarded("DELETE FROM holdfast_context")
    guarded("commit")


def test_a_soft_delete_is_counted_by_the_guard(house: Any) -> None:
    from holdfast.policies import SoftDelete

    house("create table t (id integer primary key)")
    house.protect(t=(Guard(max_rows=2), SoftDelete(), Timestamps(), Version(), Audit()))
    house("insert into t (id) values (1), (2), (3)")
    with pytest.raises(sqlite3.IntegrityError, match="HF204"):
        house("delete from t")
    house("delete from t where id < 3")
    assert house("select count(*) from t where deleted_at is null") == [(1,)]
