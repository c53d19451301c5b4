"""What a session needs of the past: values with their types, and views that stand before the tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.dialects.query import Query
from holdfast.errors import HoldfastError
from holdfast.objects import Protection
from holdfast.tables import ColumnInfo, TableName


class Recall(ABC):
    """Values of the journal as values of the database, and temporary views of the transaction in hand."""

    schema: str
    """Where temporary views are; a statement may name it."""

    @abstractmethod
    def key(self, protection: Protection, parameters: Sequence[str]) -> str:
        """A SELECT of the key as JSON, as ``Past.parameters`` takes it, from a named parameter for each key column."""

    @abstractmethod
    def rows(
        self, protection: Protection, columns: Sequence[ColumnInfo], documents: Sequence[Mapping[str, Any]]
    ) -> Query:
        """Rows as the journal spells them, as rows of the database: the position in ``documents``, then the columns."""

    @abstractmethod
    def prepare_views(self) -> tuple[str, ...]:
        """From now on a name without a schema is looked for among the temporary views first."""

    def view(self, name: str, select: str) -> str:
        """A temporary view, by its quoted name."""
        return f"create temporary view {name} as\n{select}"

    @abstractmethod
    def refusing(self, name: str, table: TableName, error: HoldfastError) -> str:
        """A temporary view, by its quoted name, from which nobody can read: it answers with that error."""
