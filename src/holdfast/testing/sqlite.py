"""SQLite for tests, in memory as far as the system has it, and one database for all who connect."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from holdfast.sqlalchemy import bind

_MEMORY = Path("/dev/shm")
_ENOUGH = 256 * 1024 * 1024


@contextmanager
def memory_sqlite(directory: Path | None = None) -> Iterator[Engine]:
    """An engine over an empty SQLite database that goes with the block.

    Every thread and every connection sees the same database, transactions are real, foreign keys are on, readers
    and a writer do not wait for each other. The engine is bound (``holdfast.sqlalchemy.bind``). It is a file: in the
    memory file system where there is one with room, else in the folder for temporary files, never synced; so
    ``holdfast.Database(engine.url)`` and the command line know it too.
    """
    with _file(directory) as path:
        engine = create_engine(f"sqlite:///{path}")
        _prepare(engine)
        try:
            yield engine
        finally:
            engine.dispose()


@asynccontextmanager
async def async_memory_sqlite(directory: Path | None = None) -> AsyncIterator[AsyncEngine]:
    """The same for asyncio, through aiosqlite.

    >>> import asyncio
    >>> from sqlalchemy import text
    >>> async def works():
    ...     async with async_memory_sqlite() as engine, engine.connect() as connection:
    ...         return await connection.scalar(text("select 1"))
    >>> asyncio.run(works())
    1
    """
    with _file(directory) as path:
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        _prepare(engine.sync_engine)
        try:
            yield engine
        finally:
            await engine.dispose()


def _prepare(engine: Engine) -> None:
    bind(engine)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("pragma synchronous = off")
        cursor.close()


@contextmanager
def _file(directory: Path | None) -> Iterator[Path]:
    if directory is None and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ENOUGH:
        directory = _MEMORY
    with tempfile.TemporaryDirectory(prefix="holdfast-", dir=directory, ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "memory.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("pragma journal_mode = wal")
        yield path
