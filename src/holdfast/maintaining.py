"""What the journal needs from time to time: partitions ahead, and an end to what is old enough by its table's rule."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from holdfast.database import Database, execute, explained
from holdfast.dialects.base import Dialect
from holdfast.dialects.retention import Part, Rules
from holdfast.errors import InvalidCursorError, LockedError, UnsupportedError
from holdfast.feed import cursor_at, moment_of
from holdfast.feed_cursor import decode
from holdfast.inspector import inspect
from holdfast.install import patiently
from holdfast.inventory import Inventory
from holdfast.moving_holds import follow_holds
from holdfast.policies import Audit, find
from holdfast.removing import Progress, Removed, Remover
from holdfast.steps import LOCK_TIMEOUT
from holdfast.timeline import moment
from holdfast.waiting import digest_waiting

PATIENCE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Lagging:
    """A consumer that has not acknowledged history which its rule no longer keeps."""

    name: str
    acknowledged: datetime | None
    missed: bool
    """Whether some of it was dropped all the same, since it waited for longer than it is given."""

    def as_json(self) -> dict[str, Any]:
        acknowledged = self.acknowledged.astimezone(UTC).isoformat() if self.acknowledged else None
        return {"name": self.name, "acknowledged": acknowledged, "missed": self.missed}


@dataclass(frozen=True, slots=True)
class Maintained:
    """The outcome: the months for which partitions were made, what was removed, what could not be yet, and how many
    digests were made."""

    partitions: tuple[str, ...] = ()
    removed: tuple[Removed, ...] = ()
    unsealed: tuple[str, ...] = ()
    """Parts with changes that are old enough and stay until they are sealed."""
    lagging: tuple[Lagging, ...] = ()
    digested: int = 0
    """Values that waited for their digests, as on SQLite those of ``Audit(large=…)`` do."""

    @property
    def changes(self) -> int:
        return sum(sum(each.changes.values()) for each in self.removed)

    def as_json(self) -> dict[str, Any]:
        return {
            "partitions": list(self.partitions),
            "removed": [each.as_json() for each in self.removed],
            "unsealed": list(self.unsealed),
            "lagging": [each.as_json() for each in self.lagging],
            "digested": self.digested,
        }


def maintain(
    database: Database,
    *,
    months_ahead: int = 12,
    export: Path | None = None,
    actor: str | None = None,
    batch: int = 10_000,
    deadline: float = 60.0,
    patience: timedelta = PATIENCE,
    progress: Progress | None = None,
) -> Maintained:
    """Makes the journal's partitions and the digests that values wait for, and removes the history that
    ``Audit(keep=…)`` no longer keeps.

    Whatever is removed goes together with what is written down of it, so that a run may be killed at any moment and
    the next one goes on. What a consumer of the change feed has not acknowledged stays for ``patience`` longer than its
    rule says. With ``export`` each change is first in a file of that directory. HF420 where another run is
    under way, HF407 where a part of the journal stayed locked for ``deadline`` seconds, HF423 where an export cannot
    be relied upon.
    """
    with _alone(database, export) as connection:
        dialect, inventory = _inspected(database)
        made = _make_partitions(connection, dialect, months_ahead, deadline)
        with explained(dialect):
            digested = digest_waiting(connection, dialect)
        rules = _rules(connection, dialect, inventory)
        if not rules.until:
            return Maintained(made, digested=digested)
        follow_holds(database, inventory)
        unread = _unread(connection, database)
        rules = replace(rules, unread=f"({' or '.join(unread.values())})" if unread else "false", patience=patience)
        lagging = _lagging(connection, dialect, rules, unread)
        remover = Remover(connection, dialect, inventory, rules, export, actor, batch, deadline, progress)
        for part in _parts(connection, dialect):
            if part.lower is None or part.lower < rules.latest:
                remover.look_at(part)
        return Maintained(made, tuple(remover.removed), tuple(remover.unsealed), lagging, digested)


@contextmanager
def _alone(database: Database, export: Path | None) -> Iterator[Connection]:
    """A connection that keeps a second run out of this database, and of the directory, while the block lasts."""
    with ExitStack() as exits:
        connection = exits.enter_context(database.connect())
        if not execute(connection, database.dialect.retention.try_lock())[0][0]:
            raise _locked("this database")
        connection.commit()
        if export is not None:
            export.mkdir(parents=True, exist_ok=True)
            handle = os.open(export, os.O_RDONLY)
            exits.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _locked(str(export)) from None
        yield connection


def _locked(where: str) -> LockedError:
    return LockedError("HF420", f"Another holdfast maintain is at work in {where}.", "It does what is to be done.")


def _inspected(database: Database) -> tuple[Dialect, Inventory]:
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
    inventory.check_journal("holdfast protect --all")
    usable = inventory.state.get("roles")
    if usable is not None and inventory.state["journal_owner"] not in usable:
        raise UnsupportedError(
            "HF404",
            f"The journal belongs to the role {inventory.state['journal_owner']!r}, and "
            f"{inventory.state['role']!r} has not its rights.",
            "Connect as the role that protected the first table, or as a superuser.",
        )
    return dialect, inventory


def _make_partitions(connection: Connection, dialect: Dialect, ahead: int, deadline: float) -> tuple[str, ...]:
    query = dialect.retention.gaps(ahead)
    if query is None:
        return ()
    with connection.begin():
        months = [row[0] for row in execute(connection, query)]
    for month in months:

        def attempt(month: str = month) -> None:
            with explained(dialect), connection.begin():
                for statement in (*dialect.lock_settings(LOCK_TIMEOUT), dialect.retention.make_partition(month)):
                    execute(connection, statement)

        patiently(f"The journal's partition {month}", attempt, deadline)
    return tuple(months)


def _rules(connection: Connection, dialect: Dialect, inventory: Inventory) -> Rules:
    """By the clock of the database, which is that of the journal's times."""
    with connection.begin():
        now = moment(execute(connection, dialect.past.now())[0][0])
    until = {}
    for stored in inventory.relations.values():
        audit = find(stored.policies, Audit)
        if audit is None or audit.keep is None:
            continue
        try:
            until[stored.id] = now - audit.keep
        except OverflowError:
            continue
    return Rules(until, dialect.evidence.unsealed("change", "c"), dialect.evidence.unsealed("transaction", "t"))


