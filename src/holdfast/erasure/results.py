"""What was erased, without the values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, without the values. ``keys`` are the keys under which the row was ever recorded."""

    table: str
    key: Any
    columns: tuple[str, ...]
    changes: int
    """How many changes of the journal had a value of these columns."""
    row: bool
    """Whether the row itself was there."""
    keys: tuple[Any, ...]
    possible_keys: tuple[Any, ...] = ()
    """Keys that the row may have had: they were changed together with those of others, so it is not certain."""

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "key": self.key,
            "columns": list(self.columns),
            "changes": self.changes,
            "row": self.row,
            "keys": list(self.keys),
            "possible_keys": list(self.possible_keys),
        }


@dataclass(frozen=True, slots=True)
class Erasing:
    """An erasure that was done: when, by whom and why, and what it erased."""

    at: datetime
    actor: str | None
    reason: str | None
    erased: Erased

    def as_json(self) -> dict[str, Any]:
        at = self.at.isoformat()
        return {"at": at, "actor": self.actor, "reason": self.reason, **self.erased.as_json()}
