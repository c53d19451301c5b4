"""The way back to an old version of a row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from holdfast.database import Database, execute
from holdfast.dialects.base import Dialect
from holdfast.dialects.query import Query
from holdfast.errors import HistoryError
from holdfast.history.reading import fitting, inspected, protected, recorded_later
from holdfast.history.versions import Version, diff, version_at, versions_of
from holdfast.objects import Protection
from holdfast.policies import Audit
from holdfast.stored import StoredRelation
from holdfast.timeline import shown


@dataclass(frozen=True, slots=True)
class Reverted:
    """The outcome of a revert: its transaction (None where nothing was written), and what it changed, now to then."""

    transaction: str | None
    version: Version
    fields: Mapping[str, tuple[Any, Any]]
    not_kept: tuple[str, ...] = ()
    """Columns of which the journal keeps no values; these stay as they are."""


def check_writable(stored: StoredRelation, known: Sequence[Version], wanted: Version) -> None:
    """HF437 where the version is the row's absence, HF435 where not all of it is known."""
    name = f"Version {wanted.number} of {shown(stored.table)} {wanted.key}"
    if wanted.values is None or wanted.operation == "delete":
        raise HistoryError("HF437", f"{name} is its delete.", "Delete the row, or choose a version in which it lived.")
    # Number 0 is what the first change found.
    at = next((each.at for each in (wanted, *known) if each.at is not None), None)
    if at is not None and (stored.since is None or at < stored.since):
        raise HistoryError(
            "HF435",
            f"{name} is from a time since which changes may have gone unrecorded, so not all of it is known.",
            "What is known of it is shown by: holdfast versions. Write that by hand.",
        )


def revert(
    database: Database,
    table: str,
    key: Any,
    *,
    version: int | None = None,
    at: datetime | None = None,
    actor: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> Reverted:
    """Writes a new version of the row with the values of an old one, be it there or gone; the old ones stay.

    Columns that a policy keeps move on, and columns that the journal does not keep stay as they are. A dry run does
    all of it and rolls it back. HF437 where that version is the row's absence, HF436 where there is none of that
    number, and the database's own refusal where a key or a rule forbids it.
    """
    with database.snapshot() as connection:
        dialect, inventory = inspected(connection, database)
        stored = inventory.recorded(table)
        known = versions_of(connection, dialect, inventory, stored, json.dumps(key, default=str))
    if at is not None and (stored.since is None or at < stored.since):
        raise recorded_later(stored)
    wanted = version_at(known, number=version, at=at)
    protection = protected(inventory, stored)
    check_writable(stored, known, wanted)
    fields = diff(known[-1], wanted)
    bound = {
        "actor": actor,
        "reason": reason or f"revert to version {wanted.number}",
        "reverts": wanted.number,
    }
    with database.connect() as connection, fitting(protection), connection.begin() as transaction:
        written = _write(connection, dialect, protection, wanted, bound)
        if dry_run:
            transaction.rollback()
            written = None
    audit = protection.get(Audit) or Audit()
    hidden = sorted(audit.exclude | audit.mask | audit.large)
    stamps = protection.stamps
    return Reverted(
        written, wanted, {name: values for name, values in fields.items() if name not in stamps}, tuple(hidden)
    )


def _write(
    connection: Connection, dialect: Dialect, protection: Protection, wanted: Version, bound: Mapping[str, Any]
) -> str | None:
    for query in dialect.bind_context(bound):
        execute(connection, query)
    write_back(connection, dialect, protection, wanted)
    written = execute(connection, dialect.log.current_transaction())
    for query in dialect.unbind_context():
        execute(connection, query)
    return str(written[0][0]) if written else None


def write_back(connection: Connection, dialect: Dialect, protection: Protection, wanted: Version) -> None:
    """Gives the row the values of that version, within the transaction in hand; inserts it where it is gone."""
    past = dialect.past
    # Not in ASCII: a key that is no valid Unicode is to be refused, and not taken for another.
    key = json.dumps(wanted.key, default=str, ensure_ascii=False)
    lock_row(connection, dialect, protection, key)
    given = {**past.parameters(protection, key), "change": wanted.change}
    if not execute(connection, Query(past.update(protection), given)):
        execute(connection, Query(past.insert(protection), given))


def lock_row(connection: Connection, dialect: Dialect, protection: Protection, key: str) -> None:
    """What a version does not say is taken from the row, which nobody may change meanwhile."""
    for query in dialect.erasure.share():
        execute(connection, query)
    locking = dialect.past.lock(protection)
    if locking is not None:
        execute(connection, Query(locking, dialect.past.parameters(protection, key)))
