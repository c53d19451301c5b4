"""What came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Exported:
    """A tenant's rows in a file: how many of which table, and the archive's own identity."""

    archive: str
    tenant: str
    file: Path
    rows: Mapping[str, int]
    changes: int | None = None
    """How many changes of the journal are in it; None where they were not asked for."""

    def as_json(self) -> dict[str, Any]:
        return {
            "archive": self.archive,
            "tenant": self.tenant,
            "file": str(self.file),
            "rows": dict(self.rows),
            "changes": self.changes,
        }


@dataclass(frozen=True, slots=True)
class Imported:
    """The rows that came, equal in number and checksum to those of the archive."""

    archive: str
    tenant: str
    rows: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {"archive": self.archive, "tenant": self.tenant, "rows": dict(self.rows)}


@dataclass(frozen=True, slots=True)
class Deleted:
    """What went, or would go; ``certificate`` is what was proved at the end."""

    tenant: str
    rows: Mapping[str, int]
    changes: int | None
    """Changes that went from the journal; None where they are kept."""
    certificate: Mapping[str, Any] = field(default_factory=dict)
    unrelated: tuple[str, ...] = ()
    """Tables that nothing of the schema connects with tenants; none of their rows is looked at."""

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "rows": dict(self.rows),
            "changes": self.changes,
            "unrelated": list(self.unrelated),
            "certificate": dict(self.certificate) or None,
        }


@dataclass(frozen=True, slots=True)
class Moved:
    """A tenant that is elsewhere now; ``deleted`` is None in a plan."""

    tenant: str
    source: str
    target: str
    rows: Mapping[str, int]
    steps: tuple[str, ...]
    """What was done, or would be, in order."""
    deleted: Deleted | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "source": self.source,
            "target": self.target,
            "rows": dict(self.rows),
            "steps": list(self.steps),
            "deleted": self.deleted.as_json() if self.deleted else None,
        }
