"""Compares the journal with what was sealed, and says of each difference what it is."""

from __future__ import annotations

import heapq
import json
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from holdfast.database import Database, execute, stream
from holdfast.dialects.evidence import KINDS, Evidence, Kind
from holdfast.evidence.chain import Chain
from holdfast.evidence.facts import NOTHING, Comparison, facts_text
from holdfast.evidence.leaves import LEAF, SALT, Ranges, inner, leaf, merged, read, salt_of, sealed_leaf, sha256
from holdfast.evidence.results import Acknowledged, Digest, Finding, Recorded, Verification
from holdfast.evidence.sealing import check_there
from holdfast.evidence.suspects import Suspects
from holdfast.inspector import check_format

if TYPE_CHECKING:
    from holdfast.database import AnyRow

_LISTED = 1_000
"""How many findings are listed."""
ACKNOWLEDGEMENT = "acknowledgement"
_MAY_REMOVE = {"retention", "purge", "tenant_history"}


def verify(database: Database, digests: Sequence[Digest] = ()) -> Verification:
    """Compares every sealed change, transaction and intervention with its digest, and the digests with those given.

    It reads one state of the database and writes nothing; its memory does not grow with the journal. Without a digest
    that was kept outside, an owner who wrote all epochs anew is not found. Raises HF313 where there is no journal.

    >>> from holdfast import Database
    >>> from holdfast.evidence import verify
    >>> verify(Database(url)).intact  # doctest: +SKIP
    True
    """
    with database.snapshot() as connection:
        check_format(connection, database.dialect)
        check_there(connection, database.dialect.evidence)
        return _Verifier(connection, database.dialect.evidence).run(digests)


@dataclass(slots=True)
class Sealed:
    """What an epoch says of its members of one kind."""

    number: int
    kind: Kind
    leaves: bytes
    seed: bytes | None
    salts: bytes | None
    skipped: int
    """How many leaves come before those of this kind."""
    broken: bool

    def leaf(self, place: int) -> bytes:
        start = (self.skipped + place) * LEAF
        return self.leaves[start : start + LEAF]

    def salt(self, number: int, place: int) -> bytes:
        if self.seed is not None:
            return salt_of(self.seed, self.kind, number)
        start = (self.skipped + place) * SALT
        return (self.salts or b"")[start : start + SALT]

    def lacks_salt(self, place: int) -> bool:
        return self.seed is None and not any(self.salt(0, place))


