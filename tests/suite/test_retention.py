"""History ends where a table's rule says so, and nowhere else: partitions, batches, files, holds, interruptions."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from holdfast import history
from holdfast.database import Database, execute
from holdfast.durations import duration
from holdfast.errors import HeldError, LockedError, UnsupportedError
from holdfast.evidence import seal, verify
from holdfast.holds import hold, release
from holdfast.inspector import inspect
from holdfast.journal import Change
from holdfast.maintaining import Maintained, maintain
from holdfast.policies import Audit
from tests.harness import Protected, journal

KEEP: Mapping[str, str | None] = {"short": "30d", "middle": "100d", "ever": None}


def declared() -> dict[str, tuple[Audit, ...]]:
    return {name: (Audit(keep=keep),) for name, keep in KEEP.items()}


def make(url: str) -> Protected:
    database = Protected(url)
    database.run(*(f"create table {name} (id integer primary key, n integer, note text)" for name in KEEP))
    database.protect(declared())
    return database


pytestmark = pytest.mark.copy_of(build=make)


def age(database: Protected, days: Mapping[str, float], since: int = 1000) -> None:
    """Lets each transaction have happened so many days ago, as if time had gone by."""
    if database.name == "sqlite":
        database.run(
            "insert into holdfast_context (id, maintenance) values (1, 1)",
            *(
                "update holdfast_transaction"
                f" set at = strftime('%Y-%m-%dT%H:%M:%fZ', at, '-{each} days') where id = {name}"
                for name, each in days.items()
            ),
            f"update holdfast_relation set since = strftime('%Y-%m-%dT%H:%M:%fZ', since, '-{since} days')",
            "delete from holdfast_context",
        )
        return
    ages = ", ".join(f"({name}, interval '{each} days')" for name, each in days.items())
    database.run(
        f"create temp table ages as select t.xid, t.at, a.age from (values {ages}) as a (id, age)"
        " join holdfast.transaction as t on t.id = a.id",
        "update holdfast.change as c set at = c.at - a.age from ages as a where a.xid = c.xid and a.at = c.at",
        "update holdfast.transaction as t set at = t.at - a.age, committed = t.committed - a.age"
        " from ages as a where a.xid = t.xid and a.at = t.at",
        f"update holdfast.relation set since = since - interval '{since} days'",
    )


def write_all(database: Protected, work: Sequence[Sequence[str]]) -> list[str]:
    """Each in a transaction of its own, by one client; gives their names."""
    dialect = database.database.dialect
    names = []
    with database.database.connect() as connection:
        for statements in work:
            with connection.begin():
                for query in dialect.bind_context({"actor": "writer"}):
                    execute(connection, query)
                for statement in statements:
                    execute(connection, statement)
                names.append(str(execute(connection, dialect.log.current_transaction())[0][0]))
                for query in dialect.unbind_context():
                    execute(connection, query)
    return names


class Told:
    """A database with a year of work, and by a plain list what of it must remain."""

    def __init__(self, url: str, seed: int, transactions: int = 40) -> None:
        self.database = Protected(url)
        random_ = random.Random(seed)
        rows: dict[str, list[int]] = {name: [] for name in KEEP}
        self.days: dict[str, float] = {}
        work: list[list[str]] = []
        for number in range(transactions):
            statements: list[str] = []
            for name in random_.sample(list(KEEP), random_.randint(1, 3)):
                if len(rows[name]) < 3 or random_.random() < 0.2:
                    first = max(rows[name], default=0) + 1
                    added = list(range(first, first + random_.choice((1, 1, 4))))
                    listed = ", ".join(f"({key}, 0, 'new')" for key in added)
                    statements.append(f"insert into {name} (id, n, note) values {listed}")
                    rows[name] += added
                elif random_.random() < 0.2:
                    gone = rows[name].pop(random_.randrange(len(rows[name])))
                    statements.append(f"delete from {name} where id = {gone}")
                else:
                    few = ", ".join(map(str, random_.sample(rows[name], 2)))
                    statements.append(f"update {name} set n = n + 1, note = 'x{number}' where id in ({few})")
            work.append(statements)
        names = write_all(self.database, work)
        for number, name in enumerate(names[:-1]):
            # The newest ones are of today.
            self.days[name] = round(max(0.0, 200.0 - number * 215.0 / transactions), 3)
        age(self.database, self.days)
        self.names = names
        self.before = self.database.log()

    def remaining(self, *held: tuple[str, int]) -> list[Change]:
        def stays(change: Change) -> bool:
            keep = KEEP[change.table]
            return keep is None or timedelta(days=self.days.get(change.transaction, 0)) < duration(keep)

        kept = {each.id for each in self.before if stays(each) or (each.table, each.key) in held}
        # A run of inserted keys stays for one of them; what the others were inserted with cannot be told any more.
        return [
            each if stays(each) or (each.table, each.key) in held else replace(each, after=None)
            for each in self.before
            if each.id in kept
        ]

    def since(self) -> dict[str, datetime | None]:
        return {each.table.name: each.since for each in self.database.inventory().relations.values()}


def exported(directory: Path) -> Counter[int]:
    """How often each change is in the files."""
    found: Counter[int] = Counter()
    for path in directory.glob("*.jsonl.gz"):
        with gzip.open(path, "rt") as file:
            head, *lines = map(json.loads, file)
        assert set(head) == {"holdfast", "journal", "part"}
        found.update(line["id"] for line in lines)
    return found


def rows_at(database: Protected, table: str, at: datetime) -> list[dict[str, Any]]:
    with database.database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.database.dialect)
        past = history.as_of(connection, dialect, inventory, table, at=at)
        return list(history.rows_as_of(connection, dialect, past))


def test_what_the_rules_keep_remains_and_says_what_it_said(database: str, tmp_path: Path) -> None:
    told = Told(database, seed=1)
    held = ("short", told.before[0].key) if told.before[0].table == "short" else ("short", 1)
    hold(told.database.database, *held, reason="a case in court")
    at = datetime.now(UTC) - timedelta(days=20)
    then = {name: rows_at(told.database, name, at) for name in KEEP}

    outcome = maintain(told.database.database, export=tmp_path, actor="cron")

    assert told.database.log() == told.remaining(held)
    assert told.database.drift() == []
    # Older changes are no part of what later ones say.
    assert {name: rows_at(told.database, name, at) for name in KEEP} == then
    gone = {each.id for each in told.before} - {each.id for each in told.remaining(held)}
    assert exported(tmp_path) == Counter(gone)
    assert outcome.changes == len(gone)
    since = told.since()
    for name, keep in KEEP.items():
        if keep is not None:
            age_of_history = datetime.now(UTC) - (since[name] or datetime.max.replace(tzinfo=UTC))
            assert timedelta() <= age_of_history - duration(keep) < timedelta(minutes=10)
    assert not any(told.database.rows(transactions_without_changes(told.database)))

    assert maintain(told.database.database, export=tmp_path) == Maintained()
    assert release(told.database.database, *held) == ["a case in court"]
    maintain(told.database.database, export=tmp_path)
    assert told.database.log() == told.remaining()
    assert exported(tmp_path) == Counter({each.id for each in told.before} - {each.id for each in told.remaining()})


def transactions_without_changes(database: Protected) -> str:
    if database.name == "sqlite":
        return (
            "select id from holdfast_transaction where id not in (select transaction_id from holdfast_change)"
            " and id < (select max(id) from holdfast_transaction)"
        )
    return (
        "select t.id from holdfast.transaction as t"
        " where not exists (select from holdfast.change as c where c.xid = t.xid and c.at = t.at)"
    )


def test_an_undo_of_what_is_kept_works_as_before(database: str) -> None:
    told = Told(database, seed=2)
    maintain(told.database.database)
    images = {name: told.database.checksum(name) for name in KEEP}
    undone = told.database.undo(told.names[-1])
    assert undone.rows
    told.database.undo(undone.transaction)
    assert {name: told.database.checksum(name) for name in KEEP} == images


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


@contextlib.contextmanager
def killed_at(database: Database, number: int) -> Iterator[None]:
    """Breaks off before the statement of that number; what was not committed is gone with the connection."""
    left = number

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    sa.event.listen(database.engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", count)


def test_killed_anywhere_it_loses_nothing_and_the_next_run_goes_on(database: str, tmp_path: Path) -> None:
    told = Told(database, seed=3)
    remaining = {each.id for each in told.remaining()}
    every = {each.id for each in told.before}
    random_ = random.Random(3)
    statement, finished = random_.randint(1, 20), False
    while not finished:
        try:
            with killed_at(told.database.database, statement):
                maintain(told.database.database, export=tmp_path, batch=10)
            finished = True
        except Killed:
            statement += random_.randint(7, 25)
        present, files = {each.id for each in told.database.log()}, exported(tmp_path)
        assert remaining <= present
        assert present | set(files) == every
        assert max(files.values(), default=1) == 1
    assert told.database.log() == told.remaining()
    assert set(exported(tmp_path)) == every - remaining
    assert not any(told.database.rows(transactions_without_changes(told.database)))


def count(database: Protected) -> int:
    [(number,)] = database.rows(f"select count(*) from holdfast{'_' if database.name == 'sqlite' else '.'}change")
    return int(number)


def test_killed_for_real(database: str, tmp_path: Path) -> None:
    told = Told(database, seed=4)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST", "PG"))}
    command = [sys.executable, "-m", "holdfast", "maintain", "--batch", "1", "--export", str(tmp_path)]
    process = subprocess.Popen(
        command, env={**environment, "HOLDFAST_URL": database}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    # Somewhere after the first change has gone, and likely before the last has.
    while process.poll() is None and count(told.database) == len({each.id for each in told.before}):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert {each.id for each in told.remaining()} <= {each.id for each in told.database.log()}
    maintain(told.database.database, export=tmp_path)
    assert told.database.log() == told.remaining()
    gone = {each.id for each in told.before} - {each.id for each in told.remaining()}
    assert exported(tmp_path) == Counter(gone)


def test_two_at_once_do_not_get_into_each_others_way(database: str) -> None:
    told = Told(database, seed=5)
    refused = []

    def meanwhile(*_: object) -> None:
        if not refused:
            refused.append(True)
            try:
                maintain(told.database.database)
            except LockedError as error:
                refused.append(error.code == "HF420")

    maintain(told.database.database, batch=5, progress=meanwhile)

    # SQLite locks each transaction: there both work.
    assert refused == [True] if told.database.name == "sqlite" else [True, True]
    assert told.database.log() == told.remaining()


def test_what_is_not_sealed_yet_stays_and_what_is_goes_with_its_evidence(database: str, tmp_path: Path) -> None:
    told = Told(database, seed=6)
    seal(told.database.database)
    late = told.database.write("insert into short (id, n) values (1000, 1)")
    told.days[late] = 0
    age(told.database, {late: 150}, since=0)
    told.days[told.database.write("insert into ever (id, n) values (1000, 1)")] = 0

    outcome = maintain(told.database.database, export=tmp_path)

    assert outcome.unsealed
    told.before += told.database.log()[-2:]
    assert sorted(each.id for each in told.database.log()) == sorted(each.id for each in told.remaining())
    checked = verify(told.database.database)
    assert checked.findings == ()


def test_the_history_of_a_held_row_cannot_be_thrown_away_with_the_protection(database: str) -> None:
    told = Told(database, seed=7, transactions=5)
    hold(told.database.database, "ever", 1, reason="a case in court")
    with pytest.raises(HeldError, match="HF421"):
        told.database.unprotect("ever", purge_history=True)
    told.database.unprotect("short", purge_history=True)
    assert {each.table for each in told.database.log()} == {"middle", "ever"} & {each.table for each in told.before}
    assert not hold(told.database.database, "ever", 1, reason="a case in court")
    assert hold(told.database.database, "ever", 1, reason="another one")
    assert release(told.database.database, "ever", 1, reason="another one") == ["another one"]
    with pytest.raises(HeldError):
        told.database.unprotect(purge_history=True)
    release(told.database.database, "ever", 1)
    told.database.unprotect(purge_history=True)
    with pytest.raises(UnsupportedError, match="HF303"):
        hold(told.database.database, "ever", 1, reason="too late")


def test_a_row_that_never_was_cannot_be_held(database: str) -> None:
    shop = Protected(database)
    shop.run("insert into short (id) values (1), (2), (3)", "delete from short where id = 2")
    assert hold(shop.database, "short", 2, reason="gone, and yet known")
    with pytest.raises(UnsupportedError, match="HF422"):
        hold(shop.database, "short", 4, reason="a slip of the pen")


@pytest.mark.copy_of(build=journal)
def test_a_key_is_the_same_row_however_it_is_spelled(postgresql_database: str) -> None:
    shop = Protected(postgresql_database)
    shop.run("create table t (at timestamptz, n numeric, primary key (at, n))")
    shop.protect({"t": [Audit(keep=30)]})
    name = shop.write("insert into t values ('2026-01-01 12:00+02', 1.50)")
    shop.write("delete from t")
    shop.run("insert into t values ('2026-01-01 12:00+02', 1.50)")
    hold(shop.database, "t", ["2026-01-01T05:00:00-05:00", 1.5], reason="a case in court")
    age(shop, {name: 100})
    assert maintain(shop.database).changes == 0
    assert len(release(shop.database, "t", ["2026-01-01 10:00:00Z", "1.500"])) == 1
    assert maintain(shop.database).changes == 1


def test_files_of_another_journal_and_broken_ones_are_refused(database: str, tmp_path: Path) -> None:
    told = Told(database, seed=8)
    oldest = next(each for each in told.before if each not in told.remaining())
    part = "change" if told.database.name == "sqlite" else f"change_{oldest.at.astimezone(UTC):%Y%m}"
    path = tmp_path / f"{part}.1.jsonl.gz"
    for content in (b'{"holdfast": 1, "journal": "another"}\n', None):
        path.write_bytes(gzip.compress(content) if content else b"\x1f\x8b no gzip")
        with pytest.raises(UnsupportedError, match="HF423"):
            maintain(told.database.database, export=tmp_path)
        assert told.database.log() == told.before
    path.unlink()
    maintain(told.database.database, export=tmp_path)
    assert told.database.log() == told.remaining()


# ---------------------------------------------------------------------- partitions


def partitions(database: Protected) -> set[str]:
    return {
        name
        for (name,) in database.rows(
            "select c.relname from pg_inherits as i join pg_class as c on c.oid = i.inhrelid"
            " where i.inhparent = 'holdfast.change'::regclass"
        )
    }


def test_a_missing_partition_raises_an_alarm_and_loses_nothing(postgresql_database: str) -> None:
    shop = Protected(postgresql_database)
    shop.run("insert into short (id) values (1)")
    [now] = shop.log()
    following = (datetime.now(UTC).replace(day=1) + timedelta(days=32)).strftime("%Y%m")
    shop.run(f"drop table holdfast.change_{following}")
    assert [(each.table, each.object, each.state) for each in shop.drift()] == [
        ("journal", f"partition {following}", "missing")
    ]
    # A clock that is years ahead, and one that is years behind.
    for days in (1000, -1000):
        shop.run(
            "insert into holdfast.change (xid, at, relation, operation, key)"
            f" select xid, at + interval '{days} days', relation, operation, key"
            f" from holdfast.change where id = {now.id}"
        )
    ahead, behind = (f"{now.at.astimezone(UTC) + timedelta(days=days):%Y%m}" for days in (1000, -1000))
    assert {each.object for each in shop.drift()} == {f"partition {each}" for each in (following, ahead, behind)}
    told = len(shop.log())

    assert set(maintain(shop.database).partitions) == {following, ahead, behind}

    assert shop.drift() == []
    assert shop.rows("select count(*) from only holdfast.change_default") == [(0,)]
    assert len(shop.log()) == told - 1, "the rule of 30 days took the one of long ago"
    assert shop.rows(f"select count(*) from only holdfast.change_{ahead}") == [(1,)]
    assert maintain(shop.database, months_ahead=24).partitions[-1] == (
        datetime.now(UTC).replace(day=1) + timedelta(days=2 * 365 + 5)
    ).strftime("%Y%m")
    assert shop.drift() == []


def test_readers_and_writers_are_not_kept_waiting(postgresql_database: str) -> None:
    told = Told(postgresql_database, seed=9)
    told.database.run("delete from holdfast.change where relation <> 1")
    maintain(told.database.database, batch=1)
    before = partitions(told.database)
    late = told.database.write("update short set n = -1")
    age(told.database, {late: 170})
    with told.database.connect() as reader:
        reader.exec_driver_sql("select count(*) from holdfast.change")
        with pytest.raises(UnsupportedError, match="HF407"):
            maintain(told.database.database, deadline=0.2)
        assert late in {each.transaction for each in told.database.log()}
        reader.rollback()
        # One that writes the journal does not keep the history from going, only an empty table from being dropped.
        reader.exec_driver_sql("insert into ever (id, n) values (2000, 1)")
        maintain(told.database.database, deadline=0.2)
        assert late not in {each.transaction for each in told.database.log()}
        assert partitions(told.database) > before
        reader.commit()
    maintain(told.database.database, deadline=0.2)
    assert partitions(told.database) == before
    assert told.database.drift() == []


def test_a_transaction_of_long_ago_that_was_committed_lately_is_kept(postgresql_database: str) -> None:
    """What was visible thirty days ago can be told only from what was committed since."""
    told = Told(postgresql_database, seed=10, transactions=6)
    first = told.names[0]
    told.database.run(f"update holdfast.transaction set committed = now() - interval '1 day' where id = {first}")
    maintain(told.database.database)
    assert [each.id for each in told.before if each.transaction == first] == [
        each.id for each in told.database.log() if each.transaction == first
    ]


def test_the_rule_can_be_changed_and_is_remembered(database: str) -> None:
    shop = Protected(database)
    shop.protect({"ever": [Audit(keep=timedelta(hours=36))]})
    assert shop.plan({"ever": [Audit(keep="36h")]}).empty
    assert shop.drift() == []
    name = shop.write("insert into ever (id) values (1)")
    shop.write("insert into ever (id) values (2)")
    age(shop, {name: 1.4})
    maintain(shop.database)
    assert [each.key for each in shop.log()] == [1, 2]
    age(shop, {name: 0.2})
    assert maintain(shop.database).changes == 1
    assert [each.key for each in shop.log()] == [2]
