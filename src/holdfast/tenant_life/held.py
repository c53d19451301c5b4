"""Rows under legal hold keep the whole tenant."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.tenant_life import Rows
from holdfast.errors import HeldError
from holdfast.tables import TableName
from holdfast.tenant_life.manifest import Manifest
from holdfast.tenant_life.place import Work
from holdfast.timeline import shown


def refuse_held(
    connection: Connection, work: Work, manifest: Manifest, rows: Sequence[Rows], *, keep_history: bool
) -> None:
    """HF421 where a row is under legal hold; where the history goes, also a row that was."""
    held = []
    for each in rows:
        protection = manifest.protections.get(each.table.name)
        if protection is not None and protection.table.key:
            found = execute(connection, work.place.life.held(protection, each))
            held += [(shown(each.table.name), row.key) for row in found]
    if not keep_history:
        found = execute(connection, work.place.life.history.held(work.tenant, manifest.relations))
        held += [(shown(TableName(row.schema_name, row.table_name)), row.key) for row in found]
    for table, key in held:
        raise HeldError(
            "HF421",
            f"{table} {key} is under legal hold, so the tenant {work.tenant!r} stays.",
            f"When it need not be held any more: holdfast hold {table} KEY --release.",
        )
