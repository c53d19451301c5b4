"""As-of at every moment, every version and every revert, against a plain model of what was committed."""

from __future__ import annotations

import copy
import itertools
import os
import random
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from holdfast.database import execute
from holdfast.errors import HistoryError, UnsupportedError
from holdfast.history import as_of, copy_as_of, diff, revert, rows_as_of, versions, versions_of
from holdfast.inspector import inspect
from holdfast.policies import Audit, SoftDelete, Timestamps, Version
from tests.harness import Protected, journal

pytestmark = pytest.mark.copy_of(build=journal)

SEEDS = range(1, 1 + int(os.environ.get("HOLDFAST_TEST_HISTORY_SEEDS", "2")))
STEPS = 70

Row = dict[str, Any]
Rows = dict[int, Row]


def now(protected: Protected) -> datetime:
    """A moment between what was committed before and what will be after."""
    if protected.name == "sqlite":
        time.sleep(0.0025)
        moment = datetime.now(UTC)
        time.sleep(0.0025)
        return moment
    [(moment,)] = protected.rows("select clock_timestamp()")
    return moment  # type: ignore[no-any-return]


def past(protected: Protected, table: str = "item", **when: Any) -> list[Row]:
    with protected.database.snapshot() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        return list(rows_as_of(connection, dialect, as_of(connection, dialect, inventory, table, **when)))


def as_rows(rows: list[Row]) -> Rows:
    return {row["id"]: {name: value for name, value in row.items() if name != "id"} for row in rows}


class Writer:
    """One connection that writes in transactions; what it wrote is in the model once it commits."""

    def __init__(self, connection: sa.Connection, committed: Rows) -> None:
        self.connection = connection
        self.committed = committed
        self.pending: Rows = {}
        self.gone: set[int] = set()

    def seen(self) -> Rows:
        rows = {key: row for key, row in self.committed.items() if key not in self.gone}
        return {**rows, **self.pending}

    def run(self, sql: str) -> None:
        execute(self.connection, sql)

    def insert(self, key: int, row: Row) -> None:
        names = ", ".join(row)
        values = ", ".join(literal(value) for value in row.values())
        self.run(f"insert into item (id, {names}) values ({key}, {values})")
        self.pending[key] = dict(row)

    def update(self, key: int, changes: Row) -> None:
        self.run(f"update item set {', '.join(f'{k} = {literal(v)}' for k, v in changes.items())} where id = {key}")
        self.pending[key] = {**self.seen()[key], **changes}

    def delete(self, key: int) -> None:
        self.run(f"delete from item where id = {key}")
        self.pending.pop(key, None)
        self.gone.add(key)

    def move(self, key: int, to: int) -> None:
        self.run(f"update item set id = {to} where id = {key}")
        row = self.seen()[key]
        self.pending.pop(key, None)
        self.gone.add(key)
        self.gone.discard(to)
        self.pending[to] = row

    def end(self, *, commit: bool) -> None:
        if commit:
            self.connection.commit()
            for key in self.gone:
                self.committed.pop(key, None)
            self.committed.update(self.pending)
        else:
            self.connection.rollback()
        self.pending, self.gone = {}, set()


def literal(value: Any) -> str:
    if value is None:
        return "null"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


