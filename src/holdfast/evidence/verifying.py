"""Compares the journal with what was sealed, and says of each difference what it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from holdfast.database import Database, execute, stream
from holdfast.dialects.evidence import KINDS, Evidence, Kind
from holdfast.evidence.ahead import Ahead, Rows, within
from holdfast.evidence.chain import Chain
from holdfast.evidence.expecting import Expected, Sealed
from holdfast.evidence.facts import NOTHING, Comparison, facts_text
from holdfast.evidence.leaves import LEAF, Ranges, inner, leaf, merged, sealed_leaf
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


class _Verifier:
    def __init__(self, connection: Connection, evidence: Evidence) -> None:
        self.connection, self.evidence = connection, evidence
        self.listed: list[Finding] = []
        self.acknowledged: list[Acknowledged] = []
        self.more = 0
        self.changes = self.unsealed = 0
        self.statements: dict[str, Recorded] = {}
        self.chain = Chain(self.add)
        self.expected = Expected(connection, evidence, self.add)

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
        stand_ins = Ahead(stream(self.connection, self.evidence.stand_ins())) if kind == "change" else None
        rows = Rows(stream(self.connection, self.evidence.members(kind)))
        for first, last, place, epoch in self.expected.members(kind):
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

    def _sound(self, rows: Rows, position: int, last: int, place: int, epoch: Sealed, stand_ins: Ahead | None) -> int:
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
        for low, high in within(removed, first, last):
            if low > position:
                suspects.missing(position, low - 1, place + position - first, epoch)
            position = max(position, high + 1)
        if position <= last:
            suspects.missing(position, last, place + position - first, epoch)

    def _compare(self, row: AnyRow, place: int, epoch: Sealed, stand_ins: Ahead | None, suspects: Suspects) -> None:
        substitutes = stand_ins.of(row.id) if stand_ins is not None else []
        if epoch.broken:
            return
        if substitutes:
            self._stands_in(row, place, epoch, substitutes, suspects)
        elif leaf(epoch.kind, row.head, inner(epoch.salt(row.id, place), row.body)) != epoch.leaf(place):
            if epoch.lacks_salt(place):
                epoch.broken = True
                self.expected.broken(
                    epoch.number, "salts changed", "Salts of epoch {} were taken away without an erasure."
                )
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


def read_recorded(connection: Connection, evidence: Evidence) -> list[Recorded]:
    """What is recorded of the journal itself, in its order."""
    return [
        Recorded(row.id, str(row.at), row.kind, row.actor, row.reason, json.loads(row.details), None)
        for row in execute(connection, evidence.interventions())
    ]


def statements(recorded: Sequence[Recorded]) -> dict[str, Recorded]:
    """By the id of a finding the statement that it is known."""
    return {str(each.details.get("finding")): each for each in recorded if each.kind == ACKNOWLEDGEMENT}
