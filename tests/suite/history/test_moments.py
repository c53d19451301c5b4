"""What a moment, a version and a revert mean: commits, stamps, keys, and what is not kept."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

import pytest

from holdfast.database import execute
from holdfast.errors import HistoryError, UnsupportedError
from holdfast.history import copy_as_of, revert, versions
from holdfast.policies import Audit, SoftDelete, Timestamps, Version
from tests.harness import Protected, journal
from tests.suite.history.moments import as_rows, now, past

pytestmark = pytest.mark.copy_of(build=journal)


def test_a_transaction_counts_from_its_commit(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table item (id integer primary key, n integer)", "insert into item values (1, 0), (2, 0)")
    protected.protect({"item": [Audit()]})
    with protected.connect() as early, protected.connect() as late:
        early.exec_driver_sql("update item set n = 1 where id = 1")
        late.exec_driver_sql("update item set n = 2 where id = 2")
        both_open = now(protected)
        late.commit()
        one_open = now(protected)
        early.commit()
        none_open = now(protected)
    seen = {at: [row["n"] for row in past(protected, at=at)] for at in (both_open, one_open, none_open)}
    assert seen == {both_open: [0, 0], one_open: [0, 2], none_open: [1, 2]}
    first = protected.log()[0].transaction
    assert [row["n"] for row in past(protected, transaction=first)] == [1, 2], "it began first and committed last"


def test_stamps_follow(database: str) -> None:
    protected = Protected(database)
    protected.run("create table item (id integer primary key, name text)")
    policies = [Audit(), Timestamps(), Version(), SoftDelete()]
    protected.protect({"item": policies}, add_columns=True)
    for sql in (
        "insert into item (id, name) values (1, 'a')",
        "update item set name = 'b'",
        "delete from item",
        "update item set deleted_at = null",
        "update item set name = 'c'",
    ):
        time.sleep(0.002)
        protected.run(sql)
    known = versions(protected.database, "item", 1)
    assert [each.operation for each in known] == ["insert", "update", "delete", "restore", "update"]
    assert [(each.values or {})["version"] for each in known] == [1, 2, 3, 4, 5]
    times = [(each.values or {})["updated_at"] for each in known]
    assert times == sorted(times)
    assert len(set(times)) == 5
    for each in known:
        assert each.at is not None
        [row] = past(protected, transaction=str(each.transaction))
        assert (row["name"], row["version"]) == ((each.values or {})["name"], each.number)
    done = revert(protected.database, "item", 1, version=1)
    assert (done.fields, versions(protected.database, "item", 1)[-1].number) == ({"name": ("c", "a")}, 6)
    with pytest.raises(HistoryError, match="HF437"):
        revert(protected.database, "item", 1, version=3)


def test_a_change_of_the_key_leaves_one_and_comes_to_the_other(database: str) -> None:
    protected = Protected(database)
    protected.run("create table item (id integer primary key, n integer)", "insert into item values (1, 10), (2, 20)")
    protected.protect({"item": [Audit()]})
    before = now(protected)
    protected.write("update item set id = 7 where id = 1", "update item set n = 11 where id = 7")
    assert as_rows(past(protected, at=before)) == {1: {"n": 10}, 2: {"n": 20}}
    assert [each.values for each in versions(protected.database, "item", 1)] == [{"id": 1, "n": 10}, None]
    assert [each.values for each in versions(protected.database, "item", 7)] == [{"id": 7, "n": 11}]


def test_keys_of_several_columns(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table line (region text, number integer, n integer, primary key (region, number))",
        "insert into line values ('a,b', 1, 1), ('\"', 2, 2)",
    )
    protected.protect({"line": [Audit()]})
    before = now(protected)
    protected.run("update line set n = 5", "delete from line where number = 2")
    rows = sorted((row["region"], row["number"], row["n"]) for row in past(protected, "line", at=before))
    assert rows == [('"', 2, 2), ("a,b", 1, 1)]
    assert [(each.values or {}).get("n") for each in versions(protected.database, "line", ["a,b", 1])] == [1, 5]
    revert(protected.database, "line", ['"', 2], version=0)
    assert ('"', 2, 2) in protected.rows("select region, number, n from line")


def test_what_is_not_kept_is_not_made_up(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table item (id integer primary key, n integer, pin text, iban text, doc text)",
        "insert into item values (1, 0, 'p', 'i', 'd'), (2, 0, 'p', 'i', 'd')",
    )
    protected.protect({"item": [Audit(exclude={"pin"}, mask={"iban"}, large={"doc"})]})
    before = now(protected)
    protected.run("update item set n = 1, pin = 'q', iban = 'j', doc = 'e' where id = 1")
    assert copy_as_of(protected.database, "item", "old", at=before) == 2
    old = sorted(protected.rows("select id, n, pin, iban, doc from old"))
    assert old == [(1, 0, None, None, None), (2, 0, None, "i", "d")]
    done = revert(protected.database, "item", 1, version=0)
    assert done.not_kept == ("doc", "iban", "pin")
    assert protected.rows("select n, pin, iban, doc from item where id = 1") == [(0, "q", "j", "e")]
    with pytest.raises(HistoryError, match="HF438"):
        copy_as_of(protected.database, "item", "old", at=before)


def test_before_it_was_recorded_nothing_is_known(database: str) -> None:
    protected = Protected(database)
    protected.run("create table item (id integer primary key, n integer)", "insert into item values (1, 0)")
    before = now(protected)
    protected.protect({"item": [Audit()]})
    with pytest.raises(HistoryError, match="HF435"):
        past(protected, at=before)
    recorded = now(protected)
    protected.run("update item set n = 1")
    assert past(protected, at=recorded) == [{"id": 1, "n": 0}]
    with pytest.raises(HistoryError, match="HF436"):
        versions(protected.database, "item", 2)
    with pytest.raises(HistoryError, match="HF436"):
        revert(protected.database, "item", 1, version=9)
    with pytest.raises(HistoryError, match="HF435"):
        past(protected, at=datetime(2999, 1, 1, tzinfo=UTC))
    protected.unprotect("item")
    with pytest.raises(UnsupportedError, match="HF303"):
        past(protected, at=recorded)
    protected.run("update item set n = 5")
    protected.protect({"item": [Audit()]})
    with pytest.raises(HistoryError, match="HF435"):
        past(protected, at=recorded)


def test_over_a_time_without_protection_nothing_is_made_up(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table item (id integer primary key, n integer, m integer)", "insert into item values (1, 0, 0)"
    )
    protected.protect({"item": [Audit()]})
    protected.run("update item set n = 1")
    protected.unprotect("item")
    protected.run("update item set n = 50, m = 50")
    protected.protect({"item": [Audit()]})
    protected.run("update item set m = 51")
    known = versions(protected.database, "item", 1)
    assert [dict(each.values or {}) for each in known] == [
        {"id": 1, "n": 0},
        {"id": 1, "n": 1},
        {"id": 1, "n": 50, "m": 51},
    ]
    for number in (0, 1):
        with pytest.raises(HistoryError, match="HF435"):
            revert(protected.database, "item", 1, version=number)
    assert protected.rows("select n, m from item") == [(50, 51)]


def test_a_revert_that_a_key_forbids_leaves_everything(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table item (id integer primary key, code text unique)", "insert into item values (1, 'a'), (2, 'b')"
    )
    protected.protect({"item": [Audit()]})
    protected.run("update item set code = 'c' where id = 1", "update item set code = 'a' where id = 2")
    changes = len(protected.log())
    with pytest.raises(Exception, match="HF601"):
        revert(protected.database, "item", 1, version=0)
    assert sorted(protected.rows("select id, code from item")) == [(1, "c"), (2, "a")]
    assert len(protected.log()) == changes


def test_as_of_in_sql(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(
        "create type mood as enum ('good', 'bad')",
        'create table "Odd % item" (id integer primary key, code varchar(3), m mood, twice integer generated always '
        "as (id * 2) stored)",
        "insert into \"Odd % item\" values (1, 'abc', 'good'), (2, 'x', 'bad')",
    )
    protected.protect({"Odd % item": [Audit()]})
    at = now(protected)
    protected.run(
        "update \"Odd % item\" set code = 'new', m = 'bad' where id = 1", 'delete from "Odd % item" where id = 2'
    )
    role = f"analyst_{random.randrange(10**9)}"
    protected.run(
        f"create role {role}",
        f"grant select on all tables in schema holdfast to {role}",
        f'grant select on "Odd % item" to {role}',
    )
    query = "select id, code, m::text, twice from holdfast.as_of(null::\"Odd % item\", '{}') order by id"
    with protected.database.begin() as connection:
        execute(connection, f"set local role {role}")
        rows = [tuple(row) for row in execute(connection, query.format(at))]
    assert rows == [(1, "abc", "good", 2), (2, "x", "bad", 4)]
    assert protected.drift() == [], "rights to read are no drift"
    with pytest.raises(HistoryError, match="HF435"):
        protected.rows(query.format("2001-01-01"))
    protected.unprotect()
    with pytest.raises(Exception, match="HF303"):
        protected.rows(query.format(at))
    protected.run(f"drop owned by {role}", f"drop role {role}")
