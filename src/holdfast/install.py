"""Applies a plan to a database that is in use: each table in a transaction of its own, and no queue behind it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from holdfast.database import Database, execute, explained
from holdfast.errors import BusyError, DeadlockError, LockedError, LockTimeoutError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.plan import Plan
from holdfast.steps import LOCK_TIMEOUT, Step

Progress = Callable[[Step], None]


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
    """Runs every step; each is all or nothing, and planning and applying again finishes what was interrupted.

    Raises HF407 when a table stayed locked for ``deadline`` seconds, and HF304 when another run is under way, or
    was since the plan was made.
    """
    with install_lock(database) as connection:
        _refuse_outdated(database, plan)
        for step in plan.steps:
            _apply_step(database, connection, step, deadline)
            if progress is not None:
                progress(step)


def _refuse_outdated(database: Database, plan: Plan) -> None:
    """A plan names relations by number and tables by column: on another state of the database it would do harm."""
    if plan.basis is None:
        return
    with database.snapshot() as connection:
        _, present = inspect(connection, database.dialect)
    basis = plan.basis
    if (present.has_journal, present.relations, present.tables) != (basis.has_journal, basis.relations, basis.tables):
        raise LockedError("HF304", "The database has changed since the plan was made.", "Run the command again.")


def _apply_step(database: Database, connection: Connection, step: Step, deadline: float) -> None:
    ends = time.monotonic() + deadline
    pause = 0.05
    while True:
        try:
            with explained(database.dialect), connection.begin():
                for statement in (*database.dialect.lock_settings(LOCK_TIMEOUT), *step.statements):
                    execute(connection, statement)
            return
        except (LockTimeoutError, DeadlockError, BusyError) as error:
            if time.monotonic() > ends:
                raise UnsupportedError(
                    "HF407",
                    f"{step.title} stayed locked by other transactions for {deadline:g} s; nothing was changed on it.",
                    "Run the command again when the table is less busy: it goes on where it stopped.",
                ) from error
            # Others get their turn meanwhile; jitter keeps two installers from meeting again and again.
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 2.0)
