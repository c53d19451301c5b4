"""A connection to one database: opened safely, spoken to through its dialect, its errors made ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, Row, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.dialects.query import Query
from holdfast.errors import CommitUnknownError, ConnectionLostError, HoldfastError, UnsupportedError

if TYPE_CHECKING:
    AnyRow = Row[*tuple[Any, ...]]
    """A row of as many columns as the query has."""

# Strings and quoted names are skipped; a parameter is a single colon before a word.
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<![:\w]):([a-z_]+)\b|%""")

OWN = "holdfast"
"""The execution option of what holdfast itself sends, by which it is told apart from an application's statements."""
BEGUN_OTHERWISE = "holdfast_begun_otherwise"
"""The execution option of a connection to SQLite whose transactions somebody else begins."""

# Nothing that is read here is of the type hstore, for which a connection would be asked first.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {"postgresql": {"use_native_hstore": False}}
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}


class Database:
    """One database, by its URL. The engine keeps no connections, so nothing is left open behind."""

    def __init__(self, url: str | URL) -> None:
        self.url = _normalised(url)
        self.dialect = dialect_for(self.url.get_backend_name())
        _refuse_missing_file(self.url)
        try:
            self.engine = sqlalchemy.create_engine(
                self.url, poolclass=NullPool, hide_parameters=True, **_OPTIONS.get(self.url.get_backend_name(), {})
            )
        except ImportError as error:
            raise UnsupportedError(
                "HF402",
                f"The driver for {self.dialect.title} is not installed: {error.name}.",
                f"pip install 'holdfast[{self.dialect.name}]'",
            ) from error
        prepare_engine(self.engine)
        read_any_text(self.engine)

    @property
    def name(self) -> str:
        """The URL without its password, for people to read."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection whose transactions the caller begins and ends."""
        with self.errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back on any error."""
        with self.errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """One state of the database for the whole block, whatever others commit meanwhile; writes are refused."""
        with self.connect() as connection:
            if self.dialect.snapshot_level is not None:
                connection.execution_options(isolation_level=self.dialect.snapshot_level)
            execute(connection, self.dialect.read_only())
            yield connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        with explained(self.dialect):
            yield


@contextmanager
def explained(dialect: Dialect) -> Iterator[None]:
    """Turns a driver's error into ours: code, message, hint."""
    try:
        yield
    except DBAPIError as error:
        raise explain(error, dialect) from error


def explain(error: DBAPIError, dialect: Dialect) -> HoldfastError:
    """Our error for a driver's error, its cause not yet set."""
    if error.connection_invalidated:
        return _lost(error.statement)
    original = error.orig if error.orig is not None else error
    ours = dialect.error(original)
    if ours is None:
        message = next(iter(str(original).strip().splitlines()), "no message").rstrip(".")
        ours = HoldfastError("HF408", f"The database reported: {message}.", "Nothing of the statement was written.")
    return ours


def _lost(statement: str | None) -> HoldfastError:
    """A server without its client rolls back. But what ended with the connection may have been the commit itself:
    SQLAlchemy's has no statement, others write their own, and a procedure may commit on its way."""
    verb = next(iter((statement or "").lower().replace(";", " ").split()), "commit")
    if verb in ("commit", "end", "prepare", "call", "do"):
        return CommitUnknownError(
            "HF616",
            "The connection was lost while the transaction was being ended: it may be committed, or not.",
            "Look whether its changes are there before you repeat it.",
        )
    return ConnectionLostError(
        "HF615",
        "The connection to the database was lost; nothing of the transaction was committed.",
        "Repeat the whole transaction: holdfast.sqlalchemy.retry does.",
    )


def execute(connection: Connection, query: Query | str) -> list[AnyRow]:
    """Runs the query as it stands and gives its rows; named parameters go to the driver, never into the text."""
    query = query if isinstance(query, Query) else Query(query, {})
    try:
        return _execute(connection, query)
    except OverflowError as error:  # Of sqlite3, for which it is no error of the database.
        raise HoldfastError("HF408", "A number has more than 64 bits.", "Give a smaller one.") from error
    except UnicodeEncodeError as error:  # What ``read_any_text`` read is shown, and goes into no statement.
        raise HoldfastError(
            "HF408", "A text is not valid Unicode, and cannot be given to the database.", "Nothing was written."
        ) from error


def _execute(connection: Connection, query: Query) -> list[AnyRow]:
    _bring_functions(connection, query.sql)
    if not query.parameters:
        # For this statement alone: the connection may be an application's.
        result = connection.exec_driver_sql(query.sql, execution_options={"no_parameters": True, OWN: True})
    else:
        sql, parameters = in_style(query, connection.dialect.paramstyle)
        result = connection.exec_driver_sql(sql, parameters, execution_options={OWN: True})
    return list(result) if result.returns_rows else []


