"""The story that ``holdfast demo`` tells, every command typed as a user would type it, with its real output."""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click
import sqlalchemy
from sqlalchemy import Engine, delete, update
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from holdfast.cli.failing import NO
from holdfast.cli.printing import say_table
from holdfast.context import bind, context
from holdfast.database import Database, prepare_engine
from holdfast.demo import shop
from holdfast.dialects.log import LogFilter
from holdfast.embedded import EmbeddedPostgreSQL
from holdfast.errors import UnsupportedError
from holdfast.inspector import inspect
from holdfast.timeline import log

TYPO = "DELETE FROM orders WHERE status = 'pending'"


def replay(*, sqlite: bool) -> None:
    """Tells the story; exit code 1 should a table not be as it was before."""
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder, _database(Path(folder), sqlite) as url:
        # A holdfast.toml of the user's own is no part of the story.
        with contextlib.chdir(folder), _environment("HOLDFAST_URL", url):
            restored = _tell(url)
    if not restored:
        raise click.exceptions.Exit(NO)


def _tell(url: str) -> bool:
    engine = _engine(url)
    _protect(engine, url)
    _part("People at work")
    _work(engine, url)
    _prose("holdfast saw all of them, newest first:")
    _holdfast("log", "--limit", "10")
    before = shop.checksums(engine)
    broken = _break(engine, url, before)
    _take_back(url)
    _part("Is everything as before?")
    restored = _compare(before, broken, shop.checksums(engine))
    _holdfast("status")
    _prose("The delete and its undo both stay in the journal. To see what holdfast would do to a database of yours:")
    _shell("holdfast protect --all --dry-run --url postgresql://user@host/name", output=None)
    return restored


def _protect(engine: Engine, url: str) -> None:
    _part("A shop")
    shop.fill(engine)
    listed = ", ".join(f"{rows:,} {_words(name)}" for name, (rows, _) in shop.checksums(engine).items())
    _prose(
        f"A database with {listed}. Nothing in it knows of holdfast yet. One command protects it: from now on the "
        "database itself writes down every change, whoever makes it."
    )
    _shell(f"export HOLDFAST_URL={shlex.quote(url)}", output="")
    _holdfast("protect", "--all", "--yes")


