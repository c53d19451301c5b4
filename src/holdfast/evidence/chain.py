"""The epochs one after the other: whether each holds on to the one before, and to what was kept outside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast.dialects.evidence import Evidence, Kind
from holdfast.evidence.digests import digest_of
from holdfast.evidence.facts import NOTHING, Comparison, Facts
from holdfast.evidence.leaves import LEAF, canonical, epoch_hash, numbers, read, sha256
from holdfast.evidence.results import Digest, Finding, Recorded

if TYPE_CHECKING:
    from holdfast.database import AnyRow


class Chain:
    """What is known after all epochs were read once; of each of them only its hash is kept."""

    def __init__(self, add: Callable[[Finding], None]) -> None:
        self.add = add
        self.last: AnyRow | None = None
        self.digest: Digest | None = None
        self.count = 0
        self.hashes: dict[int, str] = {}
        self.facts: Facts | None = None
        self.unsealed: list[Mapping[str, Any]] = []
        self._epochs: dict[int, int] = {}
        self._running: frozenset[str] | None = None

    def read(self, epochs: Iterable[AnyRow], recorded: Sequence[Recorded]) -> None:
        by_id = {each.id: {"kind": each.kind, "details": each.details} for each in recorded}
        since: list[Mapping[str, Any]] = []
        for row in epochs:
            self._link(row)
            for number in numbers(read(row.interventions)):
                self._epochs[number] = row.number
                if number in by_id:
                    since.append(by_id[number])
            if row.facts is not None:
                since = self._facts(row, since)
            elif self.last is None or bytes(row.facts_digest) != bytes(self.last.facts_digest):
                self._rewritten(row.number, "does not say what was installed")
            self.last = row
            self.count += 1
            self.hashes[row.number] = bytes(row.hash).hex()
        self.unsealed = [*since, *(each for number, each in by_id.items() if number not in self._epochs)]
        self.digest = digest_of(self.last) if self.last is not None else None

    def _link(self, row: AnyRow) -> None:
        number = row.number
        expected = self.last.number + 1 if self.last is not None else 1
        if number != expected:
            gone = f"epoch {expected}" if number == expected + 1 else f"epochs {expected} to {number - 1}"
            self.add(Finding("epoch removed", f"The {gone} of the journal were removed.", epoch=expected))
        elif bytes(row.previous) != (bytes(self.last.hash) if self.last is not None else bytes(LEAF)):
            self._rewritten(number - 1, f"is not the one that epoch {number} was sealed upon")
        if bytes(row.hash) != epoch_hash(row._asdict()):
            self._rewritten(number, "does not match its own digest")

    def _facts(self, row: AnyRow, since: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        if sha256(row.facts.encode()) != bytes(row.facts_digest):
            self._rewritten(row.number, "does not say any more what was installed")
            return since
        facts = json.loads(row.facts)
        for finding in Comparison(self.facts or NOTHING, facts, since, row.number).findings():
            self.add(identified(finding, bytes(row.hash)))
        self.facts = facts
        return []

    def _rewritten(self, number: int, why: str) -> None:
        self.add(Finding("epoch rewritten", f"Epoch {number} was rewritten: it {why}.", epoch=number))

    def is_unsealed(self, kind: Kind, number: int, xid: str | None, evidence: Evidence) -> bool:
        """Whether no epoch could have had it: it came after the last one, or was under way then."""
        if self.last is None or kind == "intervention":
            return True
        if self._running is None:
            self._running = evidence.running(self.last.snapshot)
        return bool(number > getattr(self.last, f"high_{kind}") or xid in self._running)

    def sealed(self, recorded: Sequence[Recorded]) -> tuple[Recorded, ...]:
        return tuple(replace(each, epoch=self._epochs.get(each.id)) for each in recorded)

    # ------------------------------------------------------------------ digests that were kept outside

    def compare(self, digests: Sequence[Digest], recorded: Sequence[Recorded], reached: int) -> None:
        forks = [each.details for each in recorded if each.kind == "fork"]
        for digest in digests:
            if self.last is None or digest.epoch > self.last.number or digest.database != self.last.journal:
                problem = self._unknown(digest, reached)
            elif self.hashes.get(digest.epoch) == digest.hash:
                continue
            else:
                problem = Finding(
                    "fork",
                    f"Epoch {digest.epoch} is not the one that the digest of {digest.sealed_at} is of: an older backup "
                    "was restored and sealed anew, or the epochs were rewritten.",
                    epoch=digest.epoch,
                )
            if not any(_is_stated(digest, fork) for fork in forks):
                self.add(problem)

    def _unknown(self, digest: Digest, reached: int) -> Finding:
        if self.last is not None and digest.database != self.last.journal:
            return Finding(
                "other journal",
                f"The digest of {digest.sealed_at} is of another journal ({digest.database}, not {self.last.journal}): "
                "it belongs to another database, or this journal was made anew.",
            )
        ends = f"ends with epoch {self.last.number}" if self.last is not None else "has no epoch"
        if reached >= digest.last_change:
            # Numbers are never given back: it was there, and went.
            return Finding(
                "journal truncated",
                f"The digest of {digest.sealed_at} is of epoch {digest.epoch}, and the journal {ends}: its end was "
                "cut off, or an older backup was restored and written to.",
                epoch=digest.epoch,
            )
        return Finding(
            "fork",
            f"The digest of {digest.sealed_at} is of epoch {digest.epoch}, and the journal {ends} and has never come "
            "so far: an older backup was restored.",
            epoch=digest.epoch,
        )


def identified(finding: Finding, sealed: bytes) -> Finding:
    """With the id of what is so for ever: the digest of the epoch fixes what was installed before it and at it."""
    content = canonical([sealed.hex(), finding.kind, finding.message])
    return replace(finding, id=sha256(b"holdfast finding\0", content.encode()).hex()[:16])


def _is_stated(digest: Digest, fork: Mapping[str, Any]) -> bool:
    """Whether it is of the branch that a stated fork left behind."""
    stated = fork.get("digests") or []
    if any((each["epoch"], each["hash"]) == (digest.epoch, digest.hash) for each in stated):
        return True
    same = [each["epoch"] for each in stated if each["database"] == digest.database]
    return bool(same) and fork["last"] < digest.epoch <= max(same)
