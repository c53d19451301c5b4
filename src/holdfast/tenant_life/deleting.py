"""A tenant deleted from every table, and a proof that nothing of it is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.tenant_life import Rows
from holdfast.errors import UnsupportedError
from holdfast.holds import freeze
from holdfast.install import patiently
from holdfast.moving_holds import follow_holds
from holdfast.tenant_life.certificate import certificate_of, check_file, written
from holdfast.tenant_life.counting import Counting
from holdfast.tenant_life.exporting import Progress, count_all
from holdfast.tenant_life.held import refuse_held
from holdfast.tenant_life.history import count_history, forget_history
from holdfast.tenant_life.ledger import (
    DEADLINE,
    DELETE,
    drop_locks,
    read_ledger,
    refuse_half_done,
    unfinished,
)
from holdfast.tenant_life.manifest import Manifest, flat, no_tenant
from holdfast.tenant_life.place import Place, Work, alone, see_all, work_for
from holdfast.tenant_life.results import Deleted
from holdfast.timeline import shown


def plan_deletion(place: Place, tenant: str, *, keep_history: bool = False, reason: str = "dry run") -> Deleted:
    """How many rows of which table would go; nothing is written. Refused for the same reasons as the deletion."""
    work = work_for(place, tenant, None, reason)
    tenant = work.tenant
    with place.database.connect() as connection, connection.begin() as transaction:
        manifest = place.manifest(connection)
        rows = manifest.rows_of(place.life, tenant)
        entries = read_ledger(connection, place, tenant)
        refuse_half_done(entries, tenant, DELETE)
        for query in place.life.settings():
            execute(connection, query)
        see_all(connection, place.database.dialect, flat(rows), reason, None)
        run = _Run(connection, work, manifest, rows, keep_history, 1_000, None)
        counts = {manifest.called(table.name): count for table, (count, _) in count_all(connection, work, rows).items()}
        changes = count_history(connection, place, tenant, manifest.relations)
        if not any(counts.values()) and not unfinished(entries, DELETE):
            raise no_tenant(tenant)
        run.refuse_held()
        transaction.rollback()
    return Deleted(tenant, counts, None if keep_history else changes, unrelated=manifest.unrelated)


def delete_tenant(
    place: Place,
    tenant: str,
    *,
    reason: str,
    certificate: Path | None = None,
    keep_history: bool = False,
    actor: str | None = None,
    batch: int = 1_000,
    progress: Progress | None = None,
) -> Deleted:
    """Deletes every row of the tenant, children first, and with ``keep_history=False`` what the journal has of them.

    In batches: an interrupted run is gone on with by calling this again, and nobody else writes the tenant's rows until
    it is done (HF484). At the end each table of the manifest is counted once more, and the certificate is recorded and
    written to ``certificate``. HF480 where there is no such tenant, HF481 where a table does not say whose its rows
    are, HF421 where a row is under legal hold, HF483 where something is left.
    """
    work = work_for(place, tenant, actor, reason)
    follow_holds(place.database)
    with alone(work) as connection:
        with connection.begin():
            refuse_half_done(read_ledger(connection, place, work.tenant), work.tenant, DELETE)
        return remove(connection, work, certificate, keep_history=keep_history, batch=batch, progress=progress)


def remove(
    connection: Connection,
    work: Work,
    certificate: Path | None,
    *,
    keep_history: bool,
    batch: int = 1_000,
    progress: Progress | None = None,
    permissions: bool = True,
    copied: Collection[str] | None = None,
) -> Deleted:
    """The deletion itself, on a connection that is alone at work on the tenant.

    ``copied`` are the tables whose rows a move has elsewhere by now: HF483 where another table has rows.
    """
    check_file(certificate)
    with connection.begin():
        manifest = work.place.manifest(connection, permissions=permissions)
        rows = manifest.rows_of(work.place.life, work.tenant)
        begun = unfinished(read_ledger(connection, work.place, work.tenant), DELETE)
    counted = Counting(connection, work, manifest, rows, keep_history, copied).begin(begun)
    run = _Run(connection, work, manifest, rows, keep_history, batch, progress, permissions)
    run.delete_rows(counted)
    changes = None
    if not keep_history:
        changes = forget_history(connection, work, manifest.relations)
    return run.finish(counted, changes, certificate)


@dataclass(slots=True)
class _Run:
    connection: Connection
    work: Work
    manifest: Manifest
    rows: tuple[tuple[Rows, ...], ...]
    keep_history: bool
    batch: int
    progress: Progress | None
    permissions: bool = True
    flat: tuple[Rows, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.flat = flat(self.rows)

    def refuse_held(self) -> None:
        refuse_held(self.connection, self.work, self.manifest, self.flat, keep_history=self.keep_history)

    def delete_rows(self, counted: Mapping[str, Any]) -> None:
        total = sum(int(each["rows"]) for each in counted.values())
        done = 0
        for group in reversed(self.rows):
            circular = len(group) > 1 or any(key.target == group[0].table.name for key in group[0].table.foreign_keys)
            while True:
                gone = patiently(shown(group[0].table.name), partial(self._batch, group, circular), DEADLINE)
                done += gone
                if self.progress is not None:
                    self.progress(shown(group[0].table.name), done, max(total, done))
                if circular or gone < self.batch:
                    break

    def _batch(self, group: tuple[Rows, ...], circular: bool) -> int:
        with self.work.transaction(self.connection, group):
            # A hold that is placed now waits, or was placed and is seen.
            freeze(self.connection, self.work.place.database.dialect)
            self.refuse_held()
            query = self._life.delete_together(group) if circular else self._life.delete(group[0], self.batch)
            return sum(map(int, execute(self.connection, query)[0]))

    def finish(self, counted: Mapping[str, Any], changes: int | None, path: Path | None) -> Deleted:
        """HF483 where anything is left. What is proved and the end of the run are one transaction."""
        document = certificate_of(self.work, self.manifest, counted, changes)

        def attempt() -> None:
            with written(path, document), self.work.transaction(self.connection, self.flat):
                self._prove()
                drop_locks(self.connection, self.work, self.flat)
                self.work.record(self.connection, DELETE, {"step": "done", "certificate": document})

        patiently("A table of the tenant", attempt, DEADLINE)
        rows = {name: int(each["rows"]) for name, each in counted.items()}
        return Deleted(self.work.tenant, rows, changes, document, self.manifest.unrelated)

    def _prove(self) -> None:
        # A table may have come since; one that does not say whose its rows are is refused here too.
        manifest = self.work.place.manifest(self.connection, permissions=self.permissions)
        left = {
            shown(each.table.name): number
            for group in manifest.rows_of(self._life, self.work.tenant)
            for each in group
            if (number := int(execute(self.connection, self._life.count(each))[0][0]))
        }
        if not self.keep_history:
            number = count_history(self.connection, self.work.place, self.work.tenant, manifest.relations)
            left |= {"the journal": number} if number else {}
        if left:
            listed = ", ".join(f"{name} ({number})" for name, number in left.items())
            raise UnsupportedError(
                "HF483",
                f"Something of tenant {self.work.tenant!r} is left: {listed}.",
                "A trigger of your own may keep or write rows. The tenant stays closed: run the command again.",
            )

    @property
    def _life(self) -> Any:
        return self.work.place.life
