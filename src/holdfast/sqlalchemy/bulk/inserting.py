"""Inserting many rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.orm import Session

from holdfast.sqlalchemy.bulk.copying import Copy, copying, to_copy
from holdfast.sqlalchemy.bulk.defaults import kind_of, runs_code
from holdfast.sqlalchemy.bulk.rows import Chunk, Row, in_chunks
from holdfast.sqlalchemy.bulk.targets import Target, target_of
from holdfast.sqlalchemy.bulk.writing import Progress, key_of, naming, writing

COPY_FROM = 50
"""Rows. Measured on one machine COPY takes half the time of INSERT from 20 on, and it asks the server once more."""


def bulk_insert(
    session: Session, model: type[Any], rows: Iterable[Row], *, chunk: int = 10_000, progress: Progress | None = None
) -> int:
    """Inserts all rows or none, holds one chunk of them at a time, and gives their number.

    A row is a mapping by attribute name, or an instance of the class that is in no session; all have the same
    columns. Values, defaults and types are those of the ORM; what a column's ``server_default`` makes is left to the
    database. On PostgreSQL the rows are copied, unless only an INSERT can make them. In an asynchronous session:
    ``await session.run_sync(bulk_insert, Order, rows)``.

    Raises HF650 for a column that the class has not, HF651 for a row of another shape, HF652 for a value that does not
    fit, and what the database refuses (``UniqueError`` …); each says which rows it is about. The session's
    transaction goes on as it was.
    """
    target = target_of(model, joined=True)
    with writing(session, target) as connection:
        chunks = in_chunks(rows, target, chunk)
        first = next(chunks, None)
        if first is None:
            return 0
        is_one_table = len(target.mapper.tables) == 1
        copy = copying(connection, target, first.names) if is_one_table and len(first.values) >= COPY_FROM else None
        if copy is not None and isinstance(rows, list | tuple) and progress is None and not runs_code(target, first):
            _copy_at_once(copy, connection, target, first, chunks, len(rows))
            return len(rows)
        done = 0
        for each in chain([first], chunks):
            with naming(each, connection):
                if copy is not None:
                    copy(connection, target, *to_copy(connection, target, each))
                elif is_one_table:
                    connection.execute(insert(target.table).inline(), _parameters(target, each))
                else:
                    session.execute(insert(model), [dict(zip(each.names, row, strict=True)) for row in each.values])
            done += len(each.values)
            if progress is not None:
                progress(done)
    return done


def _copy_at_once(
    copy: Copy, connection: Connection, target: Target, first: Chunk, others: Iterator[Chunk], count: int
) -> None:
    """All chunks by one COPY, so that the server need not wait for the next one; nothing of the caller's may run
    meanwhile, for it could want the connection."""
    with naming(Chunk(0, first.names, [], about=f"rows[0:{count}]"), connection):
        columns, values = to_copy(connection, target, first)
        more = chain.from_iterable(to_copy(connection, target, each)[1] for each in others)
        copy(connection, target, columns, chain(values, more))


def bulk_insert_returning(
    session: Session, model: type[Any], rows: Iterable[Row], *, chunk: int = 1_000, progress: Progress | None = None
) -> list[Any]:
    """As ``bulk_insert``, and gives the keys of the rows in their order: a value each, or a tuple of several.

    For keys that the database makes. It inserts with RETURNING, several times as slow as a COPY; keys that Python
    makes (``UUIDKey``) are known without.

    >>> from sqlalchemy import Column, Integer, String, Table, create_engine
    >>> from sqlalchemy.orm import DeclarativeBase
    >>> class Base(DeclarativeBase): ...
    >>> class Tag(Base):
    ...     __table__ = Table(
    ...         "tags", Base.metadata, Column("id", Integer, primary_key=True), Column("name", String)
    ...     )
    >>> engine = create_engine("sqlite://")
    >>> Base.metadata.create_all(engine)
    >>> with Session(engine) as session:
    ...     bulk_insert_returning(session, Tag, [{"name": "red"}, {"name": "blue"}])
    [1, 2]
    """
    target = target_of(model)
    keys: list[Any] = []
    with writing(session, target) as connection:
        statement = insert(target.table).returning(*target.table.primary_key, sort_by_parameter_order=True)
        for each in in_chunks(rows, target, chunk):
            with naming(each, connection):
                found = connection.execute(statement, _parameters(target, each))
                keys += [key_of(tuple(row)) for row in found]
            if progress is not None:
                progress(len(keys))
    return keys


def _parameters(target: Target, chunk: Chunk) -> list[dict[str, Any]]:
    keys = [column.key for column in target.of(chunk.names)]
    kind = kind_of(target, chunk.names)
    besides = {kind[0].key: kind[1]} if kind else {}
    return [{**dict(zip(keys, row, strict=True)), **besides} for row in chunk.values]
