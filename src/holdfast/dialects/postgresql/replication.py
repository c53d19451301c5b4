"""Streaming replication: log sequence numbers of the primary and of its hot standbys."""

from __future__ import annotations

import re

from holdfast.dialects.replication import Replication

_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


class PostgreSQLReplication(Replication):
    """By the position of insertion: with ``synchronous_commit = off`` a commit is visible before it is written."""

    def written(self) -> str:
        return "select pg_catalog.pg_current_wal_insert_lsn()::text"

    def replayed(self, pause: float) -> str:
        # Slept on the server: a program that awaits goes on meanwhile, and one that does not need not know.
        return f"""\
select pg_catalog.pg_is_in_recovery(), pg_catalog.pg_last_wal_replay_lsn()::text
from pg_catalog.pg_sleep({pause:.3f})"""

    def position(self, text: str) -> int:
        match = _LSN.fullmatch(text)
        if match is None:
            raise ValueError(text)
        return int(match[1], 16) << 32 | int(match[2], 16)