def _unread(connection: Connection, database: Database) -> dict[str, str]:
    """By consumer: which changes it has not acknowledged; all of them where nobody can read its cursor."""
    with connection.begin():
        cursors = {row.name: row.cursor for row in execute(connection, database.dialect.feed.consumers())}
    if not cursors:
        return {}
    # Where the journal was brought from elsewhere, this writes it down.
    cursor_at(database, "beginning")
    found = {}
    with moment_of(connection, database.dialect) as state:
        for name, cursor in cursors.items():
            try:
                found[name] = database.dialect.feed.unread(decode(cursor, database.dialect, state), state.origins)
            except InvalidCursorError:
                found[name] = "c.id > 0"
    return found


def _lagging(connection: Connection, dialect: Dialect, rules: Rules, unread: Mapping[str, str]) -> tuple[Lagging, ...]:
    """Who has not acknowledged what is old enough to go; looked for before it goes."""
    if not unread:
        return ()
    past: dict[int, datetime] = {}
    for relation, until in rules.until.items():
        with suppress(OverflowError):
            past[relation] = until - rules.patience
    parts = [each for each in _parts(connection, dialect) if each.lower is None or each.lower < rules.latest]

    def waits(until: Mapping[int, datetime], condition: str) -> bool:
        wanted = Rules(until, f"({rules.unsealed} or not {condition})")
        return bool(until) and any(execute(connection, dialect.retention.find_old(part, wanted)) for part in parts)

    with connection.begin():
        consumers = {row.name: row.acknowledged for row in execute(connection, dialect.feed.consumers())}
        return tuple(
            Lagging(name, moment(at) if (at := consumers.get(name)) is not None else None, waits(past, condition))
            for name, condition in unread.items()
            if waits(rules.until, condition)
        )


def _parts(connection: Connection, dialect: Dialect) -> list[Part]:
    with connection.begin():
        return [Part(row.name, row.lower, row.upper) for row in execute(connection, dialect.retention.parts())]
