"""What every dialect answers about what is there: tables, the journal, and what protects them."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Catalog(ABC):
    """Queries over the catalog of the database; ``holdfast.inspector`` reads the answers."""

    @abstractmethod
    def tables(self) -> str:
        """One column ``document``: a JSON object for each table, in the shape that ``inspector`` reads."""

    @abstractmethod
    def state(self) -> str:
        """One row: ``schema_version`` (NULL where the journal is not installed), and what the role may do."""

    @abstractmethod
    def relations(self) -> str:
        """One column ``document``: a JSON object for each protected, or once protected, table."""

    @abstractmethod
    def installed(self) -> str:
        """kind, name, schema, table, source, altered, enabled of every object that carries our marker."""

    def roles(self) -> str | None:
        """duty and name of each role that was given one; None where there are no roles."""
        return None
