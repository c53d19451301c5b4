"""A migration whose connection is cut after any statement: run again, it ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from holdfast.database import OWN
from holdfast.errors import ConnectionLostError, MigrationError
from tests.alembic.scripts import Scripts, connected, rows, run, schema, until

TABLES = """\
create type mood as enum ('sad', 'happy');
create table customers (id integer primary key);
create table orders (id integer primary key, customer integer, price integer, code text);
insert into customers select generate_series(1, 10);
insert into orders select i, i, i, 'c' || i from generate_series(1, 10) as i;"""
GONE = "drop table orders, customers; drop type mood; update alembic_version set version_num = 'a'"
OPERATIONS = {
    "check": ('op.hf_create_check("c", "orders", "price > 0")', 2),
    "foreign key": ('op.hf_create_foreign_key("f", "orders", "customers", ["customer"], ["id"])', 2),
    "unique": ('op.hf_create_unique("u", "orders", ["code"])', 2),
    "index": ('op.hf_create_index("i", "orders", ["code", "price"], unique=True)', 1),
    "enum value": ('op.hf_add_enum_value("mood", "ok", before="happy")', 1),
}


@contextmanager
def cut(after: int) -> Iterator[list[str]]:
    """Cuts the connection that migrates, in the server, when so many statements of an operation are done."""
    done: list[str] = []

    def listener(
        connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        if statement.lower().startswith(("create", "alter", "drop", "update")) and not context.execution_options.get(
            OWN
        ):
            done.append(statement)
            if len(done) == after:
                driver = connection.connection.driver_connection
                assert driver is not None
                with connected(connection.engine.url.render_as_string(hide_password=False)) as other:
                    other.exec_driver_sql(f"select pg_terminate_backend({driver.info.backend_pid}, 10000)")

    event.listen(Engine, "after_cursor_execute", listener)
    try:
        yield done
    finally:
        event.remove(Engine, "after_cursor_execute", listener)


@pytest.fixture
def migrations(tmp_path: Path) -> Callable[..., Scripts]:
    def make(url: str, upgrade: str, downgrade: str = "pass") -> Scripts:
        scripts = Scripts(tmp_path / "migrations", url)
        scripts.add("a", "pass")
        scripts.add("b", upgrade, downgrade)
        scripts.upgrade("a")
        return scripts

    return make


@pytest.mark.parametrize("operation", OPERATIONS)
def test_cut_after_each_statement(postgresql_database: str, migrations: Callable[..., Scripts], operation: str) -> None:
    _cut_after_each(postgresql_database, migrations, *OPERATIONS[operation])


@pytest.mark.all_versions
def test_cut_after_each_statement_of_not_null(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    """Before 18 it takes a check that is gone at the end."""
    version = int(str(rows(postgresql_database, "show server_version_num")[0][0])) // 10_000
    _cut_after_each(postgresql_database, migrations, 'op.hf_set_not_null("orders", "price")', 2 if version >= 18 else 4)


def _cut_after_each(url: str, migrations: Callable[..., Scripts], operation: str, statements: int) -> None:
    scripts = migrations(url, operation)
    run(url, TABLES)
    with cut(after=0) as done:
        scripts.upgrade()
    # The last one is the version's, in the same transaction as nothing else.
    assert len(done) == statements + 1, done
    wanted = schema(url)
    for number in range(1, statements + 1):
        run(url, GONE, TABLES)
        with cut(after=number), pytest.raises(ConnectionLostError, match="terminating connection"):
            scripts.upgrade()
        assert rows(url, "select version_num from alembic_version") == [("a",)]
        if "validate constraint" in done[number]:
            # What was added holds already, in a transaction of its own, and the rows are still to be looked at.
            assert rows(url, "select count(*) from pg_constraint where not convalidated") == [(1,)]
        with cut(after=0) as again:
            scripts.upgrade()
        assert again == done[number:]
        assert schema(url) == wanted


def test_cut_while_an_index_is_built(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    url = postgresql_database
    scripts = migrations(url, 'op.hf_create_unique("u", "orders", ["code"])')
    run(url, TABLES)
    with ThreadPoolExecutor(1) as threads, connected(url) as writer:
        writer.exec_driver_sql("update orders set price = 2 where id = 1")
        building = threads.submit(scripts.upgrade)
        until(lambda: rows(url, "select 1 from pg_stat_progress_create_index where index_relid <> 0"))
        rows(url, "select pg_terminate_backend(pid, 10000) from pg_stat_progress_create_index")
        with pytest.raises(ConnectionLostError, match="terminating connection"):
            building.result()
        writer.rollback()
    assert rows(url, "select indisvalid from pg_index where indexrelid = 'u'::regclass") == [(False,)]
    scripts.upgrade()
    made = "select contype, indisvalid from pg_constraint join pg_index on indexrelid = conindid where conname = 'u'"
    assert rows(url, made) == [("u", True)]


def test_cut_where_another_operation_was_committed_before(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    """It cannot go on by itself, and says what is done."""
    scripts = migrations(
        postgresql_database,
        'op.add_column("orders", sa.Column("x", sa.Integer))\nop.hf_create_index("i", "orders", ["x"])',
    )
    run(postgresql_database, TABLES)
    with cut(after=2), pytest.raises(MigrationError, match="HF458") as caught:
        scripts.upgrade()
    assert "ALTER TABLE orders ADD COLUMN x INTEGER" in caught.value.hint
    assert "CREATE INDEX" not in caught.value.hint
    run(postgresql_database, "alter table orders drop column x")
    scripts.upgrade()
