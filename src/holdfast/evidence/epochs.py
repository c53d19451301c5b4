"""Fills epochs with what is to be sealed, in one transaction."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from holdfast.database import execute, stream
from holdfast.dialects.base import Dialect
from holdfast.dialects.evidence import KINDS, Evidence, Kind
from holdfast.evidence.digests import digest_of
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
from holdfast.waiting import waiting

if TYPE_CHECKING:
    from holdfast.database import AnyRow


def _reached(connection: Connection, evidence: Evidence) -> dict[Kind, int]:
    row = execute(connection, evidence.reached())[0]
    return {"change": row[0], "transaction": row[1]}


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


class Run:
    """What is sealed in one transaction: one epoch, or several where late changes are many."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.connection, self.evidence = connection, dialect.evidence
        statement = self.evidence.begin_sealing()
        if statement is not None:
            # Nobody else writes from here on.
            execute(connection, statement)
        if waiting(connection, dialect):
            for each in dialect.digest_waiting():
                execute(connection, each)
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
