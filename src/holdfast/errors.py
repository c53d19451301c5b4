"""What can go wrong, each with a code, a message and a hint that says what to do.

HoldfastError
├─ DeclarationError     HF1xx   the declaration is wrong
├─ RefusedError         HF2xx   the database refused a write
│  ├─ ProtectedError    HF201
│  ├─ StaleVersionError HF202
│  ├─ TenantError       HF203
│  └─ GuardError        HF204, HF205
├─ DriftError           HF3xx   the database is not as declared
├─ LockedError          HF304   another run changes protection at this moment
├─ UnsupportedError     HF4xx   this database, or this role, cannot
└─ UndoConflictError    HF5xx   the row has changed since
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.journal import Conflict


class HoldfastError(Exception):
    """Every error of holdfast: ``code``, ``message`` and ``hint``; ``str()`` gives all three."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text} {self.hint}" if self.hint else text


class DeclarationError(HoldfastError):
    """The declaration cannot hold as written; the hint says which line to add or to change."""


class RefusedError(HoldfastError):
    """The database refused a write, and nothing of the statement was written."""


class ProtectedError(RefusedError):
    """A delete, or a write to the journal, that the declaration forbids."""


class StaleVersionError(RefusedError):
    """The row was changed by somebody else since it was read."""


class TenantError(RefusedError):
    """A write for another tenant, or without a tenant."""


class GuardError(RefusedError):
    """A statement touched more rows than expected, or is a TRUNCATE, and did not say so first."""


REFUSALS: Mapping[str, type[RefusedError]] = {
    "HF201": ProtectedError,
    "HF202": StaleVersionError,
    "HF203": TenantError,
    "HF204": GuardError,
    "HF205": GuardError,
}
"""What a refusal is, by the code with which the database raises it."""


class DriftError(HoldfastError):
    """What is installed is not what was declared."""


class LockedError(HoldfastError):
    """Another holdfast is changing protection in this database, or has since it was looked at."""


class UnsupportedError(HoldfastError):
    """This database, or the role in use, cannot do what was asked; the hint says what it can."""


class UndoConflictError(HoldfastError):
    """An undo would overwrite, or cannot bring back, something; nothing was written."""

    def __init__(self, code: str, message: str, hint: str = "", conflicts: Sequence[Conflict] = ()) -> None:
        super().__init__(code, message, hint)
        self.conflicts = tuple(conflicts)
