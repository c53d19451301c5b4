"""A tenant from one place to another: copied, compared, and only then deleted where it was."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.errors import TenantError, UnsupportedError
from holdfast.tenant_life.archive import open_archive
from holdfast.tenant_life.deleting import remove
from holdfast.tenant_life.exporting import Progress, count_all, export
from holdfast.tenant_life.held import refuse_held
from holdfast.tenant_life.importing import bring
from holdfast.tenant_life.ledger import (
    DELETE,
    MOVE,
    Entry,
    close,
    read_ledger,
    refuse_half_done,
    unfinished,
)
from holdfast.tenant_life.manifest import flat, no_tenant
from holdfast.tenant_life.place import Place, Work, alone, see_all, work_for
from holdfast.tenant_life.results import Deleted, Moved

_STEPS = (
    "close the tenant to writers",
    "export it, of one moment",
    "import it there",
    "compare numbers and checksums",
    "delete it here",
)


def plan_move(source: Place, target: Place, tenant: str, *, reason: str = "dry run") -> Moved:
    """What a move would do, and to how many rows; nothing is written. HF480 where there is no such tenant."""
    apart = _apart(source, target)
    if not apart:
        source, target = _without(source, target), _without(target, source)
    tenant = source.spelled(tenant)
    with source.database.connect() as connection, connection.begin() as transaction:
        manifest = source.manifest(connection, permissions=apart)
        rows = manifest.rows_of(source.life, tenant)
        refuse_half_done(read_ledger(connection, source, tenant), tenant, MOVE, DELETE)
        every = flat(rows)
        see_all(connection, source.database.dialect, every, reason, None)
        counts = {manifest.called(e.table.name): int(execute(connection, source.life.count(e))[0][0]) for e in every}
        if not any(counts.values()) and not unfinished(read_ledger(connection, source, tenant), MOVE):
            raise no_tenant(tenant)
        transaction.rollback()
    with target.database.begin() as connection:
        target.manifest(connection)
    return Moved(tenant, source.name, target.name, counts, _STEPS)


def move_tenant(
    source: Place,
    target: Place,
    tenant: str,
    *,
    reason: str,
    file: Path | None = None,
    certificate: Path | None = None,
    keep_history: bool = True,
    actor: str | None = None,
    batch: int = 1_000,
    progress: Progress | None = None,
) -> Moved:
    """Brings the tenant's rows from ``source`` to ``target``, whose tables are there, and deletes them where they were.

    Nobody writes the tenant's rows in the source from the beginning to the end (HF484). Each step is recorded, and
    calling this again goes on where it stopped. Nothing is deleted unless numbers and checksums are equal on both
    sides. ``file`` keeps the archive; history stays with the source, unless ``keep_history`` says otherwise. Raises
    what ``export_tenant``, ``import_tenant`` and ``delete_tenant`` raise.
    """
    apart = _apart(source, target)
    if not apart:
        source, target = _without(source, target), _without(target, source)
    work = work_for(source, tenant, actor, reason)
    tenant = work.tenant
    there = Work(target, tenant, actor, reason)
    with tempfile.TemporaryDirectory() as folder, alone(work) as connection:
        archive = _begin(connection, work, there, apart, keep_history)
        path = file if file is not None else Path(folder) / "tenant.zip"
        rows = _copy(work, there, path, archive, apart, progress)
        with connection.begin():
            entries = read_ledger(connection, source, tenant)
        deleted = _deleted(tenant, entries)
        if deleted is None:
            copied = _counted(entries)
            if copied is None:
                _close_newcomers(connection, work, unfinished(entries, MOVE), apart)
                copied = _compare(work, there, rows, apart)
            deleted = remove(
                connection,
                work,
                certificate,
                keep_history=keep_history,
                batch=batch,
                progress=progress,
                permissions=apart,
                copied=copied,
            )
        with connection.begin():
            work.record(connection, MOVE, {"step": "done", "archive": archive, "target": target.name})
    return Moved(tenant, source.name, target.name, deleted.rows, _STEPS, deleted)


def _deleted(tenant: str, entries: Sequence[Entry]) -> Deleted | None:
    """The deletion of the move that is in hand, if it had come to its end."""
    for each in _since(entries):
        if each.kind == DELETE and each.step == "done":
            document = each.details["certificate"]
            rows = {name: int(found["rows"]) for name, found in document["tables"].items()}
            return Deleted(tenant, rows, document["history"].get("removed"), document)
    return None


def _counted(entries: Sequence[Entry]) -> set[str] | None:
    """The tables that were compared and then counted, if the deletion of the move in hand has come that far."""
    for each in reversed(_since(entries)):
        if each.kind == DELETE and each.step == "counted":
            return set(each.details["tables"])
    return None


def _since(entries: Sequence[Entry]) -> Sequence[Entry]:
    """From the beginning of the move that is in hand."""
    return entries[entries.index(unfinished(entries, MOVE)[0]) :]


def _apart(source: Place, target: Place) -> bool:
    """Whether they are two databases; else the tenant's roles stay where they are."""
    one, other = source.identity(), target.identity()
    if one == other and source.schema == target.schema:
        raise UnsupportedError("HF482", "The tenant is there already.", "Name another schema or another database.")
    return one != other