def stream(connection: Connection, query: Query, size: int = 5_000) -> Iterator[AnyRow]:
    """The rows of a query that may have very many, fetched as they are read."""
    _bring_functions(connection, query.sql)
    sql, parameters = query.sql, dict(query.parameters) or None
    if parameters:
        sql, parameters = in_style(query, connection.dialect.paramstyle)
    options = {"stream_results": True, "yield_per": size, OWN: True}
    options |= {} if parameters else {"no_parameters": True}
    yield from connection.exec_driver_sql(sql, parameters, execution_options=options)


def _bring_functions(connection: Connection, sql: str) -> None:
    """Gives the connection what the query calls and the database lacks; once, for it may be an application's."""
    for name, (arguments, function) in _functions(connection.dialect.name).items():
        if name in sql and name not in connection.info:
            driver: Any = connection.connection.dbapi_connection
            driver.create_function(name, arguments, function)
            connection.info[name] = True


@cache
def _functions(dialect: str) -> Mapping[str, tuple[int, Callable[..., Any]]]:
    return dialect_for(dialect).functions


def in_style(query: Query, style: str) -> tuple[str, Any]:
    """The SQL and its parameters as the driver takes them; SQLite's take them by name as they are."""
    if style not in ("pyformat", "numeric_dollar"):
        return query.sql, dict(query.parameters)
    names = list(query.parameters)

    def replace(match: re.Match[str]) -> str:
        if style == "pyformat":
            return f"%({match[1]})s" if match[1] else match[0].replace("%", "%%")
        return f"${names.index(match[1]) + 1}" if match[1] else match[0]

    sql = _TOKEN.sub(replace, query.sql)
    return sql, dict(query.parameters) if style == "pyformat" else tuple(query.parameters.values())


def prepare_engine(engine: Engine) -> None:
    """Sets what protection relies on: on SQLite real transactions, foreign keys and recursive triggers."""
    if engine.dialect.driver == "psycopg":

        @event.listens_for(engine, "connect")
        def dated(connection: Any, _record: Any) -> None:
            # The driver reads times in this form alone, and a database or a role may have another for its own.
            if not connection.info.parameter_status("DateStyle").startswith("ISO"):
                connection.autocommit = True
                connection.execute("set datestyle to 'ISO, YMD'")
                connection.autocommit = False

    if engine.dialect.driver in ("pysqlite", "aiosqlite"):

        @event.listens_for(engine, "connect")
        def connected(connection: Any, _record: Any) -> None:
            # The driver would begin transactions late and not for DDL; ours begin when they are begun.
            connection.isolation_level = None
            cursor = connection.cursor()
            for pragma in ("foreign_keys = on", "recursive_triggers = on", "busy_timeout = 5000"):
                cursor.execute(f"pragma {pragma}")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            if not connection.get_execution_options().get(BEGUN_OTHERWISE):
                connection.exec_driver_sql("begin")

        @event.listens_for(engine, "reset")
        def ended(connection: Any, record: Any, state: Any) -> None:
            # A COMMIT that finds the file busy leaves the transaction open, and SQLAlchemy takes it for ended.
            if state.transaction_was_reset and record.driver_connection.in_transaction:
                connection.rollback()


def read_any_text(engine: Engine) -> None:
    """For engines of our own. SQLite keeps a text that is no UTF-8, and its driver would refuse all that it is part of.

    A byte that is not understood becomes a character that stands for it alone, and that no statement takes.
    """
    if engine.dialect.driver == "pysqlite":

        @event.listens_for(engine, "connect")
        def reading(connection: Any, _record: Any) -> None:
            connection.text_factory = lambda text: text.decode(errors="surrogateescape")


def at_begin(engine: Engine, begun: Callable[[Connection], None]) -> None:
    """Calls it as each transaction of the engine begins; SQLAlchemy tells of those in two phases by another event.

    One in two phases begins only when all listeners have been asked, so that none may send a statement.
    """
    event.listen(engine, "begin", begun)
    event.listen(engine, "begin_twophase", lambda connection, _xid: begun(connection))


def _normalised(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UnsupportedError(
            "HF401",
            "This is not a database URL.",
            "Write postgresql://user@host/name or sqlite:///path/to/file.db.",
        ) from error
    # An application's URL may name another driver, an asynchronous one; the database is the same.
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.get_backend_name(), parsed.drivername))
    try:
        parsed.get_dialect()
    except NoSuchModuleError as error:
        raise UnsupportedError(
            "HF401",
            f"holdfast does not know the database {parsed.drivername!r}.",
            "It protects PostgreSQL 14 to 18 and SQLite 3.37+.",
        ) from error
    except ImportError:
        pass
    return parsed


def _refuse_missing_file(url: URL) -> None:
    """SQLite would make an empty database of a misspelt name."""
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        path = Path(url.database.removeprefix("file:"))
        if "uri" in url.query and not url.database.startswith("file:"):
            raise UnsupportedError(
                "HF401", "This is not a database URL.", f"With uri=true write sqlite:///file:{path}?…&uri=true."
            )
        if not path.is_file():
            raise UnsupportedError(
                "HF406", f"There is no database file {path}.", "Check the path; sqlite:////tmp/x.db has four slashes."
            )