class _Verifier:
    def __init__(self, connection: Connection, evidence: Evidence) -> None:
        self.connection, self.evidence = connection, evidence
        self.listed: list[Finding] = []
        self.acknowledged: list[Acknowledged] = []
        self.more = 0
        self.changes = self.unsealed = 0
        self.statements: dict[str, Recorded] = {}
        self.broken: set[int] = set()
        self.chain = Chain(self.add)

    def add(self, finding: Finding) -> None:
        if finding.id is not None and finding.id in self.statements:
            self.acknowledged.append(Acknowledged(finding, self.statements[finding.id]))
        elif len(self.listed) < _LISTED:
            self.listed.append(finding)
        else:
            self.more += 1

    def run(self, digests: Sequence[Digest]) -> Verification:
        quiet = execute(self.connection, self.evidence.quiet())[0]
        present = execute(self.connection, self.evidence.facts())[0][0]
        still = execute(self.connection, self.evidence.quiet())[0]
        recorded = read_recorded(self.connection, self.evidence)
        self.statements = statements(recorded)
        self.chain.read(stream(self.connection, self.evidence.epochs("facts"), size=100), recorded)
        for kind in KINDS:
            self._members(kind)
        reached = execute(self.connection, self.evidence.reached())[0]
        self.chain.compare(digests, recorded, reached[0])
        if self.chain.last is not None and tuple(quiet) == tuple(still) and not quiet.installing:
            self._present(json.loads(facts_text(present)))
        return Verification(
            tuple(self.listed), self.chain.sealed(recorded), self.chain.count, self.changes, self.unsealed,
            self.chain.digest, self.more, tuple(self.acknowledged),
        )  # fmt: skip

    def _present(self, facts: dict[str, Any]) -> None:
        for finding in Comparison(self.chain.facts or NOTHING, facts, self.chain.unsealed, None).findings():
            self.add(finding)

    # ------------------------------------------------------------------ members

    def _members(self, kind: Kind) -> None:
        suspects = Suspects(kind, self.connection, self.evidence, self.add)
        removed = self._removed(kind)
        stand_ins = _Ahead(stream(self.connection, self.evidence.stand_ins())) if kind == "change" else None
        rows = _Rows(stream(self.connection, self.evidence.members(kind)))
        for first, last, place, epoch in self._expected(kind):
            position = first
            while position <= last:
                while rows.row is not None and rows.row.id < position:
                    self._extra(kind, rows.take(), suspects)
                stop = last if rows.row is None else min(last, rows.row.id - 1)
                if stop >= position:
                    self._missing(position, stop, place + position - first, epoch, removed, suspects)
                    position = stop + 1
                    continue
                sound = self._sound(rows, position, last, place + position - first, epoch, stand_ins)
                if sound == position:
                    self._compare(rows.take(), place + position - first, epoch, stand_ins, suspects)
                    sound += 1
                self.changes += sound - position if kind == "change" else 0
                position = sound
        while rows.row is not None:
            self._extra(kind, rows.take(), suspects)
        suspects.report()

    def _sound(self, rows: _Rows, position: int, last: int, place: int, epoch: Sealed, stand_ins: _Ahead | None) -> int:
        """Goes on for as long as everything is there and as it was sealed: nearly always, so time goes here."""
        seed, kind, leaves = epoch.seed, epoch.kind, epoch.leaves
        if seed is None or epoch.broken:
            return position
        if stand_ins is not None:
            last = min(last, stand_ins.following(position) - 1)
        start = (epoch.skipped + place) * LEAF
        row, take = rows.row, rows.rows
        while row is not None and position <= last and row[0] == position:
            if sealed_leaf(seed, kind, position, row[2], row[3]) != leaves[start : start + LEAF]:
                break
            position += 1
            start += LEAF
            row = next(take, None)
        rows.row = row
        return position

    def _expected(self, kind: Kind) -> Iterator[tuple[int, int, int, Sealed]]:
        """first, last, place of the first, epoch: by their first number, though epochs overlap."""
        heap: list[tuple[int, int, int, int, Ranges, int, Sealed]] = []

        def pop() -> tuple[int, int, int, Sealed]:
            first, _, last, place, ranges, index, epoch = heapq.heappop(heap)
            push(ranges, index + 1, place + last - first + 1, epoch)
            return first, last, place, epoch

        def push(ranges: Ranges, index: int, place: int, epoch: Sealed) -> None:
            if index < len(ranges):
                first, last = ranges[index]
                heapq.heappush(heap, (first, epoch.number, last, place, ranges, index, epoch))

        for row in stream(self.connection, self.evidence.ranges(kind)):
            ranges = read(row.ranges)
            while heap and ranges and heap[0][0] < ranges[0][0]:
                yield pop()
            push(ranges, 0, 0, self._open(row.number, kind))
        while heap:
            yield pop()

    def _open(self, number: int, kind: Kind) -> Sealed:
        [row] = execute(self.connection, self.evidence.large(number))
        counts = [sum(last - first + 1 for first, last in read(getattr(row, f"{each}s"))) for each in KINDS]
        leaves, salts = bytes(row.leaves), None if row.salts is None else bytes(row.salts)
        seed = None if row.seed is None else bytes(row.seed)
        known = number in self.broken
        if not known and (sha256(leaves) != bytes(row.root) or len(leaves) != LEAF * sum(counts)):
            self.broken.add(number)
            self.add(Finding("epoch rewritten", f"The list of digests in epoch {number} was rewritten.", epoch=number))
        elif not known and (
            (seed is not None and sha256(b"seed", seed) != bytes(row.seed_digest))
            or (salts is not None and (seed is not None or len(salts) != SALT * sum(counts)))
        ):
            self.broken.add(number)
            self.add(
                Finding("salts changed", f"The salts of epoch {number} were changed: its digests can no longer be "
                        "compared with what is in the journal.", epoch=number)
            )  # fmt: skip
        skipped = sum(counts[: KINDS.index(kind)])
        return Sealed(number, kind, leaves, seed, salts, skipped, number in self.broken)

    def _removed(self, kind: Kind) -> Ranges:
        ranges = []
        for row in stream(self.connection, self.evidence.removed()):
            if row.kind not in _MAY_REMOVE:
                if kind == "change":
                    self.add(
                        Finding("removal forged", f"{row.what.capitalize()} {row.first} to {row.last} are said to have "
                                "been removed rightly, and no retention is recorded that did.")
                    )  # fmt: skip
            elif row.what == kind:
                ranges.append((row.first, row.last))
        return merged(ranges)

    def _missing(self, first: int, last: int, place: int, epoch: Sealed, removed: Ranges, suspects: Suspects) -> None:
        position = first
        for low, high in _within(removed, first, last):
            if low > position:
                suspects.missing(position, low - 1, place + position - first, epoch)
            position = max(position, high + 1)
        if position <= last:
            suspects.missing(position, last, place + position - first, epoch)

    def _compare(self, row: AnyRow, place: int, epoch: Sealed, stand_ins: _Ahead | None, suspects: Suspects) -> None:
        substitutes = stand_ins.of(row.id) if stand_ins is not None else []
        if epoch.broken:
            return
        if substitutes:
            self._stands_in(row, place, epoch, substitutes, suspects)
        elif leaf(epoch.kind, row.head, inner(epoch.salt(row.id, place), row.body)) != epoch.leaf(place):
            if epoch.lacks_salt(place):
                self.broken.add(epoch.number)
                epoch.broken = True
                self.add(
                    Finding("salts changed", f"Salts of epoch {epoch.number} were taken away without an erasure.",
                            epoch=epoch.number)
                )  # fmt: skip
            else:
                suspects.edited(row, place, epoch)

    def _stands_in(
        self, row: AnyRow, place: int, epoch: Sealed, substitutes: Sequence[AnyRow], suspects: Suspects
    ) -> None:
        if any(each.kind != "erasure" for each in substitutes):
            suspects.forged(row, epoch)
            return
        known = [bytes(each.digest) for each in substitutes[1:]]
        left = [None if each.remaining is None else bytes(each.remaining) for each in substitutes]
        sound = leaf("change", row.head, bytes(substitutes[0].digest)) == epoch.leaf(place) and left[:-1] == known
        salt = substitutes[-1].salt
        if not sound:
            suspects.forged(row, epoch)
        elif salt is None or inner(bytes(salt), row.body) != left[-1]:
            suspects.edited(row, place, epoch)

    def _extra(self, kind: Kind, row: AnyRow, suspects: Suspects) -> None:
        if self.chain.is_unsealed(kind, row.id, row.xid, self.evidence):
            self.unsealed += kind == "change"
        else:
            suspects.extra(row)


