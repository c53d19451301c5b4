"""A PostgreSQL for tests: one server for the run, a fresh database for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import make_url

from holdfast.database import Database, execute
from holdfast.dialects.query import Query
from holdfast.embedded import EmbeddedPostgreSQL

VARIABLE = "HOLDFAST_TEST_POSTGRESQL"


class PostgreSQLServer:
    """A running server, by the URL of one of its databases, as a role that may make others.

    >>> server = PostgreSQLServer("postgresql://tester@127.0.0.1/postgres")
    >>> server.url("shop")
    'postgresql+psycopg://tester@127.0.0.1/shop'
    """

    def __init__(self, url: str) -> None:
        self._maintenance = Database(url)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return self._maintenance.url.set(database=database).render_as_string(hide_password=False)

    @contextmanager
    def new_database(self, template: str = "template0") -> Iterator[str]:
        """The URL of a fresh copy of the template; it is dropped afterwards, whoever is still connected."""
        name = f"holdfast_test_{uuid.uuid4().hex[:12]}"
        self._run(f'create database "{name}" template "{template}"')
        try:
            yield self.url(name)
        finally:
            self._run(end_sessions(name), f'drop database "{name}" with (force)')

    @contextmanager
    def template(self, fill: Callable[[str], object]) -> Iterator[str]:
        """The name of a database that ``fill`` was given the URL of, closed to everybody and ready to be copied."""
        with self.new_database() as url:
            fill(url)
            name = str(make_url(url).database)
            # A database cannot be copied while somebody is connected, be it by a pool that was left open.
            self._run(
                f'alter database "{name}" allow_connections false',
                end_sessions(name),
            )
            yield name

    def drop_roles(self, prefix: str) -> None:
        """Drops the roles whose names begin with the prefix; the databases in which they have rights must be gone."""
        with self._maintenance.connect() as connection:
            found = execute(
                connection,
                Query("select rolname from pg_roles where starts_with(rolname, :prefix)", {"prefix": prefix}),
            )
            names = [str(row[0]).replace('"', '""') for row in found]
        self._run(*(f'drop role "{name}"' for name in names))

    def _run(self, *statements: str) -> None:
        with self._maintenance.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in statements:
                execute(connection, statement)


def end_sessions(database: str) -> str:
    """A statement that ends the sessions of a database and waits until they are gone, for a second at most.

    DROP DATABASE sleeps for 100 ms where it meets one, though it was closed and is about to end: with each test.
    """
    return f"""\
do $$ begin
    for attempt in 1 .. 500 loop
        perform pg_terminate_backend(a.pid) from pg_stat_activity as a where a.datname = '{database}';
        exit when not found;
        perform pg_sleep(0.002), pg_stat_clear_snapshot();
    end loop;
end $$"""


@contextmanager
def running_server() -> Iterator[PostgreSQLServer]:
    """The server of ``HOLDFAST_TEST_POSTGRESQL``, a URL; without it an embedded one, gone with the block.

    Raises HF402 or HF403 where neither is to be had.
    """
    if url := os.environ.get(VARIABLE):
        yield PostgreSQLServer(url)
        return
    with EmbeddedPostgreSQL() as server:
        yield PostgreSQLServer(server.url())
