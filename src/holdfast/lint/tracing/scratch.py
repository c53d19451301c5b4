"""A database to try migrations on, which is made for that and gone afterwards."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy
from sqlalchemy import URL, Connection, Engine

from holdfast.dialects import dialect_for
from holdfast.dialects.tracing import Tracing
from holdfast.embedded import EmbeddedPostgreSQL, find_binaries
from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.lint.servers import Server

# Where no server says: one where a timestamp with time zone is not the one without.
_TIME_ZONE = "Europe/Berlin"
_VERSIONS = 10
_AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}


@dataclass(frozen=True, slots=True)
class Scratch:
    """A connection to the database, and what is not as asked."""

    connection: Connection
    tracing: Tracing
    time_zone: str = _TIME_ZONE
    notes: list[str] = field(default_factory=list)


@contextmanager
def scratch(server: Server, *, url: str | None = None, like: Connection | None = None) -> Iterator[Scratch]:
    """A new database: on the server of ``url``, with what that database has in it, else on an embedded one of this
    version or the nearest above; with the schema of the database that ``like`` is connected to, and none of its rows.

    Raises HF447 where it cannot be made, or is on the server of ``like``.
    """
    tracing = dialect_for(server.kind).tracing
    if tracing is None:
        raise HoldfastError("HF447", f"{server.kind} cannot be traced.", "Leave out --trace, or name PostgreSQL.")
    notes: list[str] = []
    if url is not None:
        try:
            source = sqlalchemy.make_url(url)
        except (sqlalchemy.exc.ArgumentError, ValueError) as error:
            hint = "Write --scratch postgresql://user@host/name."
            raise HoldfastError("HF447", "The scratch database's URL is none.", hint) from error
        with _copy(source, tracing, like) as made:
            if like is not None:
                _restore(like, made, tracing)
            with _opened(made, tracing, like, notes) as opened:
                yield opened
        return
    with EmbeddedPostgreSQL(_version(server, notes), settings={"autovacuum": "off"}) as embedded:
        made = sqlalchemy.make_url(embedded.url())
        if like is not None:
            _restore(like, made, tracing)
        with _opened(made, tracing, like, notes) as opened:
            yield opened


@contextmanager
def _opened(made: URL, tracing: Tracing, like: Connection | None, notes: list[str]) -> Iterator[Scratch]:
    time_zone = _TIME_ZONE
    if like is not None:
        time_zone = str(like.exec_driver_sql("show timezone").scalar_one())
    engine = _engine(made)
    try:
        with engine.connect() as connection:
            yield Scratch(connection, tracing, time_zone, notes)
    finally:
        engine.dispose()


def _engine(url: URL) -> Engine:
    return sqlalchemy.create_engine(
        url.set(drivername="postgresql+psycopg"), poolclass=sqlalchemy.NullPool, execution_options=_AUTOCOMMIT
    )


def _version(server: Server, notes: list[str]) -> int | None:
    """The embedded server's: as asked, else the nearest above, else the newest."""
    if not server.version:
        return None
    wanted = server.version[0]
    for version in range(wanted, wanted + _VERSIONS):
        try:
            find_binaries(version)
        except UnsupportedError:
            continue
        if version != wanted:
            notes.append(f"There is no embedded PostgreSQL {wanted}: it was traced on {version}.")
        return version
    find_binaries()
    notes.append(f"There is no embedded PostgreSQL {wanted}: it was traced on the newest.")
    return None


@contextmanager
def _copy(given: URL, tracing: Tracing, like: Connection | None) -> Iterator[URL]:
    """A database beside the given one, which is only copied."""
    name = f"holdfast_trace_{uuid.uuid4().hex[:12]}"
    engine = _engine(given.set(database="template1" if given.database != "template1" else "postgres"))
    try:
        with engine.connect() as connection:
            if like is not None and _identity(connection, tracing) == _identity(like, tracing):
                raise HoldfastError(
                    "HF447", "--scratch is on the very server of --url.", "Name another server, or leave it out."
                )
            connection.exec_driver_sql(f'create database {name} template "{given.database or "template0"}"')
        try:
            yield given.set(database=name)
        finally:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"drop database {name} with (force)")
    except sqlalchemy.exc.DBAPIError as error:
        raise HoldfastError("HF447", f"No scratch database: {error.orig}", "Look at --scratch.") from error
    finally:
        engine.dispose()


def _identity(connection: Connection, tracing: Tracing) -> str:
    return str(connection.exec_driver_sql(tracing.identity()).scalar_one())


def _restore(like: Connection, made: URL, tracing: Tracing) -> None:
    """The schema of the one in the other: pg_dump reads it, in a session of its own."""
    source = like.engine.url
    engine = _engine(made)
    try:
        with engine.connect() as connection:
            there = set(connection.exec_driver_sql(tracing.roles()).scalars())
            for role in set(like.exec_driver_sql(tracing.roles()).scalars()) - there:
                connection.exec_driver_sql(tracing.make_role(role))
            binaries = _binaries(connection)
    finally:
        engine.dispose()
    dumped = _run([binaries / "pg_dump", "--schema-only", "--format=custom", "--no-owner", "--no-privileges"], source)
    _run([binaries / "pg_restore", "--no-owner", "--exit-on-error"], made, dumped)


def _binaries(connection: Connection) -> Path:
    """Of the very version, where it is installed: a newer pg_restore sets what an older server does not know."""
    version = connection.dialect.server_version_info or ()
    try:
        return find_binaries(int(version[0])) if version else find_binaries()
    except UnsupportedError:
        return find_binaries()


def _run(command: list[str | Path], url: URL, given: bytes = b"") -> bytes:
    """The password is not for everybody who lists processes."""
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    result = subprocess.run(
        [*command, f"--dbname={plain}"], input=given, capture_output=True, env={**os.environ, **password}, check=False
    )
    if result.returncode:
        said = result.stderr.decode(errors="replace").strip()
        raise HoldfastError(
            "HF447",
            f"The schema cannot be copied to the scratch database: {said[-1000:]}",
            "Give --scratch: a server with the same extensions.",
        )
    return result.stdout
