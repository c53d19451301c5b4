"""Migrations among others at work: who waits for whom, what is tried again, what is said, and what is left behind."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from holdfast.cli import main
from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.errors import HoldfastError, LockedError, MigrationError
from holdfast.migrating import MigrationRun, MigrationSettings
from holdfast.migrating.attempts import pause_after
from holdfast.migrating.statements import Statements
from tests.alembic.scripts import ASYNC, SAFE, STOCK, Scripts, connected, rows, run, until
from tests.tenancy.pooler import program

PATIENT = MigrationSettings(deadline=timedelta(minutes=2))
BRIEF = MigrationSettings(lock_timeout=timedelta(milliseconds=20), deadline=timedelta(milliseconds=1))
TABLE = "op.execute('create table t (id integer primary key, x integer)')"
CONCURRENTLY = "with op.get_context().autocommit_block():\n    op.execute('create {} index concurrently {} on t (x)')"


@pytest.fixture
def migrations(tmp_path: Path) -> Callable[..., Scripts]:
    def make(url: str, *upgrades: str, env: str = SAFE) -> Scripts:
        """Revisions a, b, c …; the first makes the table."""
        scripts = Scripts(tmp_path / "migrations", url, env)
        for name, upgrade in zip("abcdefg", (TABLE, *upgrades), strict=False):
            scripts.add(name, upgrade)
        return scripts

    return make


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def exits() -> Iterator[ExitStack]:
    with ExitStack() as exits:
        yield exits


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_pauses_grow_to_a_bound_and_part_those_who_met(one: int, other: int) -> None:
    assume(one != other)
    pauses, others = ([pause_after(each, chance) for each in range(1, 200)] for chance in map(Random, (one, other)))
    for attempt, pause in enumerate(pauses, start=1):
        most = min(0.1 * 2 ** (attempt - 1), 4.0)
        assert most / 2 <= pause <= most
    assert pauses != others
    assert pause_after(1) != pause_after(1)


def migrate(scripts: Scripts, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["migrate", "--config", str(scripts.ini), *arguments])


@pytest.mark.parametrize("driver, env", [("psycopg", SAFE), ("asyncpg", ASYNC)])
def test_readers_pass_while_a_migration_tries_for_its_lock(
    postgresql_database: str, migrations: Callable[..., Scripts], thread: ThreadPoolExecutor, driver: str, env: str
) -> None:
    """Were the timeout not set again for each attempt, the second one would wait for ever, and so would the reader."""
    url = postgresql_database
    scripts = migrations(
        url.replace("psycopg", driver),
        "op.execute('create table other (id integer)')",
        "op.add_column('t', sa.Column('y', sa.Integer))",
        "op.execute('create table too_far (id integer)')",
        env=env,
    )
    scripts.upgrade("a")
    said: list[str] = []
    with connected(url) as reader:
        reader.exec_driver_sql("set application_name = 'the long report'")
        reader.exec_driver_sql("select * from t")
        running = thread.submit(scripts.upgrade, "+2", settings=PATIENT, say=said.append)
        until(lambda: len(said) >= 2 or running.done())
        with connected(url) as other:
            other.exec_driver_sql("set lock_timeout = '30s'")
            other.exec_driver_sql("select * from t")
            other.rollback()
            until(lambda: len(said) >= 3 or running.done())
            other.exec_driver_sql("select * from t")
        assert not running.done()
        reader.rollback()
    running.result()

    assert "b -> c" in said[0]
    assert "the long report" in said[0]
    assert "AccessShareLock on t" in said[0]
    assert "select * from t" in said[0]
    assert "alter table t add column" in said[0].lower()
    # Of the two revisions that were asked for, one was done when the other was tried again.
    assert rows(url, "select version_num from alembic_version") == [("c",)]


def test_each_statement_waits_as_long_as_its_lock_allows(postgresql_database: str) -> None:
    seen = {}

    def look(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("select"):
            return
        with connection.connection.cursor() as cursor:
            for each in cursor.execute("select current_setting('lock_timeout'), current_setting('statement_timeout')"):
                seen[statement] = each

    with connected(postgresql_database) as connection:
        connection.exec_driver_sql("set lock_timeout = '7s'; set statement_timeout = '9s'")
        connection.commit()
        statements = Statements(connection, dialect_for("postgresql"), MigrationSettings(), print)
        with statements.watched():
            event.listen(connection, "after_cursor_execute", look)
            connection.exec_driver_sql("create table t (id integer)")
            connection.exec_driver_sql("insert into t values (1)")
            connection.exec_driver_sql("set local lock_timeout = '3s'")
            connection.exec_driver_sql("alter table t add column a integer")
            connection.commit()
            connection.exec_driver_sql("alter table t add column b integer")
            connection.exec_driver_sql("alter table t add constraint c check (id > 0) not valid")
            connection.rollback()
            connection.exec_driver_sql("alter table t add column b integer check (b > 0)")
            connection.commit()
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("create index concurrently i on t (id)")
            connection.exec_driver_sql("alter table t add constraint c check (id > 0) not valid")
            connection.exec_driver_sql("alter table t validate constraint c")
            event.remove(connection, "after_cursor_execute", look)
        assert connection.exec_driver_sql("show lock_timeout").scalar() == "7s"

    assert seen == {
        "create table t (id integer)": ("100ms", "9s"),
        "insert into t values (1)": ("7s", "9s"),
        "set local lock_timeout = '3s'": ("3s", "9s"),
        "alter table t add column a integer": ("3s", "9s"),
        "alter table t add column b integer": ("100ms", "9s"),
        "alter table t add column b integer check (b > 0)": ("100ms", "9s"),
        "create index concurrently i on t (id)": ("0", "0"),
        "alter table t add constraint c check (id > 0) not valid": ("100ms", "9s"),
        "alter table t validate constraint c": ("0", "0"),
    }


def test_the_deadline_says_who_was_in_the_way(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(postgresql_database, "op.execute('create table other (id int)')\nop.drop_table('t')")
    scripts.upgrade("a")
    with connected(postgresql_database) as writer:
        writer.exec_driver_sql("insert into t values (1)")
        result = migrate(scripts, "--lock-timeout", "20ms", "--deadline", "1ms")
    assert result.exit_code == 3
    assert "HF457" in result.output
    assert "RowExclusiveLock on t" in result.output
    assert "insert into t values (1)" in result.output
    assert rows(postgresql_database, "select to_regclass('other')") == [(None,)]
    assert migrate(scripts).exit_code == 0


def test_two_migrators_and_an_index_built_concurrently(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    """The build waits for all who have a snapshot; a second migrator that waited in the server would have one."""
    url = postgresql_database
    scripts = migrations(url, CONCURRENTLY.format("", "t_x"))
    scripts.upgrade("a")
    said: list[str] = []

    def second() -> list[tuple[object, ...]]:
        with connected(url) as connection:
            with MigrationRun(connection, PATIENT, (None, "alembic_version"), said.append).running():
                return [tuple(row) for row in connection.exec_driver_sql("select version_num from alembic_version")]

    with ThreadPoolExecutor(2) as threads, connected(url) as holder:
        holder.exec_driver_sql(f'alter database "{holder.engine.url.database}" set deadlock_timeout = 50')
        holder.commit()
        holder.exec_driver_sql("insert into t values (1, 1)")
        building = threads.submit(scripts.upgrade)
        progress = "select from pg_stat_progress_create_index where datname = current_database()"
        until(lambda: building.done() or rows(url, progress))
        waiting = threads.submit(second)
        until(lambda: building.done() or said)
        assert not building.done()
        holder.commit()
    building.result()

    assert waiting.result() == [("b",)]
    assert "Another run is migrating" in said[0]
    assert "CREATE INDEX CONCURRENTLY" in said[0].upper()
    assert rows(url, "select indisvalid from pg_index where indexrelid = 't_x'::regclass") == [(True,)]


def test_another_run_has_the_lock(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(postgresql_database)
    migrating = dialect_for("postgresql").migrating
    name = 'holdfast.migrate "public"."alembic_version"'
    with connected(postgresql_database) as other:
        query = migrating.try_lock(name)
        assert query is not None
        execute(other, query)
        result = migrate(scripts, "--deadline", "100ms")
    assert result.exit_code == 4
    assert "HF455" in result.output
    assert migrate(scripts).exit_code == 0


def test_a_step_is_tried_again_by_itself(
    postgresql_database: str, migrations: Callable[..., Scripts], thread: ThreadPoolExecutor
) -> None:
    """What was committed before it in the revision could not be done once more."""
    url = postgresql_database
    scripts = migrations(url, "op.execute('create table other (id int)')\nop.hf_create_check('c', 't', 'x > 0')")
    scripts.upgrade("a")
    said: list[str] = []
    with connected(url) as reader:
        reader.exec_driver_sql("select * from t")
        running = thread.submit(scripts.upgrade, settings=PATIENT, say=said.append)
        until(lambda: len(said) >= 2 or running.done())
        assert rows(url, "select to_regclass('other')::text") == [("other",)]
        reader.rollback()
    running.result()
    assert "AccessShareLock on t" in said[1]
    assert rows(url, "select convalidated from pg_constraint where conname = 'c'") == [(True,)]


def test_a_revision_that_was_committed_in_part(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(
        postgresql_database,
        "op.execute('create table other (id int)')\n"
        + CONCURRENTLY.format("", "t_x")
        + "\nop.execute('alter table other add column id int')",
    )
    with pytest.raises(MigrationError, match="HF458") as caught:
        scripts.upgrade()
    assert 'column "id" of relation "other" already exists' in caught.value.message
    done = re.findall(r"\n  (.*);", caught.value.hint)
    assert done == ["create table other (id int)", "create index concurrently t_x on t (x)"]
    assert rows(postgresql_database, "select version_num from alembic_version") == [("a",)]


def test_what_a_failed_build_left_is_not_taken_for_an_index(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    url = postgresql_database
    scripts = migrations(
        url, "op.execute('insert into t values (1, 1), (2, 1)')", CONCURRENTLY.format("unique", "if not exists t_x")
    )
    with pytest.raises(sa.exc.IntegrityError):
        scripts.upgrade()
    assert rows(url, "select indisvalid from pg_index where indexrelid = 't_x'::regclass") == [(False,)]
    with connected(url) as connection:
        connection.exec_driver_sql("delete from t where id = 2")
        connection.commit()
    said: list[str] = []
    scripts.upgrade(say=said.append)
    assert rows(url, "select indisvalid, indisunique from pg_index where indexrelid = 't_x'::regclass") == [
        (True, True)
    ]
    assert any("public.t_x" in each and "dropped" in each for each in said)


def test_an_invalid_index_is_mended(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    url = postgresql_database
    scripts = migrations(url, "op.execute('create table other (id int)')", "op.execute('create table more (id int)')")
    scripts.upgrade("a")
    with connected(url) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("insert into t values (1, 1), (2, 1)")
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql("create unique index concurrently t_x on t (x)")
        with pytest.raises(MigrationError, match="HF459") as caught:
            scripts.upgrade("b")
        assert "public.t_x of t" in caught.value.message
        assert rows(url, "select count(*) from pg_index where not indisvalid") == [(1,)]
        connection.exec_driver_sql("delete from t where id = 2")
    scripts.upgrade("c")
    assert rows(url, "select indisvalid from pg_index where indexrelid = 't_x'::regclass") == [(True,)]
    assert rows(url, "select version_num from alembic_version") == [("c",)]


def test_long_transactions_are_told_of_before(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(postgresql_database)
    said: list[str] = []
    with connected(postgresql_database) as idle:
        idle.exec_driver_sql("set application_name = 'forgotten'")
        scripts.upgrade(settings=MigrationSettings(long_transaction=timedelta(microseconds=1)), say=said.append)
    [told] = said
    assert "forgotten" in told
    assert "idle in transaction" in told


@pytest.mark.parametrize("pooling", ["transaction", "session"])
def test_a_pooler_that_does_not_keep_the_session(
    postgresql_database: str, migrations: Callable[..., Scripts], exits: ExitStack, pooling: str
) -> None:
    bouncer = program()
    if bouncer is None:
        pytest.skip("PgBouncer (not installed: apt-get install pgbouncer)")
    url = sa.make_url(postgresql_database)
    # A server of root's hands itself over to somebody who cannot look into root's folders.
    folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
    folder.chmod(0o777)
    ini = folder / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\n{url.database} = host={url.host} port={url.port} dbname={url.database}"
        f" user={url.username}{f' password={url.password}' if url.password else ''}\n"
        f"[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = 6432\nauth_type = any\npool_mode = {pooling}\n"
    )
    user = ["--user", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([bouncer, "--quiet", *user, str(ini)], stderr=subprocess.DEVNULL) as pooler:
        try:
            until((folder / ".s.PGSQL.6432").exists, 20)
            pooled = f"postgresql+psycopg://{url.username}@/{url.database}?host={folder}&port=6432"
            scripts = migrations(pooled)
            if pooling == "session":
                scripts.upgrade()
            else:
                with pytest.raises(HoldfastError, match="HF456"):
                    scripts.upgrade()
        finally:
            pooler.terminate()
    made = rows(postgresql_database, "select to_regclass('t') is not null")
    assert made == [(pooling == "session",)]


def test_an_env_that_has_a_transaction_open(database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(database, env=SAFE.replace("engine.connect()", "engine.begin()"))
    with pytest.raises(MigrationError, match="HF463"):
        scripts.upgrade()


def test_an_env_that_does_not_call_us(database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(database, env=STOCK)
    result = migrate(scripts)
    assert result.exit_code == 3
    assert "HF464" in result.output
    assert "run_migrations(connection" in result.output
    assert "Nothing" not in result.output


def test_the_command(database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(database, "op.execute('create table other (id integer)')")
    dry = migrate(scripts, "--dry-run")
    assert (dry.exit_code, dry.output.split("\n")[-2]) == (0, "2 revisions to run.")
    assert "create table t " in migrate(scripts, "--sql").output
    with connected(database) as connection:
        assert sa.inspect(connection).get_table_names() == []
    assert "1 revision done." in migrate(scripts, "a").output
    assert "a -> b" in migrate(scripts, "head").output
    assert "Nothing to do" in migrate(scripts).output
    unknown = migrate(scripts, "nonsense")
    assert (unknown.exit_code, "HF464" in unknown.output) == (3, True)
    assert migrate(scripts, "--lock-timeout", "soon").exit_code == 2


def test_somebody_else_migrates_between_two_revisions(database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(
        database, "op.execute('create table other (id integer)')", "op.execute('create table more (id integer)')"
    )
    done: list[str] = []

    def by_hand(step: str) -> None:
        done.append(step)
        if "-> a" in step:
            run(database, "create table other (id integer)", "update alembic_version set version_num = 'b'")

    scripts.upgrade(done=by_hand)
    assert [each.split(",")[0] for each in done] == ["upgrade  -> a", "upgrade b -> c"]
    assert rows(database, "select version_num from alembic_version") == [("c",)]


@pytest.mark.parametrize("driver, env", [("pysqlite", SAFE), ("aiosqlite", ASYNC)])
def test_sqlite_a_revision_is_done_or_not(
    sqlite_database: str, migrations: Callable[..., Scripts], driver: str, env: str
) -> None:
    url = sqlite_database.replace("sqlite:", f"sqlite+{driver}:") + "?timeout=0.05"
    scripts = migrations(
        url, "op.execute('create table other (id integer)')\nop.execute('insert into nowhere values (1)')", env=env
    )
    with connected(sqlite_database) as writer:
        writer.exec_driver_sql("create table mine (id integer)")
        writer.exec_driver_sql("insert into mine values (1)")
        with pytest.raises(LockedError, match="HF455"):
            scripts.upgrade("a", settings=BRIEF)
    with pytest.raises(sa.exc.OperationalError, match="nowhere"):
        scripts.upgrade("b")
    assert rows(sqlite_database, "select version_num from alembic_version") == [("a",)]
    assert rows(sqlite_database, "select name from sqlite_master where name = 'other'") == []
