"""What every dialect answers about what is there: tables, the journal, and what protects them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Catalog:
    """Queries over the catalog of the database; ``holdfast.inspector`` reads the answers."""

    tables: str
    """One column ``document``: a JSON object for each table, in the shape that ``inspector`` reads."""
    state: str
    """One row: ``schema_version`` (NULL where the journal is not installed), and what the role may do."""
    relations: str
    """One column ``document``: a JSON object for each protected, or once protected, table."""
    installed: str
    """kind, name, schema, table, source, altered, enabled of every object that carries our marker."""
    roles: str | None = None
    """duty and name of each role that was given one; None where there are no roles."""
