"""How far a move or a deletion has come, as the interventions have it; and a tenant that is closed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.tenant_life import Rows
from holdfast.errors import TenantError
from holdfast.install import patiently
from holdfast.steps import LOCK_TIMEOUT
from holdfast.tenant_life.manifest import flat
from holdfast.tenant_life.place import Place, Work, alone, digest_of, work_for
from holdfast.timeline import moment

DELETE, MOVE = "tenant_delete", "tenant_move"
DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done to the tenant."""

    kind: str
    at: datetime
    actor: str | None
    reason: str | None
    details: dict[str, Any]

    @property
    def step(self) -> str:
        return str(self.details.get("step", "done"))

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "at": self.at.astimezone(UTC).isoformat(),
            "actor": self.actor,
            "reason": self.reason,
            "details": self.details,
        }


def ledger(place: Place, tenant: str) -> list[Entry]:
    """What was done to the tenant here, the oldest first."""
    tenant = place.spelled(tenant)
    with place.database.snapshot() as connection:
        return read_ledger(connection, place, tenant)


def read_ledger(connection: Connection, place: Place, tenant: str) -> list[Entry]:
    return [
        Entry(row.kind, moment(row.at), row.actor, row.reason, json.loads(row.details))
        for row in execute(connection, place.life.ledger(digest_of(tenant)))
    ]


def unfinished(entries: Sequence[Entry], kind: str) -> list[Entry]:
    """The steps of the last run of that kind, if it has not come to its end."""
    steps: list[Entry] = []
    for each in entries:
        if each.kind == kind:
            steps.append(each)
        if (each.kind == kind and each.step == "done") or each.step == "reopened":
            steps = []
    return steps


def refuse_half_done(entries: Sequence[Entry], tenant: str, *kinds: str) -> None:
    """HF484 where a run of another kind was begun and not ended."""
    for kind in (DELETE, MOVE):
        if kind not in kinds and unfinished(entries, kind):
            what = "deleted" if kind == DELETE else "moved"
            raise TenantError(
                "HF484",
                f"The tenant {tenant!r} is half {what}.",
                f"Go on with that: holdfast tenants {'delete' if kind == DELETE else 'move'}; "
                "or, where nothing is deleted yet: holdfast tenants reopen.",
            )


def close(connection: Connection, work: Work, rows: Sequence[Rows], kind: str, details: dict[str, Any]) -> None:
    """Nobody else writes the tenant's rows from here on; that it is so is part of the ledger."""

    def attempt() -> None:
        with work.transaction(connection, ()):
            for statement in work.place.database.dialect.lock_settings(LOCK_TIMEOUT):
                execute(connection, statement)
            for each in rows:
                for statement in work.place.life.closing.close(each, work.digest):
                    execute(connection, statement)
            work.record(connection, kind, {"step": "closed", **details})

    patiently("A table of the tenant", attempt, DEADLINE)


def drop_locks(connection: Connection, work: Work, rows: Sequence[Rows]) -> None:
    for statement in work.place.database.dialect.lock_settings(LOCK_TIMEOUT):
        execute(connection, statement)
    for each in rows:
        for statement in work.place.life.closing.open(each, work.digest):
            execute(connection, statement)


def reopen(place: Place, tenant: str, *, reason: str, actor: str | None = None) -> None:
    """Lets a tenant be written again whose move or deletion was begun; HF484 where rows may be gone already."""
    work = work_for(place, tenant, actor, reason)
    tenant = work.tenant
    with alone(work) as connection:
        with connection.begin():
            entries = read_ledger(connection, place, tenant)
            rows = flat(place.manifest(connection).rows_of(place.life, tenant))
        if any(each.step == "counted" for each in unfinished(entries, DELETE)):
            raise TenantError(
                "HF484", f"Rows of tenant {tenant!r} may be gone already.", "Go on: holdfast tenants delete, or move."
            )

        def attempt() -> None:
            with work.transaction(connection, ()):
                drop_locks(connection, work, rows)
                work.record(connection, "tenant_open", {"step": "reopened"})

        patiently("A table of the tenant", attempt, DEADLINE)