class Story:
    """Random work on one table, told twice: to the database, and to a dictionary of what is committed."""

    def __init__(self, protected: Protected, seed: int, writers: int, stack: ExitStack) -> None:
        self.protected, self.random = protected, random.Random(seed)
        self.committed: Rows = {}
        self.marks: list[tuple[datetime, Rows]] = []
        self.columns = ["name", "note", "amount"]
        self.writers = [Writer(stack.enter_context(protected.connect()), self.committed) for _ in range(writers)]
        self.number = 0

    def row(self) -> Row:
        return {name: self.value(name) for name in self.columns}

    def value(self, name: str) -> Any:
        if name.startswith("amount"):
            return self.random.choice([None, 0, 7, -1, 10**12])
        return self.random.choice([None, "", "it's", "naïve % :x", "x" * 40, "7"])

    def step(self) -> None:
        at = self.random.randrange(len(self.writers))
        writer = self.writers[at]
        # Each writer has rows of its own, so that none waits for another.
        mine = [key for key in writer.seen() if key % len(self.writers) == at]
        action = self.random.choice(["insert", "update", "update", "delete", "move", "commit", "commit", "rollback"])
        self.number += 1
        if action in ("commit", "rollback"):
            writer.end(commit=action == "commit")
            self.marks.append((now(self.protected), copy.deepcopy(self.committed)))
        elif action == "insert" or not mine:
            gone = [key for key in range(at, 12, len(self.writers)) if key not in writer.seen()]
            key = self.random.choice([*gone, self.number * len(self.writers) + at + 100])
            writer.insert(key, self.row())
        elif action == "update":
            names = self.random.sample(self.columns, self.random.randint(1, len(self.columns)))
            writer.update(self.random.choice(mine), {name: self.value(name) for name in names})
        elif action == "delete":
            writer.delete(self.random.choice(mine))
        else:
            writer.move(self.random.choice(mine), self.number * len(self.writers) + at + 1000)

    def end_all(self) -> None:
        for writer in self.writers:
            writer.end(commit=True)
        self.marks.append((now(self.protected), copy.deepcopy(self.committed)))

    def alter(self, sql: str, becomes: dict[str, str | None]) -> None:
        """DDL between transactions; the model's rows of all times go by the present names."""
        self.end_all()
        self.writers[0].run(sql)
        self.writers[0].connection.commit()
        self.protected.protect({"item": [Audit()]})
        for rows in [self.committed, *(rows for _, rows in self.marks)]:
            for row in rows.values():
                for old, new in becomes.items():
                    value = row.pop(old, None)
                    if new is not None:
                        row[new] = value
        self.columns = [name for name in (becomes.get(name, name) for name in self.columns) if name is not None]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_moment_is_as_the_model_has_it(database: str, seed: int) -> None:
    protected = Protected(database)
    protected.run("create table item (id integer primary key, name text, note text, amount bigint)")
    protected.protect({"item": [Audit()]})
    with ExitStack() as stack:
        story = Story(protected, seed, 1 if protected.name == "sqlite" else 3, stack)
        story.marks.append((now(protected), {}))
        for step in range(STEPS):
            if step == STEPS // 3:
                story.alter("alter table item rename column note to remark", {"note": "remark"})
            # SQLite drops no column that a trigger reads.
            if step == STEPS // 2 and protected.name != "sqlite":
                story.alter("alter table item drop column name", {"name": None})
            story.step()
        story.end_all()
    with protected.database.snapshot() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        for at, rows in story.marks:
            then = as_of(connection, dialect, inventory, "item", at=at)
            assert as_rows(list(rows_as_of(connection, dialect, then))) == rows, f"seed {seed}, {at}"
    _versions_are_as_the_model_has_them(protected, story)
    _reverts_are_as_the_model_has_them(protected, story)


def _versions_are_as_the_model_has_them(protected: Protected, story: Story) -> None:
    keys = {key for _, rows in story.marks for key in rows}
    with protected.database.snapshot() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        stored = inventory.recorded("item")
        known_of = {key: versions_of(connection, dialect, inventory, stored, str(key)) for key in keys}
    for key, known in known_of.items():
        assert [each.number for each in known] == list(range(1, len(known) + 1))
        for at, rows in story.marks:
            there = [each for each in known if each.at is not None and each.at <= at]
            # A column that was dropped since is in the history still.
            values = (
                {name: there[-1].values[name] for name in ("id", *story.columns)}
                if there and there[-1].values
                else None
            )
            expected = {"id": key, **rows[key]} if key in rows else None
            assert values == expected, (key, at)
        for a, b in itertools.pairwise(known):
            assert a.values != b.values
            assert bool(diff(a, b)) or a.values is None or b.values is None


def _reverts_are_as_the_model_has_them(protected: Protected, story: Story) -> None:
    key = max(story.committed or {0: {}})
    for each in versions(protected.database, "item", key) if key in story.committed else ():
        if each.values is None:
            with pytest.raises(HistoryError, match="HF437"):
                revert(protected.database, "item", key, version=each.number)
            continue
        revert(protected.database, "item", key, version=each.number)
        newest = versions(protected.database, "item", key)[-1]
        assert newest.values == each.values
    gone = {key for _, rows in story.marks for key in rows} - set(story.committed)
    for key in sorted(gone)[:2]:
        lived = [each for each in versions(protected.database, "item", key) if each.values is not None][-1]
        done = revert(protected.database, "item", key, version=lived.number, actor="zoe")
        newest = versions(protected.database, "item", key)[-1]
        assert (newest.transaction, newest.actor) == (done.transaction, "zoe")
        assert dict(newest.values or {}) == {name: (lived.values or {})[name] for name in ("id", *story.columns)}


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


def test_a_column_that_was_added_since_is_not_in_what_left_before(database: str) -> None:
    protected = Protected(database)
    protected.run("create table item (id integer primary key)", "insert into item values (1), (2)")
    protected.protect({"item": [Audit()]})
    start = now(protected)
    protected.run("delete from item where id = 1", "insert into item values (1)")
    protected.run("alter table item add column size integer default 5")
    protected.protect({"item": [Audit()]})
    protected.run("update item set size = 9")
    assert as_rows(past(protected, at=start)) == {1: {"size": None}, 2: {"size": 5}}


