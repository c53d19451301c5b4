"""Connections kept for reading: a new one learns PostgreSQL's catalog first, which takes longer than to read."""

from __future__ import annotations

import sqlalchemy
from sqlalchemy import URL

from holdfast.database import Database, prepare_engine

_kept: dict[URL, Database] = {}


def reader(database: Database) -> Database:
    """The same database, with a connection that stays open between two readings."""
    if database.url.get_backend_name() == "sqlite":
        return database
    if database.url not in _kept:
        kept = Database(database.url)
        # Nothing is prepared: each reading plans its statements, as that of a new connection does.
        kept.engine = sqlalchemy.create_engine(
            database.url, pool_size=1, hide_parameters=True, connect_args={"prepare_threshold": None}
        )
        prepare_engine(kept.engine)
        _kept[database.url] = kept
    return _kept[database.url]


def forget(name: str | None = None) -> None:
    """Closes what was kept of that database, or of all: it is to be dropped or copied, or its settings are new."""
    for url in [each for each in _kept if name in (None, each.database)]:
        _kept.pop(url).engine.dispose()
