"""Seals what the journal has and no epoch holds yet: one epoch after the other, each chained to the one before."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.context import current
from holdfast.database import Database, execute, stream
from holdfast.dialects.base import Dialect
from holdfast.dialects.evidence import KINDS, Evidence, Kind
from holdfast.errors import LockedError, UnsupportedError
from holdfast.evidence.facts import NOTHING, facts_text
from holdfast.evidence.keeping import forget_salts
from holdfast.evidence.leaves import (
    LEAF,
    Ranges,
    canonical,
    count,
    epoch_hash,
    extend,
    sealed_leaf,
    sha256,
    written,
)
from holdfast.evidence.results import Digest
from holdfast.inspector import check_format

if TYPE_CHECKING:
    from holdfast.database import AnyRow

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


def _reached(connection: Connection, evidence: Evidence) -> dict[Kind, int]:
    row = execute(connection, evidence.reached())[0]
    return {"change": row[0], "transaction": row[1]}


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
            result = _Run(connection, dialect).seal()
            connection.commit()
            return result
        except DBAPIError as error:
            connection.rollback()
            # The definitions of objects are spelled from the catalog of now, from which one may have gone meanwhile.
            if error.orig is None or not dialect.gone_meanwhile(error.orig) or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


@dataclass
class _Open:
    """An epoch that is being filled."""

    seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    leaves: bytearray = field(default_factory=bytearray)
    members: dict[Kind, Ranges] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def add(self, kind: Kind, row: AnyRow) -> None:
        number, _, head, body = row
        extend(self.members[kind], number)
        self.leaves += sealed_leaf(self.seed, kind, number, head, body)

    @property
    def full_of(self) -> int:
        return len(self.leaves) // LEAF


class _Run:
    """What is sealed in one transaction: one epoch, or several where late changes are many."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.connection, self.evidence = connection, dialect.evidence
        statement = self.evidence.begin_sealing()
        if statement is not None:
            # Nobody else writes from here on.
            execute(connection, statement)
        # Before the snapshot: whatever has a number up to this one belongs to a transaction that had begun by then.
        self.reached = _reached(connection, self.evidence)
        self.quiet = tuple(execute(connection, self.evidence.quiet())[0])
        if statement is None:
            connection.commit()
        self.moment = execute(connection, self.evidence.moment())[0]
        rows = execute(connection, self.evidence.last_epoch())
        self.last: AnyRow | None = rows[0] if rows else None
        self.before: int | None = rows[0].number if rows else None
        self.digest: Digest | None = None if self.last is None else digest_of(self.last)
        last = self.last
        self.high: dict[Kind, int] = {
            "change": last.high_change if last else 0,
            "transaction": last.high_transaction if last else 0,
        }
        self.open = _Open()

    def seal(self) -> tuple[Digest, bool]:
        self._read_facts()
        self.purged: list[int] = []
        for kind in KINDS:
            for row in self._members(kind):
                if self.open.full_of >= self.evidence.at_once:
                    self._close()
                self.open.add(kind, row)
                if kind == "intervention":
                    self.purged.append(row.id)
        if self.open.leaves or self.changed_facts:
            self._close()
        for number in self.purged:
            forget_salts(self.connection, self.evidence, number, "purge")
        assert self.digest is not None
        return self.digest, all(self.high[kind] >= self.reached[kind] for kind in self.high)

    def _read_facts(self) -> None:
        """What is installed; where it is being changed at this moment, what was known before stands."""
        facts = facts_text(execute(self.connection, self.evidence.facts())[0][0])
        still = execute(self.connection, self.evidence.quiet())[0]
        before = None if self.last is None else bytes(self.last.facts_digest)
        if still.installing or tuple(still) != self.quiet:
            facts = canonical(NOTHING)
            self.facts_digest = before or sha256(facts.encode())
        else:
            self.facts_digest = sha256(facts.encode())
        self.facts = facts
        self.changed_facts = before != self.facts_digest

    def _members(self, kind: Kind) -> Iterator[AnyRow]:
        late = None if self.before is None else self.evidence.late(kind, self.before)
        if late is not None:
            yield from stream(self.connection, late)
        if kind == "intervention":
            yield from stream(self.connection, self.evidence.fresh(kind, 0, 0))
            return
        found = False
        while not found and self.high[kind] < self.reached[kind]:
            # What a span lacks is in no later one: all of them are looked for in the same snapshot.
            after, until = self.high[kind], min(self.high[kind] + self.evidence.at_once, self.reached[kind])
            for row in stream(self.connection, self.evidence.fresh(kind, after, until)):
                found = True
                yield row
            self.high[kind] = until

    def _close(self) -> None:
        opened, last = self.open, self.last
        values: dict[str, Any] = {
            "number": last.number + 1 if last else 1,
            "journal": last.journal if last else uuid.uuid4().hex,
            "sealed_at": self.moment.sealed_at,
            "place": self.moment.place,
            "snapshot": self.moment.snapshot,
            "high_change": self.high["change"],
            "high_transaction": self.high["transaction"],
            "total": (last.total if last else 0) + count(opened.members["change"]),
            **{f"{kind}s": written(opened.members[kind]) for kind in KINDS},
            "root": sha256(bytes(opened.leaves)),
            "seed_digest": sha256(b"seed", opened.seed),
            "facts_digest": self.facts_digest,
            "previous": last.hash if last else bytes(LEAF),
            "leaves": bytes(opened.leaves),
            "seed": opened.seed,
            "salts": None,
            "facts": self.facts if self.changed_facts else None,
        }
        values["hash"] = epoch_hash(values)
        execute(self.connection, self.evidence.add_epoch(values))
        self.last = execute(self.connection, self.evidence.last_epoch())[0]
        self.digest = digest_of(self.last)
        self.changed_facts = False
        self.open = _Open()


def digest_of(row: AnyRow) -> Digest:
    """The digest of an epoch."""
    return Digest(row.journal, row.number, bytes(row.hash).hex(), row.sealed_at, row.total, row.high_change)


def read_digests(text: str, name: str) -> list[Digest]:
    """The digests that a file holds, one after the other; HF312 where it holds none, or anything else."""
    decoder, digests = json.JSONDecoder(), []
    rest = text.strip()
    try:
        while rest:
            document, end = decoder.raw_decode(rest)
            digests.append(_read_digest(document))
            rest = rest[end:].lstrip()
        if not digests:
            raise ValueError("empty")
    except (ValueError, KeyError, TypeError) as error:
        raise UnsupportedError(
            "HF312", f"{name} holds something else than digests of a journal.", "Give a file that holdfast seal wrote."
        ) from error
    return digests


def _read_digest(document: dict[str, Any]) -> Digest:
    if document["holdfast"] != 1:
        raise ValueError("another version")
    return Digest(
        str(document["database"]),
        int(document["epoch"]),
        str(document["hash"]),
        str(document["sealed_at"]),
        int(document["changes"]),
        int(document["last_change"]),
    )
