"""What a purge did, or would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Left:
    """A row that is old enough and stays, and why."""

    table: str
    key: Any
    why: str

    def as_json(self) -> dict[str, Any]:
        return {"table": self.table, "key": self.key, "why": self.why}


@dataclass(frozen=True, slots=True)
class Purged:
    """The outcome: how many rows of which table went (or would go), and which stay."""

    table: str
    before: datetime
    rows: Mapping[str, int]
    left: tuple[Left, ...] = ()
    """The first thousand of those that stay since something refers to them."""
    left_rows: int = 0
    """How many they are in all."""
    held: int = 0
    """How many stay under legal hold."""
    busy: int = 0
    """How many others had locked; the next run takes them."""

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "before": self.before.isoformat(),
            "purged": dict(self.rows),
            "left": [each.as_json() for each in self.left],
            "left_rows": self.left_rows,
            "held": self.held,
            "busy": self.busy,
        }
