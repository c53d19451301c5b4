"""Seals what the journal has and no epoch holds yet: one epoch after the other, each chained to the one before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.context import current
from holdfast.database import Database, execute
from holdfast.dialects.base import Dialect
from holdfast.dialects.evidence import Evidence
from holdfast.errors import LockedError, UnsupportedError
from holdfast.evidence.epochs import Run
from holdfast.evidence.results import Digest
from holdfast.inspector import check_format
from holdfast.waiting import digest_waiting

if TYPE_CHECKING:
    pass

_PATIENCE = 10.0
"""Seconds to wait for another sealer."""
_ATTEMPTS = 5


def check_there(connection: Connection, evidence: Evidence) -> None:
    """HF313 where there is no journal, or none that can be sealed."""
    if not execute(connection, evidence.is_there())[0][0]:
        raise UnsupportedError(
            "HF313",
            "There is no journal in this database that can be sealed.",
            "Protect a table with holdfast protect, which also brings an older journal up to date.",
        )


def seal(database: Database, *, fork: str | None = None, digests: Sequence[Digest] = ()) -> Digest:
    """Seals all that is committed and not sealed yet, and gives the digest to be kept outside of the database.

    Where nothing is new it gives the last digest again. A transaction that is under way goes into a later epoch and
    holds nothing up. ``fork`` states why ``digests`` are of epochs that this journal does not have, as after a
    restore from an older backup; the statement is sealed too. Raises HF310 while another run is sealing, HF313 where
    there is no journal, and HF311 where a digest of a stated fork is of this very journal.

    >>> from holdfast import Database
    >>> from holdfast.evidence import seal
    >>> seal(Database(url)).epoch  # doctest: +SKIP
    7
    """
    with Sealer(database) as sealer:
        return sealer.seal(fork=fork, digests=digests)


class Sealer:
    """Seals again and again over one connection, as every second: to open one, and to read the catalog, costs the most.

    >>> from holdfast import Database
    >>> from holdfast.evidence import Sealer
    >>> with Sealer(Database(url)) as sealer:  # doctest: +SKIP
    ...     digest = sealer.seal()
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._exits = ExitStack()
        self._kept: Connection | None = None

    def __enter__(self) -> Self:
        with self._database.snapshot() as connection:
            check_format(connection, self._database.dialect)
        self._kept = self._exits.enter_context(self._database.connect())
        return self

    def __exit__(self, *_: object) -> None:
        self._kept = None
        self._exits.close()

    def seal(self, *, fork: str | None = None, digests: Sequence[Digest] = ()) -> Digest:
        """As the function does; between two calls others may seal."""
        connection, dialect = self._kept, self._database.dialect
        if connection is None:
            raise RuntimeError("It seals within its with block.")
        with self._database.errors():
            try:
                return _seal(connection, dialect, fork, digests)
            except BaseException:
                # The lock is the session's, and goes with it.
                connection.rollback()
                connection.invalidate()
                raise


def _seal(connection: Connection, dialect: Dialect, fork: str | None, digests: Sequence[Digest]) -> Digest:
    evidence = dialect.evidence
    check_there(connection, evidence)
    _lock(connection, evidence)
    if fork is not None:
        _state_fork(connection, dialect, fork, digests)
    # A few at a time; what comes meanwhile is left to the transaction that seals.
    digest_waiting(connection, dialect)
    if dialect.snapshot_level is not None:
        connection.execution_options(isolation_level=dialect.snapshot_level)
    last, finished = _seal_next(connection, dialect)
    while not finished:
        last, finished = _seal_next(connection, dialect)
    if unlock := evidence.seal_unlock():
        execute(connection, unlock)
        connection.commit()
    return last


def _lock(connection: Connection, evidence: Evidence) -> None:
    ends = time.monotonic() + _PATIENCE
    while not execute(connection, evidence.try_seal_lock())[0][0]:
        connection.rollback()
        if time.monotonic() > ends:
            raise LockedError("HF310", "Another holdfast is sealing this journal.", "Try again when it is done.")
        time.sleep(0.05)
    connection.commit()


def _state_fork(connection: Connection, dialect: Dialect, reason: str, digests: Sequence[Digest]) -> None:
    known = {row.number: (row.journal, bytes(row.hash).hex()) for row in execute(connection, dialect.evidence.epochs())}
    if not digests:
        raise UnsupportedError("HF311", "A fork is stated about a digest, and none was given.", "Add --digest FILE.")
    for each in digests:
        if known.get(each.epoch) == (each.database, each.hash):
            raise UnsupportedError(
                "HF311",
                f"The digest of epoch {each.epoch} is of this very journal, so there is no fork to state.",
                "Check with holdfast verify --digest FILE which digest it does not know.",
            )
    details = {"last": max(known, default=0), "digests": [each.as_json() for each in digests]}
    execute(connection, dialect.record_intervention("fork", current().get("actor"), reason, details))
    connection.commit()


def _seal_next(connection: Connection, dialect: Dialect) -> tuple[Digest, bool]:
    """One span of numbers, in one transaction; whether it was the last one."""
    for attempt in range(_ATTEMPTS):
        try:
            result = Run(connection, dialect).seal()
            connection.commit()
            return result
        except DBAPIError as error:
            connection.rollback()
            # The definitions of objects are spelled from the catalog of now, from which one may have gone meanwhile.
            if error.orig is None or not dialect.gone_meanwhile(error.orig) or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")