def test_columns_of_one_name_one_after_the_other(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table item (id integer primary key, note text)", "insert into item values (1, 'old')")
    protected.protect({"item": [Audit()]})
    protected.run("update item set note = 'older'")
    protected.run("alter table item drop column note", "alter table item add column note integer default 3")
    protected.protect({"item": [Audit()]})
    protected.run("update item set note = 4")
    [first, second] = versions(protected.database, "item", 1)[1:]
    assert (second.values or {})["note"] == 4
    assert (first.values or {})["note"] == 3
    assert (protected.log()[0].before, protected.log()[1].before) == ({"note (dropped)": "old"}, {"note": 3})


def test_a_table_that_was_renamed_keeps_its_history(database: str) -> None:
    protected = Protected(database)
    protected.run("create table item (id integer primary key, n integer)", "insert into item values (1, 0)")
    protected.protect({"item": [Audit()]})
    before = now(protected)
    protected.run("update item set n = 1")
    protected.run("alter table item rename to thing")
    protected.protect({"thing": [Audit()]})
    protected.run("update thing set n = 2")
    assert [(each.values or {})["n"] for each in versions(protected.database, "thing", 1)] == [0, 1, 2]
    assert past(protected, "thing", at=before) == [{"id": 1, "n": 0}]


def test_what_is_not_kept_is_not_made_up(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table item (id integer primary key, n integer, pin text, iban text)",
        "insert into item values (1, 0, 'p', 'i'), (2, 0, 'p', 'i')",
    )
    protected.protect({"item": [Audit(exclude={"pin"}, mask={"iban"})]})
    before = now(protected)
    protected.run("update item set n = 1, pin = 'q', iban = 'j' where id = 1")
    assert copy_as_of(protected.database, "item", "old", at=before) == 2
    assert sorted(protected.rows("select id, n, pin, iban from old")) == [(1, 0, None, None), (2, 0, None, "i")]
    done = revert(protected.database, "item", 1, version=0)
    assert done.not_kept == ("iban", "pin")
    assert protected.rows("select n, pin, iban from item where id = 1") == [(0, "q", "j")]
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


def test_a_column_of_another_type_now(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table item (id integer primary key, n integer)", "insert into item values (1, 5), (2, 6)")
    protected.protect({"item": [Audit()]})
    before = now(protected)
    protected.run("update item set n = 7 where id = 1", "delete from item where id = 2")
    protected.run("alter table item alter column n type text using 'n' || n")
    protected.protect({"item": [Audit()]})
    protected.run("update item set n = 'many'")
    assert copy_as_of(protected.database, "item", "old", at=before) == 2
    assert sorted(protected.rows("select id, n from old")) == [(1, "5"), (2, "6")]
    assert [(each.values or {})["n"] for each in versions(protected.database, "item", 1)] == [5, "n7", "many"]
    protected.run("alter table item alter column n type integer using length(n)")
    protected.protect({"item": [Audit()]})
    with pytest.raises(HistoryError, match="HF439"):
        past(protected, transaction=protected.log()[0].transaction)
    with pytest.raises(HistoryError, match="HF439"):
        revert(protected.database, "item", 1, version=1)
    assert protected.rows("select n from item where id = 1") == [(4,)]


DAYS = {
    "chinook_postgresql": ("invoice", "invoice_line", "track", "customer", "playlist_track", "employee"),
    "chinook_sqlite": ("Invoice", "InvoiceLine", "Track", "Customer", "PlaylistTrack", "Employee"),
}


@pytest.mark.parametrize("chinook", DAYS)
def test_chinook_at_every_mark(request: pytest.FixtureRequest, chinook: str) -> None:
    protected = Protected(request.getfixturevalue(chinook))
    invoice, line, track, customer, playlist, employee = tables = DAYS[chinook]
    id_, total, price, phone = ("id", "total", "unit_price", "phone") if chinook == "chinook_postgresql" else (
        "Id", "Total", "UnitPrice", "Phone")  # fmt: skip
    key = {name: f"{name}_{id_}" if chinook == "chinook_postgresql" else f"{name}{id_}" for name in tables}
    protected.protect({name: [Audit()] for name in tables})
    marks = []
    for number, work in enumerate(
        [
            (f"update {track} set {price} = {price} * 2 where {key[track]} % 3 = 0",),
            (f"delete from {line} where {key[invoice]} <= 40", f"delete from {invoice} where {key[invoice]} <= 40"),
            (f"update {customer} set {phone} = null where {key[customer]} < 20",),
            (f"update {invoice} set {total} = {total} + 0.01", f"delete from {playlist} where {key[track]} < 500"),
            (f"update {employee} set {phone} = {phone} || ' %x'",),
        ]
    ):
        marks.append((number, now(protected)))
        protected.run(*(f"create table kept_{number}_{name} as select * from {name}" for name in tables))
        protected.write(*work)
    with protected.database.begin() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        for number, at in marks:
            for name in tables:
                then = as_of(connection, dialect, inventory, name, at=at)
                execute(connection, f"create table past_{number}_{name} as {then.select}")
    sums = protected.checksums(
        *(f"{kind}_{n}_{name}" for kind in ("past", "kept") for n, _ in marks for name in tables)
    )
    for number, _ in marks:
        for name in tables:
            assert sums[f"past_{number}_{name}"] == sums[f"kept_{number}_{name}"], (number, name)


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