def _within(ranges: Ranges, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The parts of sorted ranges that are in first … last."""
    for low, high in ranges[bisect_left(ranges, first, key=lambda each: each[1]) :]:
        if low > last:
            return
        yield max(low, first), min(high, last)


class _Rows:
    """Rows of which the next one can be looked at."""

    def __init__(self, rows: Iterator[AnyRow]) -> None:
        self.rows = rows
        self.row = next(rows, None)

    def take(self) -> AnyRow:
        row = self.row
        assert row is not None
        self.row = next(self.rows, None)
        return row


class _Ahead:
    """Rows by change, asked for with numbers that never go back."""

    def __init__(self, rows: Iterator[AnyRow]) -> None:
        self.rows = rows
        self.row = next(rows, None)

    def following(self, change: int) -> int:
        """The number of the next one that has any, from this one on."""
        while self.row is not None and self.row.change < change:
            self.row = next(self.rows, None)
        return sys.maxsize if self.row is None else int(self.row.change)

    def of(self, change: int) -> list[AnyRow]:
        found = []
        while self.row is not None and self.row.change <= change:
            if self.row.change == change:
                found.append(self.row)
            self.row = next(self.rows, None)
        return found


def read_recorded(connection: Connection, evidence: Evidence) -> list[Recorded]:
    """What is recorded of the journal itself, in its order."""
    return [
        Recorded(row.id, str(row.at), row.kind, row.actor, row.reason, json.loads(row.details), None)
        for row in execute(connection, evidence.interventions())
    ]


def statements(recorded: Sequence[Recorded]) -> dict[str, Recorded]:
    """By the id of a finding the statement that it is known."""
    return {str(each.details.get("finding")): each for each in recorded if each.kind == ACKNOWLEDGEMENT}
