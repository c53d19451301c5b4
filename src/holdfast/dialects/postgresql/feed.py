"""The change feed: every committed change once, in an order that never goes back."""

from __future__ import annotations

TABLES: dict[str, str] = {}
FUNCTIONS: dict[str, str] = {}