def _break(engine: Engine, url: str, before: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """The typo; gives the checksums after it."""
    _part("Two in the morning")
    _prose(
        "Somebody wants to remove the test orders, whose status is 'pending_test'. From memory, at a plain prompt that "
        "has never heard of holdfast, they type:"
    )
    _plain(url, TYPO)
    broken = shop.checksums(engine)
    gone = [f"{rows - broken[name][0]} {_words(name)}" for name, (rows, _) in before.items() if rows > broken[name][0]]
    _prose(
        "Not 'pending_test': 'pending'. These were orders of real customers. It is committed, and the foreign keys "
        f"took lines and payments along. Gone: {', '.join(gone)}."
    )
    return broken


def _take_back(url: str) -> None:
    _part("What happened?")
    _holdfast("log", "orders", "--since", "10m", "--operation", "delete", "--limit", "3")
    culprit = _culprit(url)
    _prose(f"All of it is one transaction, number {culprit}:")
    _holdfast("show", culprit)

    _part("Take it back")
    _prose("First a look, which changes nothing:")
    _holdfast("undo", culprit, "--dry-run")
    _prose("Then for real:")
    _holdfast("undo", culprit, "--yes")


def _work(engine: Engine, url: str) -> None:
    """An application with an ORM's statements, a delete that cascades, and a job in raw SQL."""
    _prose("In the web application, alice marks an order as paid, and bob deletes one: its lines and payment go along.")
    orders = shop.orders
    _python("alice", "paid by phone", "update(orders).where(orders.c.id == 17).values(status='paid')")
    with context(actor="alice", reason="paid by phone"), engine.begin() as connection:
        connection.execute(update(orders).where(orders.c.id == 17).values(status="paid"))
    _python("bob", "customer withdrew", "delete(orders).where(orders.c.id == 42)")
    with context(actor="bob", reason="customer withdrew"), engine.begin() as connection:
        connection.execute(delete(orders).where(orders.c.id == 42))
    click.echo()
    _prose("The nightly job corrects a city, in raw SQL of its own:")
    _plain(url, "UPDATE customers SET city = 'Gent' WHERE city = 'Ghent' AND id < 20")


def _compare(
    before: dict[str, tuple[int, str]], broken: dict[str, tuple[int, str]], after: dict[str, tuple[int, str]]
) -> bool:
    _prose("The checksum of every table, over every value in it:")
    say_table(
        ["table", "before", "after the DELETE", "after the undo", ""],
        [
            [
                name,
                *(f"{state[name][0]:,} rows {state[name][1]}" for state in (before, broken, after)),
                "same as before" if before[name] == after[name] else "DIFFERENT",
            ]
            for name in before
        ],
    )
    click.echo()
    return before == after


# ---------------------------------------------------------------------- the databases


@contextlib.contextmanager
def _database(folder: Path, sqlite: bool) -> Iterator[str]:
    if sqlite:
        path = folder / "shop.db"
        path.touch()
        yield f"sqlite:///{path}"
        return
    try:
        server = EmbeddedPostgreSQL()
    except UnsupportedError as error:
        raise UnsupportedError(error.code, error.message, f"{error.hint}, or try: holdfast demo --sqlite") from error
    with server:
        everywhere = sqlalchemy.create_engine(server.url(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with everywhere.connect() as connection:
            connection.exec_driver_sql("create database shop")
        yield make_url(server.url("shop")).set(drivername="postgresql").render_as_string()


def _engine(url: str) -> Engine:
    engine = sqlalchemy.create_engine(Database(url).url, poolclass=NullPool)
    prepare_engine(engine)
    bind(engine)
    return engine


def _plain(url: str, sql: str) -> None:
    """One statement on a connection of its own, straight through the driver."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(str(make_url(url).database))) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            rows = connection.execute(sql).rowcount
            connection.commit()
        _shell(f"{sql};", prompt="sqlite>", output=f"-- {rows} rows")
        return
    import psycopg

    with psycopg.connect(url) as session:
        done = session.execute(cast("Any", sql)).statusmessage
    _shell(f"{sql};", prompt="shop=>", output=str(done))


def _culprit(url: str) -> str:
    """The number that the reader has just seen in the log."""
    database = Database(url)
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        wanted = LogFilter(table=inventory.resolve("orders").name, operation="delete", limit=1)
        return log(connection, dialect, inventory, wanted)[0].transaction


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


# ---------------------------------------------------------------------- telling


def _holdfast(*arguments: str) -> None:
    from holdfast.cli import main

    _shell(f"holdfast {shlex.join(arguments)}", output=None)
    code = main.main(list(arguments), prog_name="holdfast", standalone_mode=False)
    if code:
        raise RuntimeError(f"holdfast {shlex.join(arguments)} ended with exit code {code}")
    click.echo()


def _shell(command: str, *, prompt: str = "$", output: str | None) -> None:
    click.secho(f"{prompt} {command}", bold=True)
    if output is not None:
        click.echo(f"{output}\n" if output else "")


def _part(title: str) -> None:
    click.secho(f"── {title} {'─' * (70 - len(title))}\n", fg="cyan", bold=True)


def _prose(text: str) -> None:
    click.echo(textwrap.fill(text, 100) + "\n")


def _python(actor: str, reason: str, statement: str) -> None:
    click.secho(f">>> with holdfast.context(actor={actor!r}, reason={reason!r}):", bold=True)
    click.secho(f"...     session.execute({statement})", bold=True)


def _words(name: str) -> str:
    return name.replace("_", " ")
