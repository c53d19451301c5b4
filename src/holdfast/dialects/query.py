"""SQL with what goes into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with named parameters (``:name``), as ``sqlalchemy.text`` takes it."""

    sql: str
    parameters: Mapping[str, Any]
