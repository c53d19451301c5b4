"""A tenant out of a file, into tables that match: all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.tenant_life import Rows
from holdfast.errors import UnsupportedError
from holdfast.tenant_life.archive import ArchiveReader, open_archive
from holdfast.tenant_life.copying import copy_in
from holdfast.tenant_life.exporting import Progress
from holdfast.tenant_life.ledger import read_ledger, refuse_half_done
from holdfast.tenant_life.manifest import Manifest, flat
from holdfast.tenant_life.place import Place, Work, alone, work_for
from holdfast.tenant_life.results import Imported
from holdfast.timeline import shown

_NAMED = 5


def import_tenant(
    place: Place,
    file: Path,
    *,
    reason: str,
    tenant: str | None = None,
    actor: str | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Brings the rows of ``file`` back, bit for bit, as those of the same tenant or of ``tenant``; one transaction.

    No key is changed: HF482 where one is there already, where the tenant has rows already, where tables or columns
    differ, or where the file is not whole. HF483 where what came is not what was exported, as a trigger of your own
    may do. The journal records the inserts, and the import by ``actor`` for ``reason``.
    """
    with open_archive(file) as archive:
        given = tenant if tenant is not None else str(archive.manifest["tenant"])
        work = work_for(place, given, actor, reason)
        with alone(work) as connection:
            return bring(connection, work, archive, progress)


def bring(
    connection: Connection,
    work: Work,
    archive: ArchiveReader,
    progress: Progress | None = None,
    *,
    during: Sequence[str] = (),
) -> Imported:
    """``during`` are the kinds of runs that this is a part of."""
    life = work.place.life
    parts: list[Mapping[str, Any]] = archive.manifest["tables"]
    with connection.begin():
        entries = read_ledger(connection, work.place, work.tenant)
        refuse_half_done(entries, work.tenant, *during)
        permissions = any(part["table"].startswith("holdfast.") for part in parts)
        manifest = work.place.manifest(connection, permissions=permissions)
        groups = manifest.rows_of(life, work.tenant)
    _check(manifest, groups, parts, archive.path)
    by_name = {part["table"]: part for part in parts}
    every = flat(groups)
    numbers = {id(each): number for number, each in enumerate(every)}
    with work.transaction(connection, every):
        execute(connection, life.as_it_was())
        _refuse_present(connection, work, every)
        for each in every:
            part = by_name[manifest.called(each.table.name)]
            _fill(connection, work, archive, numbers[id(each)], each, part)
            if progress is not None:
                progress(part["table"], numbers[id(each)] + 1, len(every))
        for group in groups:
            execute(connection, life.arrive([(numbers[id(each)], each) for each in group]))
        _verify(connection, work, manifest, every, by_name)
        for each in every:
            for statement in life.move_sequences(each.table):
                execute(connection, statement)
        identity = str(archive.manifest["archive"])
        found = {part["table"]: int(part["rows"]) for part in parts}
        work.record(connection, "tenant_import", {"archive": identity, "rows": found})
    return Imported(identity, work.tenant, found)


def _check(
    manifest: Manifest,
    groups: Sequence[Sequence[Rows]],
    parts: Sequence[Mapping[str, Any]],
    path: Path,
) -> None:
    """HF482 where the tables here are not those of the archive."""
    here = {manifest.called(each.table.name): each for each in flat(groups)}
    there = {part["table"]: part for part in parts}
    wrong = [f"{name} is not here, or has no tenants here" for name in there if name not in here]
    wrong += [f"{name} is not in the archive" for name in here if name not in there]
    for name, part in there.items():
        if name not in here:
            continue
        each = here[name]
        types = {column.name: column.type for column in each.table.columns}
        mine = {column: types[column] for column in each.compared}
        theirs = dict(part["columns"])
        for column in sorted({*mine, *theirs}):
            if mine.get(column) != theirs.get(column):
                wrong.append(
                    f"{name}.{column} is {theirs.get(column, 'not there')} in the archive"
                    f" and {mine.get(column, 'not there')} here"
                )
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise UnsupportedError(
            "HF482",
            f"The tables here do not match {path}: {'; '.join(wrong[:_NAMED])}{more}.",
            "Bring both databases to the same migration first. Nothing was imported.",
        )


def _refuse_present(connection: Connection, work: Work, rows: Sequence[Rows]) -> None:
    for each in rows:
        if int(execute(connection, work.place.life.count(each))[0][0]):
            raise UnsupportedError(
                "HF482",
                f"The tenant {work.tenant!r} has rows of {shown(each.table.name)} here already.",
                "Import it under another name (--as), or delete the one that is here. Nothing was imported.",
            )


def _fill(
    connection: Connection, work: Work, archive: ArchiveReader, number: int, rows: Rows, part: Mapping[str, Any]
) -> None:
    life, dialect = work.place.life, work.place.database.dialect
    make, copy = life.stage(number, rows.table, rows.compared)
    execute(connection, make)
    copy_in(connection, dialect, copy, archive.chunks(part["part"], part["sha256"]))
    found = execute(connection, life.colliding(number, rows, rows.compared, _NAMED))
    if found:
        named = ", ".join(f"({row.columns}) = ({row.key})" for row in found[:_NAMED])
        raise UnsupportedError(
            "HF482",
            f"{shown(rows.table.name)} has rows of others with these keys already: {named}.",
            "Keys are kept as they are, so such a tenant goes into another schema or database. Nothing was imported.",
        )


def _verify(
    connection: Connection, work: Work, manifest: Manifest, rows: Sequence[Rows], parts: Mapping[str, Mapping[str, Any]]
) -> None:
    for each in rows:
        part = parts[manifest.called(each.table.name)]
        count, checksum = execute(connection, work.place.life.summary(each))[0]
        if (int(count), str(checksum)) != (int(part["rows"]), part["checksum"]):
            raise UnsupportedError(
                "HF483",
                f"What came to {shown(each.table.name)} is not what was exported: {count} rows of {part['rows']}, "
                f"checksum {'equal' if checksum == part['checksum'] else 'different'}.",
                "A trigger, a rule or a default of this database changed rows. Nothing was imported.",
            )
