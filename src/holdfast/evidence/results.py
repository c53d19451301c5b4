"""What sealing and verifying give back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Digest:
    """What proves the journal's sealed part, for as long as it is kept where the database's owner cannot write.

    >>> Digest("6f1c", 2, "ab12", "2026-05-06T07:08:09.000000Z", 512, 530).as_json()["epoch"]
    2
    """

    database: str
    """The journal's own id: a copy or a restored backup has the same."""
    epoch: int
    hash: str
    sealed_at: str
    changes: int
    """How many changes all epochs together hold."""
    last_change: int
    """The highest number that a change had been given."""

    def as_json(self) -> dict[str, Any]:
        return {
            "holdfast": 1,
            "database": self.database,
            "epoch": self.epoch,
            "hash": self.hash,
            "sealed_at": self.sealed_at,
            "changes": self.changes,
            "last_change": self.last_change,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was sealed; ``kind`` names what, ``message`` says it in one sentence."""

    kind: str
    message: str
    epoch: int | None = None
    change: int | None = None
    transaction: str | None = None
    table: str | None = None
    key: str | None = None
    object: str | None = None
    id: str | None = None
    """By which it can be acknowledged: of what lies between two seals, so that nothing newer can bear the same."""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was done to the journal itself and written down: an erasure, a retention, an installation, a fork, …"""

    id: int
    at: str
    kind: str
    actor: str | None
    reason: str | None
    details: Mapping[str, Any]
    epoch: int | None
    """The epoch that has it sealed; None as long as none has."""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A finding of which somebody has stated that it is known, and the statement."""

    finding: Finding
    statement: Recorded

    def as_json(self) -> dict[str, Any]:
        statement = self.statement
        return {
            **self.finding.as_json(),
            "acknowledged": {
                "at": statement.at,
                "actor": statement.actor,
                "reason": statement.reason,
                "intervention": statement.id,
            },
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found; ``intact`` where that is nothing, but for what was acknowledged."""

    findings: tuple[Finding, ...]
    recorded: tuple[Recorded, ...] = field(repr=False)
    epochs: int
    changes: int
    """How many sealed changes were compared."""
    unsealed: int
    """How many changes no epoch has yet: nothing is proved of them."""
    last: Digest | None
    more: int = 0
    """How many findings there were beyond those that are listed."""
    acknowledged: tuple[Acknowledged, ...] = ()

    @property
    def intact(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        return {
            "intact": self.intact,
            "epochs": self.epochs,
            "changes": self.changes,
            "unsealed": self.unsealed,
            "findings": [each.as_json() for each in self.findings],
            "more": self.more,
            "acknowledged": [each.as_json() for each in self.acknowledged],
            "recorded": [each.as_json() for each in self.recorded],
            "last": self.last.as_json() if self.last else None,
        }
