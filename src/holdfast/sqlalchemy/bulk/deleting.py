"""Deleting many rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, tuple_
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import True_

from holdfast.errors import EmptyFilterError
from holdfast.sqlalchemy.bulk.refreshing import Held
from holdfast.sqlalchemy.bulk.rows import Chunk
from holdfast.sqlalchemy.bulk.sources import rows_at_once
from holdfast.sqlalchemy.bulk.targets import Target, target_of
from holdfast.sqlalchemy.bulk.writing import Allow, Count, Progress, naming, writing
from holdfast.sqlalchemy.deleting import HARD_DELETE, flushing
from holdfast.sqlalchemy.soft_delete import include_deleted


def bulk_delete(
    session: Session,
    model: type[Any],
    keys: Iterable[Any] | None = None,
    *,
    where: ColumnElement[bool] | None = None,
    all_rows: bool = False,
    hard: bool = False,
    allow: Allow | None = None,
    chunk: int = 1_000,
    progress: Progress | None = None,
) -> int:
    """Deletes the rows with these keys, those that fit ``where``, or, said so, all; gives how many it was.

    Soft-deleted rows are marked, their children follow, and all that one call deletes comes back together; a row that
    is marked already is no more deleted. ``hard=True`` really deletes, marked rows included. A key is a value, or a
    tuple of several; keys that are not there are left out of the number. ``allow`` announces to a guard how many rows
    are meant. Instances that the session holds show the mark; those of rows that are gone leave it.

    Raises HF626 where nothing says which rows (an empty list of keys says: none), and what the database refuses.
    """
    if (keys is not None) + (where is not None) + all_rows > 1:
        raise ValueError("Give keys, where or all_rows, and one of them alone.")
    target = target_of(model)
    if keys is None and not all_rows and (where is None or isinstance(where, True_)):
        raise EmptyFilterError(
            "HF626",
            f"Nothing says which rows of {target.name} are to be deleted.",
            "Give keys or where; all_rows=True deletes every row.",
        )
    # What one call deletes carries one mark.
    with flushing(), writing(session, target, allow, _hard(target) if hard else None) as connection:
        held, done = Held(session, target), 0
        deleting = _Delete(session, connection, target, held, hard)
        count = Count(connection, target, "DELETE")
        for each in [None] if keys is None else _in_chunks(keys, rows_at_once(len(target.key), chunk)):
            if each is None:
                found = deleting.where(where)
            else:
                with naming(each, connection):
                    found = deleting.keys(each)
            count.add(found)
            done += found
            if progress is not None:
                progress(done)
        held.remove() if hard or target.mark is None else held.refresh(connection)
    return done


class _Delete:
    """The statements, which also say whose instances the session holds."""

    def __init__(self, session: Session, connection: Connection, target: Target, held: Held, hard: bool) -> None:
        self._session, self._connection = session, connection
        self._target, self._held, self._hard = target, held, hard
        self._options = {"synchronize_session": False, HARD_DELETE: hard}

    def keys(self, chunk: Chunk) -> int:
        table = self._target.table
        primary = list(table.primary_key)
        key: Any = primary[0] if len(primary) == 1 else tuple_(*primary)
        statement = self._returning(delete(table).where(key.in_([row[0] for row in chunk.values])))
        if self._target.mark is not None and not self._hard:
            statement = statement.where(self._target.mark.is_(None))
        return self._counted(self._connection.execute(statement, execution_options=self._options))

    def where(self, condition: ColumnElement[bool] | None) -> int:
        """Through the ORM, under which the rows that the condition speaks of live too."""
        statement = self._returning(delete(self._target.mapper.class_))
        if condition is not None:
            statement = statement.where(condition)
        if self._hard:
            statement = statement.options(include_deleted())
        return self._counted(self._session.execute(statement, execution_options=self._options))

    def _returning(self, statement: Any) -> Any:
        return statement.returning(*self._target.table.primary_key) if self._held else statement

    def _counted(self, result: Any) -> int:
        if not self._held:
            return int(result.rowcount)
        keys = [tuple(row) for row in result]
        self._held.changed(keys)
        return len(keys)


def _hard(target: Target) -> str | None:
    """What has to be announced for a row to really go."""
    return "hard_delete" if target.mark is not None else None


def _in_chunks(keys: Iterable[Any], size: int) -> Iterator[Chunk]:
    given, first = iter(keys), 0
    while batch := list(islice(given, size)):
        yield Chunk(first, ("key",), [(key,) for key in batch])
        first += len(batch)
