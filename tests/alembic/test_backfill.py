"""Rows filled in batches: all of them, once, on after an interruption, past locks, and with the journal or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event

from holdfast import Audit, Guard
from holdfast.database import Database, execute
from holdfast.dialects import dialect_for
from holdfast.errors import HoldfastError, MigrationError
from holdfast.migrating.batches import BatchSettings
from tests.alembic.scripts import ASYNC, STOCK, Scripts, connected, rows, run, until
from tests.harness import Protected

COLUMNS = """
op.execute("create table things (a integer, b varchar(9), word text, size integer, primary key (a, b))")
op.execute("insert into things (a, b, word)"
    " with recursive n(i) as (select 1 union all select i + 1 from n where i < 250)"
    " select i % 7, 'b' || i, case when i % 5 <> 0 then 'w%: ' || i end from n")"""
SMALL = "from holdfast.migrating import BatchSettings\nsmall = BatchSettings(rows=10, rest=0)\n"
FILL = SMALL + """op.hf_backfill("things", "size", "length(word)", batches=small)"""
WRONG = "select count(*) from things where coalesce(size, -1) <> coalesce(length(word), -1)"


@pytest.fixture
def migrations(tmp_path: Path) -> Callable[..., Scripts]:
    def make(url: str, upgrade: str = FILL, **options: Any) -> Scripts:
        scripts = Scripts(tmp_path / "migrations", url, **options)
        scripts.add("a", COLUMNS)
        scripts.add("b", upgrade)
        scripts.upgrade("a")
        return scripts

    return make


@contextmanager
def updates(also: Callable[[int], None] = lambda _number: None) -> Iterator[list[str]]:
    """The batches that are sent; ``also`` is called with the number of each, when it is done."""
    sent: list[str] = []

    def listener(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(('update "things"', 'update "public"')):
            sent.append(statement)
            also(len(sent))

    event.listen(Engine, "after_cursor_execute", listener)
    try:
        yield sent
    finally:
        event.remove(Engine, "after_cursor_execute", listener)


def test_every_row_has_its_value(database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(database)
    run(database, "update things set size = 0 where b = 'b7'")
    with updates() as sent:
        scripts.upgrade("b")
    assert len(sent) > 3
    # What has a value keeps it, and NULL stays where the value is none.
    assert rows(database, WRONG) == [(1,)]
    assert rows(database, "select size from things where b = 'b7'") == [(0,)]
    there = "sqlite_master where name" if database.startswith("sqlite") else "pg_class where relname"
    assert rows(database, f"select count(*) from {there} = 'holdfast_backfill'") == [(0,)]


def test_a_condition_of_sqlalchemy(database: str, migrations: Callable[..., Scripts]) -> None:
    upgrade = """op.hf_backfill("things", "word", sa.literal("it's 100%"), where=sa.column("word").is_(None))"""
    migrations(database, upgrade).upgrade("b")
    assert rows(database, "select count(*) from things where word = 'it''s 100' || chr(37)".replace(
        "chr(37)", "char(37)" if database.startswith("sqlite") else "chr(37)"
    )) == [(50,)]  # fmt: skip


def test_a_column_that_protection_was_not_told_of(database: str, migrations: Callable[..., Scripts]) -> None:
    """It is told first, so that the journal has every row that is filled; the guard lets a backfill pass."""
    scripts = migrations(database, """op.hf_backfill("things", "extra", "a + 1")""")
    protected = Protected(database)
    protected.protect({"things": [Audit(), Guard(max_rows=5)]})
    run(database, "alter table things add column extra integer")
    scripts.upgrade("b")
    assert protected.drift() == []
    found = protected.log("things", key='[3, "b3"]')
    assert [(each.before, each.after) for each in found] == [({"extra": None}, {"extra": 4})]
    assert len(protected.log("things", limit=None)) == 250


class _Cut(Exception):
    pass


def test_it_goes_on_where_it_was_cut(database: str, migrations: Callable[..., Scripts]) -> None:
    """The batch in hand is rolled back, those before it are not done again."""
    scripts = migrations(database)

    def cut(number: int) -> None:
        if number == 3:
            raise _Cut

    with updates(cut), pytest.raises(_Cut):
        scripts.upgrade("b")
    [(done,)] = rows(database, "select done from holdfast_backfill")
    assert 0 < int(str(done)) < 250
    assert rows(database, "select count(*) from things where size is not null") != [(0,)]
    with updates() as first:
        scripts.upgrade("b")
    assert rows(database, WRONG) == [(0,)]
    # From the first of them on: none begins at the start of the table again.
    assert all(">" in each for each in first)


def test_a_batch_ends_by_the_key_and_not_by_its_text(database: str, migrations: Callable[..., Scripts]) -> None:
    """As text, 107 comes among the first ten numbers, and all rows up to it would be locked at once."""
    upgrade = SMALL + """op.hf_backfill("numbers", "twin", "id", batches=small)"""
    scripts = migrations(database, upgrade)
    run(database, "create table numbers (id integer primary key, twin integer)")
    run(
        database,
        "insert into numbers (id) with recursive n(i) as (select 1 union all select i + 1 from n where i < 120)"
        " select i from n",
    )

    def cut(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith('update "numbers"') and rows(database, "select count(twin) from numbers") != [(0,)]:
            raise _Cut

    event.listen(Engine, "before_cursor_execute", cut)
    try:
        with pytest.raises(_Cut):
            scripts.upgrade("b")
    finally:
        event.remove(Engine, "before_cursor_execute", cut)
    assert rows(database, "select count(twin), max(twin) from numbers") == [(10, 10)]


def test_it_waits_for_rows_that_others_have_locked(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    """And keeps nobody waiting meanwhile: what it had locked in that batch is free again."""
    scripts = migrations(postgresql_database)
    waiting = (
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'update \"things\"' || chr(37)"
    )
    with ThreadPoolExecutor(1) as threads, connected(postgresql_database) as holder:
        holder.exec_driver_sql("update things set word = 'held' where a = 3 and b = 'b3'")
        filling = threads.submit(scripts.upgrade, "b")
        until(lambda: rows(postgresql_database, waiting))
        holder.commit()
        filling.result()
    assert rows(postgresql_database, WRONG) == [(0,)]
    assert rows(postgresql_database, "select size from things where b = 'b3'") == [(4,)]


def test_from_plain_alembic(database: str, migrations: Callable[..., Scripts]) -> None:
    migrations(database, env=STOCK).upgrade("b")
    assert rows(database, WRONG) == [(0,)]


def test_with_an_asynchronous_driver(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(postgresql_database)
    (scripts.folder / "env.py").write_text(
        ASYNC.replace('"sqlalchemy.url")', '"sqlalchemy.url").replace("psycopg", "asyncpg")')
    )
    scripts.upgrade("b")
    assert rows(postgresql_database, WRONG) == [(0,)]


def test_what_cannot_be_filled(database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(database)
    run(database, "create table keyless (word text)")
    for upgrade, why in (
        ("op.hf_backfill('keyless', 'word', \"''\")", "no primary key"),
        ("op.hf_backfill('things', 'word')", "no other column"),
        ("op.hf_backfill('things', 'word', \"''\", without_journal='large')", "would miss"),
    ):
        scripts.replace("b", upgrade)
        with pytest.raises(MigrationError, match=f"HF467.*{why}"):
            scripts.upgrade("b")


def test_rows_that_row_security_hides_are_not_passed_over(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    url = postgresql_database
    scripts = migrations(url)
    role = f"owner_{sa.make_url(url).database}"
    run(url, f"create role {role} login")
    try:
        run(
            url,
            f"alter table things owner to {role}",
            "alter table things enable row level security",
            "alter table things force row level security",
            f"grant all on schema public to {role}",
            f"grant all on alembic_version to {role}",
        )
        owner = Scripts(scripts.folder.parent / "owner", _as(url, role))
        owner.add("a", "pass")
        owner.add("b", FILL)
        with pytest.raises(MigrationError, match=r"HF467.*hides rows"):
            owner.upgrade("b")
    finally:
        run(url, f"drop owned by {role} cascade", f"drop role {role}")


def _as(url: str, role: str) -> str:
    return sa.make_url(url).set(username=role).render_as_string(hide_password=False)


def test_the_size_of_a_batch_follows_the_time_that_it_takes(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    from holdfast.dialects.changing import Target
    from holdfast.migrating.batches import Backfill

    migrations(postgresql_database)
    with Database(postgresql_database).connect() as connection:
        settings = BatchSettings(aim=timedelta(milliseconds=100))
        fill = Backfill(
            connection, dialect_for("postgresql"), Target(None, "things"), "size", "1", "true", name="n",
            settings=settings,
        )  # fmt: skip
        assert [fill._next_size(1000, took) for took in (0.1, 0.05, 0.2, 10.0, 0.0)] == [1000, 2000, 500, 500, 2000]
        # Where the server is slow whatever it does, fewer rows would be no faster.
        assert [fill._next_size(20_000, 0.01), fill._next_size(10, 60.0)] == [20_000, 250]
        assert execute(connection, str(fill.filling.replica_lag()))[0][0] is None


def test_times_that_are_none() -> None:
    for wrong in ({"aim": timedelta()}, {"rows": 0}, {"rest": -1.0}):
        with pytest.raises(HoldfastError, match="HF118"):
            BatchSettings(**wrong)  # type: ignore[arg-type]
