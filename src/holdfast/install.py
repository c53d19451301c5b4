"""Applies a plan to a database that is in use: each table in a transaction of its own, and no queue behind it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection

from holdfast.context import current
from holdfast.database import Database, execute, explained
from holdfast.dialects.base import Dialect
from holdfast.errors import (
    BusyError,
    DeadlockError,
    LockedError,
    LockTimeoutError,
    SerializationError,
    UnsupportedError,
)
from holdfast.inspector import inspect
from holdfast.plan import Plan
from holdfast.steps import LOCK_TIMEOUT, Step

Progress = Callable[[Step], None]
T = TypeVar("T")


@contextmanager
def install_lock(database: Database) -> Iterator[Connection]:
    """A connection that keeps a second run out for as long as the block lasts; HF304 where one is under way."""
    with database.connect() as connection:
        if not execute(connection, database.dialect.try_install_lock())[0][0]:
            raise LockedError(
                "HF304", "Another holdfast is changing protection in this database.", "Try again when it is done."
            )
        connection.commit()
        yield connection


def apply(database: Database, plan: Plan, *, deadline: float = 60.0, progress: Progress | None = None) -> None:
    """Runs every step; each is all or nothing, or the plan is. Planning and applying again finishes what was
    interrupted.

    Raises HF407 when a table stayed locked for ``deadline`` seconds, and HF304 when another run is under way, or
    was since the plan was made.
    """
    with install_lock(database) as connection:
        _refuse_outdated(database, plan)
        found = _found(database, plan)
        for steps in plan.transactions:
            _apply_steps(database, connection, steps, deadline, found)
            found = []
            if progress is not None:
                for step in steps:
                    progress(step)


def _refuse_outdated(database: Database, plan: Plan) -> None:
    """A plan names relations by number and tables by column: on another state of the database it would do harm."""
    if plan.basis is None:
        return
    with database.snapshot() as connection:
        _, present = inspect(connection, database.dialect, objects=False)
    basis = plan.basis
    if (present.has_journal, present.relations, present.tables) != (basis.has_journal, basis.relations, basis.tables):
        raise LockedError("HF304", "The database has changed since the plan was made.", "Run the command again.")


def _found(database: Database, plan: Plan) -> list[list[str | None]]:
    """What is not as it was installed, and after this run could no longer be seen: kind, schema, table, name, state."""
    basis = plan.basis
    if basis is None:
        return []
    matches = basis.matches
    renamed = any(
        each.protected and not (each.id in matches and each.describes(matches[each.id]))
        for each in basis.relations.values()
    )
    return [
        [each.kind, *(each.table or (None, None)), each.name, "altered" if each.enabled else "disabled"]
        for each in basis.installed
        if not each.enabled or (each.altered and not (renamed and database.dialect.evidence.rewrites_triggers))
    ]


def _record(connection: Connection, dialect: Dialect, step: Step, found: list[list[str | None]]) -> None:
    """Writes the installation down, in its transaction: evidence tells it from what others do to our objects."""
    if not execute(connection, dialect.evidence.is_there())[0][0]:
        # The step took the journal away.
        return
    details = {
        "step": step.title,
        "actions": list(step.actions),
        "found": found,
        "xid": execute(connection, dialect.evidence.present_transaction())[0][0],
    }
    execute(connection, dialect.record_intervention("installation", current().get("actor"), None, details))


def _apply_steps(
    database: Database, connection: Connection, steps: Sequence[Step], deadline: float, found: list[list[str | None]]
) -> None:
    """The steps in one transaction, but for those that are made online."""
    for step in steps:
        if step.online:
            _apply_online(database, step)
    dialect = database.dialect

    def attempt() -> None:
        with explained(dialect), connection.begin():
            for statement in dialect.lock_settings(LOCK_TIMEOUT):
                execute(connection, statement)
            for step in steps:
                for statement in () if step.online else step.statements:
                    execute(connection, statement)
                _record(connection, dialect, step, found if step is steps[0] else [])

    patiently(steps[0].title if len(steps) == 1 else "The database", attempt, deadline)


def _apply_online(database: Database, step: Step) -> None:
    """Without a bound on the wait for locks: nobody waits behind it, and what gives up is left invalid."""
    with database.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in step.online:
            execute(connection, statement)


def patiently(title: str, attempt: Callable[[], T], deadline: float) -> T:
    """Repeats what gives up waiting for a lock after a moment; HF407 when it never got it within that time."""
    ends = time.monotonic() + deadline
    pause = 0.05
    while True:
        try:
            return attempt()
        except (LockTimeoutError, DeadlockError, BusyError, SerializationError) as error:
            if time.monotonic() > ends:
                raise UnsupportedError(
                    "HF407",
                    f"{title} stayed locked by other transactions for {deadline:g} s; nothing was changed on it.",
                    "Run the command again when the table is less busy: it goes on where it stopped.",
                ) from error
            # Others get their turn meanwhile; jitter keeps two installers from meeting again and again.
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 2.0)
