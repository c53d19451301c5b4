"""Connections that put other schemas in the place of those that are written: SQL that is frozen knows nothing of it."""

from __future__ import annotations

from sqlalchemy import Connection

from holdfast.errors import MigrationError


def refuse_translated(connection: Connection, what: str, schema: str | None) -> None:
    """HF452 where the connection's ``schema_translate_map`` would lead ``what`` into another schema than it names."""
    translated = connection.get_execution_options().get("schema_translate_map") or {}
    default = connection.dialect.default_schema_name
    names = {None, default} if schema in (None, default) else {schema}
    for name in names & set(translated):
        if translated[name] not in (name, schema or default):
            raise MigrationError(
                "HF452",
                f"The connection translates schemas (schema_translate_map), and would lead {what} to the schema "
                f"{translated[name]!r}; the SQL of the revision names the schema that it changes.",
                "Give env.py a connection without schema_translate_map. For a schema per tenant there is "
                "`holdfast tenants migrate`, and install() to protect the tables of each.",
            )
