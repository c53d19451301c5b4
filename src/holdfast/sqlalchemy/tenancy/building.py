"""What a new tenant gets: its tables, and their protection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from holdfast.errors import DeclarationError
from holdfast.sqlalchemy.declaring import metadata_of
from holdfast.sqlalchemy.installing import install
from holdfast.sqlalchemy.tables import policies_of


def build_tables(models: Any, *, roles_apart: bool | None = None) -> Callable[[Connection], None]:
    """Makes the tables of the models that name no schema, and protects what they declare."""
    metadata = None if models is None else metadata_of(models)

    def build(connection: Connection) -> None:
        if metadata is None:
            raise DeclarationError(
                "HF113", "Nothing says what tables a tenant has.", "Give the models, or build=… which makes the tables."
            )
        tables = [table for table in metadata.sorted_tables if table.schema is None]
        # All is new there. To look first would find a table of that name in a schema that tenants share.
        metadata.create_all(connection, tables=tables, checkfirst=False)
        if any(policies_of(table) for table in metadata.sorted_tables):
            install(connection, metadata, roles_apart=roles_apart)

    return build
