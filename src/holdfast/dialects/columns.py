"""What every dialect answers about the columns that policies need."""

from __future__ import annotations

from abc import ABC, abstractmethod

from holdfast.errors import DeclarationError
from holdfast.tables import ColumnInfo, TableInfo, TableName


class Columns(ABC):
    """Adds and drops columns, each of a sort: a ``time``, a ``mark`` or a ``count``."""

    longest_name: int | None = None
    """How many bytes of a name the database keeps; it cuts off the rest without a word."""

    folds_case = False
    """Whether two names that differ in case alone are the same column."""

    def can_be_named(self, name: str) -> bool:
        return bool(name) and (self.longest_name is None or len(name.encode()) <= self.longest_name)

    def check_name(self, table: TableInfo, column: str) -> None:
        """HF102 for the name of a column that the table cannot have beside those that it has."""
        same = [each.name for each in table.columns if self.folds_case and each.name.lower() == column.lower()]
        if same:
            raise DeclarationError(
                "HF102", f"{table.name} has a column {same[0]}, and {column} would be the same.", f"Write {same[0]}."
            )
        if not self.can_be_named(column):
            raise DeclarationError(
                "HF102",
                f"{column!r} cannot be the name of a column of {table.name}"
                + (f", which has {self.longest_name} bytes at most." if column else "."),
                "Give another name.",
            )

    @abstractmethod
    def add(self, table: TableName, column: str, sort: str) -> tuple[str, ...]: ...

    @abstractmethod
    def added(self, name: str, sort: str, position: int) -> ColumnInfo:
        """The column that ``add`` makes, as the catalog will describe it."""

    @abstractmethod
    def drop(self, table: TableName, column: str) -> tuple[str, ...]: ...
