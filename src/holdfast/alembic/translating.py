"""Connections that put other schemas in the place of those that are written: SQL that is frozen knows nothing of it."""

from __future__ import annotations

from sqlalchemy import Connection

from holdfast.errors import MigrationError

TENANT_SCHEMA = "holdfast_tenant_schema"
"""The execution option of a connection that migrates one tenant of many: the schema that this tenant has."""


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


def refuse_others_schema(connection: Connection, table: str, schema: str) -> None:
    """HF452 where a revision is run for one tenant of many, and ``schema`` is not the one that this tenant has."""
    own = connection.get_execution_options().get(TENANT_SCHEMA)
    if own is not None and schema != own:
        raise MigrationError(
            "HF452",
            f"The revision protects {table}, which its SQL names, and not the table in the schema {own!r} of the "
            "tenant that is migrated.",
            "Take op.hf_protect and op.hf_unprotect out of revisions that every tenant runs; let env.py call install() "
            "on the tenant's connection after them, or protect the tables of each by the command line.",
        )
