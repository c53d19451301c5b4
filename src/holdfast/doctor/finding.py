"""One thing that is wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, and what mends it. ``error``: rows of other tenants can be had now.

    >>> Finding("owner", "error", "public.orders", "shop_app owns public.orders.", "").as_json()["rule"]
    'owner'
    """

    rule: str
    severity: Severity
    object: str
    sentence: str
    mend: str
    """SQL, or a comment in SQL that says what to do."""

    def as_json(self) -> dict[str, str]:
        return asdict(self)
