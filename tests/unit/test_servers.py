"""The tests' own databases are what they promise to be."""

from __future__ import annotations

import pathlib

import pytest
import sqlalchemy as sa

from tests.servers import PsqlError, Server, pg_dump_schema, psql


def count(url: str, table: str) -> int:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()
    engine.dispose()
    return int(rows)


def test_each_database_is_fresh(database: str) -> None:
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
        connection.execute(sa.text("CREATE TABLE t (id integer PRIMARY KEY)"))
    engine.dispose()


def test_and_again(database: str) -> None:
    test_each_database_is_fresh(database)


@pytest.mark.all_versions
def test_chinook_is_loaded_and_each_test_has_its_own(postgresql: Server, chinook_postgresql: str) -> None:
    assert count(chinook_postgresql, "track") == 3503
    psql(chinook_postgresql, "DELETE FROM playlist_track")
    with postgresql.new_database() as empty:
        assert "track" in pg_dump_schema(chinook_postgresql)
        assert "track" not in pg_dump_schema(empty)


def test_chinook_on_sqlite_has_the_same_rows(chinook_sqlite: str) -> None:
    assert count(chinook_sqlite, "Track") == 3503


def test_a_dump_is_the_same_twice(postgresql_database: str) -> None:
    assert pg_dump_schema(postgresql_database) == pg_dump_schema(postgresql_database)


def test_psql_raises_with_the_sqlstate(postgresql_database: str) -> None:
    assert psql(postgresql_database, "SELECT 1, 'ä'") == "1|ä\n"
    with pytest.raises(PsqlError, match="42P01"):
        psql(postgresql_database, "SELECT * FROM nothing; SELECT 1")


def test_a_database_goes_even_while_in_use(postgresql: Server) -> None:
    with postgresql.new_database() as url:
        engine = sa.create_engine(url)
        connection = engine.connect()
        connection.execute(sa.text("SELECT 1"))
    with pytest.raises(sa.exc.DBAPIError):
        connection.execute(sa.text("SELECT 1"))
    connection.close()
    engine.dispose()


def test_a_sqlite_file_is_there_and_empty(sqlite_database: str, tmp_path: pathlib.Path) -> None:
    assert sa.make_url(sqlite_database).database == str(tmp_path / "test.db")
    assert (tmp_path / "test.db").read_bytes() == b""
