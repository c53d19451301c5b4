"""The PostgreSQL servers of the tests: the wheel's, a Debian one if there is one, or one given by its URL."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator

import psycopg
import sqlalchemy as sa

from holdfast.embedded import EmbeddedPostgreSQL, find_binaries
from holdfast.errors import UnsupportedError
from holdfast.testing.postgresql import end_sessions
from tests.readers import forget

EXTERNAL = os.environ.get("HOLDFAST_TEST_POSTGRESQL", "")
CHINOOK = pathlib.Path(__file__).parents[1] / ".." / "shared" / "data" / "chinook"
_WHEEL_VERSIONS = (18, 16)
_DEBIAN = pathlib.Path("/usr/lib/postgresql")
_MAINTENANCE: dict[tuple[int, str], psycopg.Connection[psycopg.rows.TupleRow]] = {}


@dataclasses.dataclass(frozen=True)
class Server:
    """A running PostgreSQL, as its superuser."""

    version: int
    maintenance_url: str

    def url(self, database: str) -> str:
        return (
            sa.make_url(self.maintenance_url)
            .set(drivername="postgresql+psycopg", database=database)
            .render_as_string(hide_password=False)
        )

    def execute(self, statement: str, database: str | None = None) -> None:
        """One statement in a transaction block of its own, or outside of any for those that need that."""
        if database is None:
            self._maintenance().execute(statement)
            return
        with psycopg.connect(libpq_url(self.url(database)), autocommit=True) as connection:
            connection.execute(statement)

    def _maintenance(self) -> psycopg.Connection[psycopg.rows.TupleRow]:
        """Kept: every test makes and drops a database through it."""
        # A child process must not speak through the connection of the one that it was forked from.
        key = os.getpid(), self.maintenance_url
        connection = _MAINTENANCE.get(key)
        if connection is None or connection.closed:
            connection = psycopg.connect(libpq_url(self.maintenance_url), autocommit=True)
            _MAINTENANCE[key] = connection
        return connection

    @contextlib.contextmanager
    def new_database(self, template: str = "template0") -> Iterator[str]:
        """The URL of a fresh copy of the template, dropped afterwards whoever is still connected."""
        name = f"holdfast_test_{uuid.uuid4().hex[:12]}"
        forget(template)
        copying = " STRATEGY FILE_COPY" if self.version >= 15 else ""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{copying}')
        try:
            yield self.url(name)
        finally:
            forget(name)
            self.execute(end_sessions(name))
            self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class Servers:
    """Each server is started when a test first asks for it, and all are stopped together."""

    def __init__(self) -> None:
        self._running: dict[int | None, Server] = {}
        self._templates: dict[tuple[int, Callable[[str], object]], str] = {}
        self._files: dict[Callable[[str], object], pathlib.Path] = {}
        self._exits = contextlib.ExitStack()
        self._kept = contextlib.ExitStack()

    @property
    def versions(self) -> list[int]:
        return sorted(server.version for server in self._running.values())

    def get(self, version: int | None) -> Server:
        """The server of that version; None stands for the one given by its URL."""
        if version not in self._running:
            if version is None:
                url = sa.make_url(EXTERNAL).render_as_string(hide_password=False)
            else:
                embedded = EmbeddedPostgreSQL(
                    version,
                    binaries=available()[version],
                    # Its transactions come at any moment, and what looks at others' transactions sees them.
                    settings={"autovacuum": "off"},
                )
                url = self._exits.enter_context(embedded).url()
            with psycopg.connect(libpq_url(url)) as connection:
                actual = connection.info.server_version // 10_000
            self._running[version] = Server(actual, url)
        return self._running[version]

    def template(self, server: Server, build: Callable[[str], object]) -> str:
        """The name of a database that was built once, by its URL: to be copied, so nobody stays connected to it."""
        if (server.version, build) not in self._templates:
            url = self._kept.enter_context(server.new_database())
            build(url)
            self._templates[server.version, build] = str(sa.make_url(url).database)
        return self._templates[server.version, build]

    def drop_templates(self) -> None:
        """Some are protected, and a role that owns a journal anywhere on the server cannot be dropped."""
        self._kept.close()
        self._templates.clear()

    def drop_role(self) -> None:
        """The one that owns journals: a database that is dropped leaves it behind."""
        for server in self._running.values():
            server.execute("DROP ROLE IF EXISTS holdfast")

    def template_file(self, build: Callable[[str], object]) -> pathlib.Path:
        """The same for SQLite: a file to be copied."""
        if build not in self._files:
            path = pathlib.Path(self._exits.enter_context(tempfile.TemporaryDirectory())) / "template.db"
            path.touch()
            build(f"sqlite:///{path}")
            self._files[build] = path
        return self._files[build]

    def stop(self) -> None:
        self.drop_templates()
        for server in self._running.values():
            if kept := _MAINTENANCE.pop((os.getpid(), server.maintenance_url), None):
                kept.close()
        self._exits.close()


@functools.cache
def available() -> dict[int, pathlib.Path]:
    """Where the binaries of each version are that can be started here, the newest first."""
    found: dict[int, pathlib.Path] = {}
    for path in _DEBIAN.glob("*/bin/postgres"):
        found[int(path.parents[1].name)] = path.parent
    for version in _WHEEL_VERSIONS:
        with contextlib.suppress(UnsupportedError):
            found[version] = find_binaries(version)
    return dict(sorted(found.items(), reverse=True))


def opened(url: str) -> None:
    """An empty database as template0 is, but for what the first connection to it leaves for the later ones."""
    with psycopg.connect(libpq_url(url)):
        pass


def build_chinook_postgresql(url: str) -> None:
    script = (CHINOOK / "Chinook_PostgreSql_SerialPKs.sql").read_text(encoding="utf-8")
    psql(
        url,
        "BEGIN;\n" + re.sub(r"(?m)^(DROP DATABASE|CREATE DATABASE|\\c ).*$", "", script) + "COMMIT;",
    )


def build_chinook_sqlite(path: pathlib.Path) -> None:
    script = (CHINOOK / "Chinook_Sqlite_AutoIncrementPKs.sql").read_text(encoding="utf-8")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"BEGIN;\n{script}\nCOMMIT;")


class PsqlError(Exception):
    """psql ended with an error; the text is what it wrote to standard error, SQLSTATE included."""


def psql(url: str, sql: str) -> str:
    """What psql answers, unaligned and without headings; the first error ends it and is raised."""
    options = [
        "--no-psqlrc",
        "--quiet",
        "--no-align",
        "--tuples-only",
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        "VERBOSITY=verbose",
    ]
    result = _client("psql", [*options, "--dbname", libpq_url(url)], sql)
    if result.returncode:
        raise PsqlError(result.stderr)
    return result.stdout


def pg_dump_schema(url: str) -> str:
    """The whole schema as pg_dump writes it, comparable between two moments of one database."""
    result = _client("pg_dump", ["--schema-only", "--dbname", libpq_url(url)])
    if result.returncode:
        raise RuntimeError(result.stderr)
    return re.sub(r"(?m)^\\(un)?restrict .*\n", "", result.stdout)  # a random word, new in every dump


def dump_and_restore(source: str, target: str, *options: str) -> None:
    """The whole database, or what the options say of it, as pg_dump writes it and psql reads it."""
    dump = _client("pg_dump", [*options, "--dbname", libpq_url(source)])
    if dump.returncode:
        raise RuntimeError(dump.stderr)
    # An older server does not know what the newest pg_dump sets.
    psql(target, re.sub(r"(?m)^SET transaction_timeout = 0;$", "", dump.stdout))


def libpq_url(url: str) -> str:
    """The URL as psycopg, psql and asyncpg read it."""
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _client(program: str, arguments: list[str], standard_input: str = "") -> subprocess.CompletedProcess[str]:
    directory = next(iter(available().values()), None)
    path = shutil.which(program) if directory is None else str(directory / program)
    if path is None:
        raise RuntimeError(f"{program} is not installed")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(
        [path, *arguments],
        input=standard_input,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
    )
