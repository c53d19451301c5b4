"""What the journal needs from time to time: partitions ahead, and an end to what is old enough by its table's rule."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from holdfast.database import Database, execute, explained
from holdfast.dialects.base import Dialect
from holdfast.dialects.retention import Part, Rules
from holdfast.errors import LockedError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.install import patiently
from holdfast.inventory import Inventory
from holdfast.policies import Audit, find
from holdfast.removing import Progress, Removed, Remover
from holdfast.steps import LOCK_TIMEOUT
from holdfast.timeline import moment


@dataclass(frozen=True, slots=True)
class Maintained:
    """The outcome: the months for which partitions were made, what was removed, and what could not be yet."""

    partitions: tuple[str, ...] = ()
    removed: tuple[Removed, ...] = ()
    unsealed: tuple[str, ...] = ()
    """Parts with changes that are old enough and stay until they are sealed."""

    @property
    def changes(self) -> int:
        return sum(sum(each.changes.values()) for each in self.removed)

    def as_json(self) -> dict[str, Any]:
        return {
            "partitions": list(self.partitions),
            "removed": [each.as_json() for each in self.removed],
            "unsealed": list(self.unsealed),
        }


def maintain(
    database: Database,
    *,
    months_ahead: int = 12,
    export: Path | None = None,
    actor: str | None = None,
    batch: int = 10_000,
    deadline: float = 60.0,
    progress: Progress | None = None,
) -> Maintained:
    """Makes the journal's partitions and removes the history that ``Audit(keep=…)`` no longer keeps.

    Whatever is removed goes together with what is written down of it, so that a run may be killed at any moment and
    the next one goes on. With ``export`` each change is first in a file of that directory. HF420 where another run is
    under way, HF407 where a part of the journal stayed locked for ``deadline`` seconds, HF423 where an export cannot
    be relied upon.
    """
    with _alone(database, export) as connection:
        dialect, inventory = _inspected(database)
        made = _make_partitions(connection, dialect, months_ahead, deadline)
        rules = _rules(connection, dialect, inventory)
        if not rules.until:
            return Maintained(made)
        remover = Remover(connection, dialect, inventory, rules, export, actor, batch, deadline, progress)
        for part in _parts(connection, dialect):
            if part.lower is None or part.lower < rules.latest:
                remover.look_at(part)
        return Maintained(made, tuple(remover.removed), tuple(remover.unsealed))


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


def _parts(connection: Connection, dialect: Dialect) -> list[Part]:
    with connection.begin():
        return [Part(row.name, row.lower, row.upper) for row in execute(connection, dialect.retention.parts())]
