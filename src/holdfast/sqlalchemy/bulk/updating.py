"""Updating many rows, each to values of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, select, tuple_, update
from sqlalchemy.orm import Session

from holdfast.errors import NotFoundError, RowsError, StaleVersionError
from holdfast.sqlalchemy.bulk.defaults import on_update
from holdfast.sqlalchemy.bulk.refreshing import Held
from holdfast.sqlalchemy.bulk.rows import Chunk, Row, Values, in_chunks
from holdfast.sqlalchemy.bulk.sources import rows_at_once, source
from holdfast.sqlalchemy.bulk.targets import Target, target_of
from holdfast.sqlalchemy.bulk.writing import Allow, Count, Progress, key_of, listed, naming, writing

Missing = Literal["raise", "ignore"]
_BATCH = 500


def bulk_update(
    session: Session,
    model: type[Any],
    rows: Iterable[Row],
    *,
    missing: Missing = "raise",
    allow: Allow | None = None,
    chunk: int = 5_000,
    progress: Progress | None = None,
) -> int:
    """Sets the columns of each row to its own values, all rows or none, in one statement a chunk; gives their number.

    A row has its key, the columns to set, and may have the version that it was read at: a row that is at another one
    by now raises StaleVersionError (HF202), with the keys. A row that is not there, or marked, raises NotFoundError
    (HF622), or is left out of the number with ``missing="ignore"``. ``allow`` announces to a guard how many rows are
    meant. Instances that the session holds get the new values.

    Raises HF650 and HF651 as ``bulk_insert``, HF653 for a key that is given twice, and what the database refuses.
    """
    target = target_of(model)
    with writing(session, target, allow) as connection:
        held, seen, done = Held(session, target), set[Values](), 0
        count = Count(connection, target, "UPDATE")
        for each in in_chunks(rows, target, rows_at_once(len(target.columns), chunk)):
            keys = _keys(target, each, seen)
            with naming(each, connection):
                found = _update(connection, target, each)
            if len(found) < len(keys):
                _judge(connection, target, each, keys, found, missing)
            count.add(len(found))
            held.changed(found)
            done += len(found)
            if progress is not None:
                progress(done)
        held.refresh(connection)
    return done


def _keys(target: Target, chunk: Chunk, seen: set[Values]) -> list[Values]:
    """The key of each row. HF651 where there is none, or nothing else; HF653 where one is given again."""
    without = [name for name in target.key if name not in chunk.names]
    if without or not _set_by(target, chunk.names):
        raise RowsError(
            "HF651",
            f"The rows have no {', '.join(without)}, which is of the key of {target.name}."
            if without
            else "The rows have a key, and nothing to set.",
            "Each row has its key and the columns to set.",
        )
    target.refuse_kept(chunk.names)
    places = [chunk.names.index(name) for name in target.key]
    keys = [tuple(row[place] for place in places) for row in chunk.values]
    for index, key in enumerate(keys):
        if key in seen:
            raise RowsError(
                "HF653",
                f"rows[{chunk.first + index}] is the second one with the key {key_of(key)!r}.",
                "Give each row once: which of the two is meant is not for a database to guess.",
                rows=[chunk.first + index],
            )
        seen.add(key)
    return keys


def _set_by(target: Target, names: Iterable[str]) -> tuple[str, ...]:
    """The attributes that are set: not the key, and not the version, which the database counts."""
    return tuple(name for name in names if name not in (*target.key, target.version))


def _update(connection: Connection, target: Target, chunk: Chunk) -> list[Values]:
    """The keys of the rows that were there, alive and at the version that is given."""
    columns = target.of(chunk.names)
    _, found, parameters = source(connection, columns, list(zip(*chunk.values, strict=True)), "given")
    by_name = dict(zip(chunk.names, found, strict=True))
    matched = [*target.key, *([target.version] if target.version in by_name else [])]
    assigned = {target.columns[name]: by_name[name] for name in _set_by(target, chunk.names)}
    statement = (
        update(target.table)
        .where(*(target.columns[name] == by_name[name] for name in matched))
        .values({**assigned, **on_update(connection, target, chunk.names)})
        .returning(*target.table.primary_key)
    )
    if target.mark is not None:
        statement = statement.where(target.mark.is_(None))
    return [tuple(row) for row in connection.execute(statement, parameters)]


def _judge(
    connection: Connection,
    target: Target,
    chunk: Chunk,
    keys: Sequence[Values],
    found: Sequence[Values],
    missing: Missing,
) -> None:
    """Why rows were not updated: HF202 where one is at another version, HF622 where one is not there."""
    lost = set(keys).difference(found)
    gone = lost
    if target.version in chunk.names:
        assert target.version is not None
        at = chunk.names.index(target.version)
        expected = {key: row[at] for key, row in zip(keys, chunk.values, strict=True) if key in lost}
        present = versions(connection, target, list(lost))
        refuse_stale(target, {key: (expected.get(key), current) for key, current in present.items()})
        gone = lost.difference(present)
    if gone and missing == "raise":
        raise NotFoundError(
            "HF622",
            f"{len(gone)} of the rows to update are not there, or deleted: {listed([k for k in keys if k in gone])}.",
            'Say missing="ignore" where that is expected; a deleted row has to be restored first.',
        )


def versions(connection: Connection, target: Target, keys: list[Values]) -> dict[Values, Any]:
    """The present version of each of these rows that is there and lives."""
    primary = list(target.table.primary_key)
    assert target.version is not None
    found = {}
    for start in range(0, len(keys), _BATCH):
        query = select(*primary, target.columns[target.version]).where(
            tuple_(*primary).in_(keys[start : start + _BATCH])
        )
        if target.mark is not None:
            query = query.where(target.mark.is_(None))
        found.update({tuple(row[:-1]): row[-1] for row in connection.execute(query)})
    return found


def refuse_stale(target: Target, rows: dict[Values, tuple[Any, Any]]) -> None:
    """HF202 for these rows: by key, the version that was expected and the one that is there."""
    if not rows:
        return
    keys = list(rows)
    one = rows[keys[0]] if len(keys) == 1 else (None, None)
    raise StaleVersionError(
        "HF202",
        f"{len(keys)} of the rows of {target.table.name} changed since they were read: {listed(keys)}.",
        "Read them again, and repeat the change on what they are now.",
        table=target.table.name,
        key=key_of(keys[0]) if len(keys) == 1 else [key_of(key) for key in keys],
        expected=one[0],
        current=one[1],
    )