def _without(place: Place, other: Place) -> Place:
    """The tables of the other place's schema are not among the rows of this one."""
    if other.schema is None or place.schema is not None:
        return place
    return replace(place, shared={**place.shared, f"{other.schema}.*": "a tenant's own schema"})


def _begin(connection: Connection, work: Work, there: Work, apart: bool, keep_history: bool) -> str:
    """The archive's identity: of a move that was begun to the same place, its own."""
    with connection.begin():
        entries = read_ledger(connection, work.place, work.tenant)
        manifest = work.place.manifest(connection, permissions=apart)
        rows = manifest.rows_of(work.place.life, work.tenant)
    begun = unfinished(entries, MOVE)
    if begun:
        target = begun[0].details["target"]
        if target != there.place.name:
            raise TenantError(
                "HF484", f"A move of tenant {work.tenant!r} to {target} was begun.", "Go on with that one."
            )
        # What is copied now must not be written afterwards.
        if _counted(entries) is None:
            _close_newcomers(connection, work, begun, apart)
        return str(begun[0].details["archive"])
    refuse_half_done(entries, work.tenant, MOVE)
    every = flat(rows)
    with work.transaction(connection, every):
        if not any(int(execute(connection, work.place.life.count(each))[0][0]) for each in every):
            raise no_tenant(work.tenant)
        refuse_held(connection, work, manifest, every, keep_history=keep_history)
    archive = str(uuid.uuid4())
    closed = [manifest.called(each.table.name) for each in every]
    close(connection, work, every, MOVE, {"archive": archive, "target": there.place.name, "tables": closed})
    return archive


def _close_newcomers(connection: Connection, work: Work, begun: Sequence[Entry], apart: bool) -> None:
    """Closes the tables that have come since the tenant was closed."""
    with connection.begin():
        manifest = work.place.manifest(connection, permissions=apart)
        rows = manifest.rows_of(work.place.life, work.tenant)
    # An entry without tables is of an earlier release: then all are closed once more.
    closed = {name for each in begun for name in each.details.get("tables", ())}
    new = tuple(each for each in flat(rows) if manifest.called(each.table.name) not in closed)
    if new:
        names = [manifest.called(each.table.name) for each in new]
        close(connection, work, new, MOVE, {**begun[0].details, "tables": names})


def _copy(
    work: Work, there: Work, path: Path, archive: str, apart: bool, progress: Progress | None
) -> Mapping[str, int]:
    """What the target has then; nothing is done where it has it already."""
    with there.place.database.snapshot() as connection:
        for each in read_ledger(connection, there.place, there.tenant):
            if each.kind == "tenant_import" and each.details["archive"] == archive:
                return dict(each.details["rows"])
    if not path.exists() or not _is_archive(path, archive):
        export(work, path, progress=progress, during=(MOVE,), permissions=apart, archive=archive)
    with open_archive(path) as reader:
        # The run holds the lock of the source; in the same database that is the target's too.
        if not apart:
            with there.place.database.connect() as connection:
                return bring(connection, there, reader, progress, during=(MOVE,)).rows
        with alone(there) as connection:
            return bring(connection, there, reader, progress).rows


def _is_archive(path: Path, archive: str) -> bool:
    """HF482 where the name belongs to another file."""
    with open_archive(path) as reader:
        if reader.manifest["archive"] != archive:
            raise UnsupportedError("HF482", f"{path} is the archive of something else.", "Give another name.")
    return True


def _compare(work: Work, there: Work, rows: Mapping[str, int], apart: bool) -> set[str]:
    """The tables that are the same on both sides; HF483 where one differs, and nothing is deleted then."""
    sides: list[dict[str, Any]] = []
    for each in (work, there):
        with each.place.database.connect() as connection:
            with connection.begin():
                manifest = each.place.manifest(connection, permissions=apart)
                groups = manifest.rows_of(each.place.life, each.tenant)
            with each.transaction(connection, tuple(one for group in groups for one in group)):
                counted = count_all(connection, each, groups)
        sides.append({manifest.called(table.name): found for table, found in counted.items()})
    here, other = sides
    wrong = sorted(name for name in {*here, *other, *rows} if here.get(name) != other.get(name))
    if wrong:
        raise UnsupportedError(
            "HF483",
            f"The copies differ in {', '.join(wrong)}; nothing was deleted.",
            "Somebody has written the tenant's rows in the target, or a table came meanwhile. Make them equal there "
            "and run the command again. Or give the move up (holdfast tenants reopen), delete the copy that is in "
            "the target, and begin anew.",
        )
    return set(here)
