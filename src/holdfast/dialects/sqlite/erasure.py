"""Takes one row's values out of the table and out of all of its history."""

from __future__ import annotations

TABLES: dict[str, str] = {}
