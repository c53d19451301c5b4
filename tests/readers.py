"""Connections kept: a new one learns what the database has first, which takes longer than what a test asks of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy
from sqlalchemy import URL, Connection, event
from sqlalchemy.pool import PoolResetState

from holdfast.database import Database, prepare_engine
from holdfast.dialects import dialect_for

_CATALOG = dialect_for("postgresql").catalog
# A plan for any of these takes longer to make than to run, and what they read is always there.
_PLANNED = {text: f"read_{number}" for number, text in enumerate((_CATALOG.tables, _CATALOG.state, _CATALOG.installed))}
_kept: dict[tuple[str, URL], tuple[Database, int]] = {}
# Two threads of a test that come first would both make one, and nobody would close the one that is replaced.
_keeping_one = Lock()


def reader(database: Database) -> Database:
    """The same database, with a connection that stays open between two readings or undos."""
    return _of(database, "reader")


def writer(database: Database) -> Database:
    """The same database, with another connection: as good as new for each transaction."""
    return _of(database, "writer")


def installer(database: Database) -> Database:
    """The same database for what compares it with a plan and then changes it: through the one, and the other."""
    kept = copy.copy(writer(database))
    kept.snapshot = reader(database).snapshot  # type: ignore[method-assign]
    return kept


def forget(name: str | None = None) -> None:
    """Closes what was kept of that database, or of all: it is to be dropped or copied, or its settings are new."""
    _close(lambda url: name in (None, url.database))


def forget_files() -> None:
    _close(lambda url: url.get_backend_name() == "sqlite")


def _close(chosen: Callable[[URL], bool]) -> None:
    with _keeping_one:
        for key in [each for each in _kept if chosen(each[1])]:
            _kept.pop(key)[0].engine.dispose()


def _of(database: Database, purpose: str) -> Database:
    in_file = database.url.get_backend_name() == "sqlite"
    path = Path(database.url.database or "")
    if in_file and not path.is_file():
        return database
    # A file may be another one now, under the same name.
    key, number = (purpose, database.url), path.stat().st_ino if in_file else 0
    with _keeping_one:
        if key in _kept and _kept[key][1] != number:
            _kept.pop(key)[0].engine.dispose()
        if key not in _kept:
            kept = _keeping_file(database) if in_file else _keeping(database)
            if not in_file:
                _plan_once(kept) if purpose == "reader" else _renew(kept)
            _kept[key] = kept, number
        return _kept[key][0]


def _keeping_file(database: Database) -> Database:
    kept = Database(database.url)
    kept.engine = sqlalchemy.create_engine(
        database.url,
        pool_size=1,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "cached_statements": 0},
    )
    prepare_engine(kept.engine)

    @event.listens_for(kept.engine, "reset")
    def renewed(connection: Any, _record: object, state: PoolResetState) -> None:
        if not state.terminate_only:
            connection.rollback()
            for pragma in ("query_only = off", "foreign_keys = on", "recursive_triggers = on"):
                connection.execute(f"pragma {pragma}")
            for kind, name in connection.execute("select type, name from temp.sqlite_schema").fetchall():
                connection.execute(f'drop {kind} if exists temp."{name}"')

    return kept


def _keeping(database: Database) -> Database:
    kept = Database(database.url)
    # The driver prepares nothing: what is sent is planned each time, as by a connection that is new.
    kept.engine = sqlalchemy.create_engine(
        database.url,
        pool_size=1,
        hide_parameters=True,
        use_native_hstore=False,
        connect_args={"prepare_threshold": None},
    )
    prepare_engine(kept.engine)
    return kept


def _plan_once(kept: Database) -> None:
    @event.listens_for(kept.engine, "before_cursor_execute", retval=True)
    def planned(
        connection: Connection, cursor: Any, statement: str, parameters: Any, context: object, many: bool
    ) -> tuple[str, Any]:
        name = _PLANNED.get(statement)
        if name is None:
            return statement, parameters
        if name not in connection.info:
            cursor.execute(f"prepare {name} as {statement}")
            connection.info[name] = True
        return f"execute {name}", parameters


def _renew(kept: Database) -> None:
    @event.listens_for(kept.engine, "reset")
    def renewed(connection: Any, _record: object, state: PoolResetState) -> None:
        if not state.terminate_only:
            connection.rollback()
            connection.autocommit = True
            connection.execute("discard all")
            connection.autocommit = False
