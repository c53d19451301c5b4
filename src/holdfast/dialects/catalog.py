"""What every dialect answers about what is there: tables, the journal, and what protects them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping


class Catalog(ABC):
    """Queries over the catalog of the database; ``holdfast.inspector`` reads the answers."""

    @abstractmethod
    def tables(self) -> str:
        """One column ``document``: a JSON object for each table, in the shape that ``inspector`` reads."""

    @abstractmethod
    def state(self) -> str:
        """One row: ``schema_version`` (NULL where the journal is not installed), and what the role may do."""

    @abstractmethod
    def journal(self) -> Mapping[str, frozenset[str]]:
        """The columns of each table of the journal, as it is made now; ``state`` has those that are there, as ``columns``."""

    @abstractmethod
    def relations(self) -> str:
        """One column ``document``: a JSON object for each protected, or once protected, table."""

    @abstractmethod
    def installed(self) -> str:
        """kind, name, schema, table, source, altered, enabled of every object that carries our marker."""

    def roles(self) -> str | None:
        """duty and name of each role that was given one; None where there are no roles."""
        return None


_COLUMN = re.compile(r"^    (?!primary\b|unique\b|check\b|foreign\b|constraint\b|--)\"?([a-z_]+)\"?", re.MULTILINE)


def columns_of(create: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The columns that each CREATE TABLE of ours names, a line for each."""
    return {name: frozenset(_COLUMN.findall(sql)) for name, sql in create.items()}
