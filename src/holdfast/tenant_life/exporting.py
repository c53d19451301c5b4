"""A tenant into a file, all of it as it was at one moment."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from holdfast import __version__
from holdfast.database import execute, stream
from holdfast.dialects.query import Query
from holdfast.dialects.tenant_life import Rows
from holdfast.errors import UnsupportedError
from holdfast.tenant_life.archive import FORMAT, ArchiveWriter, new_archive
from holdfast.tenant_life.copying import copy_out
from holdfast.tenant_life.ledger import read_ledger, refuse_half_done
from holdfast.tenant_life.manifest import Manifest, flat, no_tenant
from holdfast.tenant_life.place import Place, Work, see_all, work_for
from holdfast.tenant_life.results import Exported

Progress = Callable[[str, int, int], None]
"""Called with what is worked on, how much of it is done, and of how much."""


def export_tenant(
    place: Place,
    tenant: str,
    file: Path,
    *,
    reason: str,
    with_history: bool = False,
    actor: str | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Writes the tenant's rows of every table, of one moment, into ``file``; the file is whole or not there.

    That it was done is recorded before it begins. ``with_history`` adds the journal's changes of these rows, to be
    read; an import does not write them into another journal. HF480 where there is no such tenant, HF481 where a table
    does not say whose its rows are, HF404 where row security hides rows, HF484 while it is being moved or deleted.
    """
    return export(work_for(place, tenant, actor, reason), file, with_history=with_history, progress=progress)


def export(
    work: Work,
    file: Path,
    *,
    with_history: bool = False,
    progress: Progress | None = None,
    during: tuple[str, ...] = (),
    permissions: bool = True,
    archive: str | None = None,
) -> Exported:
    """``during`` are the kinds of runs that this is a part of."""
    archive = archive or str(uuid.uuid4())
    with work.place.database.begin() as connection:
        refuse_half_done(read_ledger(connection, work.place, work.tenant), work.tenant, *during)
        manifest = work.place.manifest(connection, permissions=permissions)
        rows = manifest.rows_of(work.place.life, work.tenant)
        _refuse_inherited(rows)
        work.record(connection, "tenant_export", {"archive": archive, "with_history": with_history})
    with _snapshot(work, rows) as connection:
        # What is read now may be newer than what was looked at before.
        manifest = work.place.manifest(connection, permissions=permissions)
        rows = manifest.rows_of(work.place.life, work.tenant)
        return _write(connection, work, manifest, rows, file, archive, with_history, progress)


@contextmanager
def _snapshot(work: Work, rows: tuple[tuple[Rows, ...], ...]) -> Iterator[Connection]:
    """One state of the database; read only, unless reading across tenants has to be written down in it."""
    database, life = work.place.database, work.place.life
    each = flat(rows)
    with database.begin() as connection:
        writes = any(not execute(connection, life.sees_all(one.table))[0].always for one in each)
    with database.connect() as connection:
        connection.execution_options(isolation_level=database.dialect.snapshot_level)
        if not writes:
            execute(connection, database.dialect.read_only())
        see_all(connection, database.dialect, each, work.reason, work.actor)
        for query in life.settings():
            execute(connection, query)
        yield connection
        if writes:
            connection.commit()


def _write(
    connection: Connection,
    work: Work,
    manifest: Manifest,
    rows: tuple[tuple[Rows, ...], ...],
    file: Path,
    archive: str,
    with_history: bool,
    progress: Progress | None,
) -> Exported:
    counted = count_all(connection, work, rows)
    if not any(count for count, _ in counted.values()):
        raise no_tenant(work.tenant)
    parts: list[dict[str, Any]] = []
    with new_archive(file) as writer:
        numbered = [(number, each) for number, group in enumerate(rows) for each in group]
        for place, (number, each) in enumerate(numbered, 1):
            count, checksum = counted[each.table]
            part = f"tables/{place:04}.copy"
            digest = writer.add(part, copy_out(connection, work.place.database.dialect, work.place.life.copy_out(each)))
            parts.append(_part(manifest, each, number, part, count, checksum, digest))
            if progress is not None:
                progress(parts[-1]["table"], place, len(numbered))
        history = _history(connection, work, writer, manifest.relations) if with_history else None
        writer.finish(
            {
                "format": FORMAT,
                "holdfast": __version__,
                "archive": archive,
                "tenant": work.tenant,
                "at": datetime.now(UTC).isoformat(),
                "tables": parts,
                "history": history,
            }
        )
    found = {part["table"]: part["rows"] for part in parts}
    return Exported(archive, work.tenant, file, found, history["changes"] if history else None)


def count_all(connection: Connection, work: Work, rows: tuple[tuple[Rows, ...], ...]) -> dict[Any, tuple[int, str]]:
    """Number and checksum of the rows of each table."""
    counted = {}
    for group in rows:
        for each in group:
            number, checksum = execute(connection, work.place.life.summary(each))[0]
            counted[each.table] = (int(number), str(checksum))
    return counted


def _part(
    manifest: Manifest, each: Rows, group: int, part: str, count: int, checksum: str, digest: str
) -> dict[str, Any]:
    types = {column.name: column.type for column in each.table.columns}
    return {
        "table": manifest.called(each.table.name),
        "group": group,
        "part": part,
        "tenant_column": each.column,
        "columns": {name: types[name] for name in each.compared},
        "rows": count,
        "checksum": checksum,
        "sha256": digest,
    }


def _history(connection: Connection, work: Work, writer: ArchiveWriter, relations: tuple[int, ...]) -> dict[str, Any]:
    lines = 0

    def chunks(query: Query) -> Iterator[bytes]:
        nonlocal lines
        for row in stream(connection, query):
            lines += 1
            yield row[0].replace("\n", " ").encode() + b"\n"

    digest = writer.add("history.jsonl", chunks(work.place.life.history.lines(work.tenant, relations)))
    return {"part": "history.jsonl", "changes": lines, "sha256": digest}


def _refuse_inherited(rows: tuple[tuple[Rows, ...], ...]) -> None:
    """A copy would bring all rows back into the one table."""
    for group in rows:
        for each in group:
            if each.table.inherits:
                raise UnsupportedError(
                    "HF481",
                    f"{each.table.name} is part of an inheritance, and a copy would not tell its tables apart.",
                    "Make it a partitioned table; a deletion works on it as it is.",
                )
