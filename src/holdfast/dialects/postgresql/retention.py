"""What may go: old partitions and changes of the journal, and rows that have been deleted for long enough."""

from __future__ import annotations

TABLES: dict[str, str] = {}
