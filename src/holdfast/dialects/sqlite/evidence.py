"""Sealed epochs: which changes each covers, their digests, and what a verification reads."""

from __future__ import annotations

TABLES: dict[str, str] = {}
