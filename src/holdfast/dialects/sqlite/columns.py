"""The columns that policies need."""

from __future__ import annotations

from holdfast.dialects.columns import Columns
from holdfast.dialects.sqlite.sql import qualified, quote
from holdfast.tables import ColumnInfo, TableName

# TEXT is the one type for times that a STRICT table takes too.
_TYPES = {"mark": "TEXT", "time": "TEXT", "count": "INTEGER NOT NULL DEFAULT 1"}


class SQLiteColumns(Columns):
    folds_case = True

    def add(self, table: TableName, column: str, sort: str) -> tuple[str, ...]:
        return (f"alter table {qualified(table)} add column {quote(column)} {_TYPES[sort]}",)

    def added(self, name: str, sort: str, position: int) -> ColumnInfo:
        if sort == "tenant":
            return ColumnInfo(name, "TEXT", "text", position=position, nullable=False)
        if sort == "count":
            return ColumnInfo(name, "INTEGER", "integer", position=position, nullable=False, default="1")
        return ColumnInfo(name, "TEXT", "text", position=position)

    def drop(self, table: TableName, column: str) -> tuple[str, ...]:
        return (f"alter table {qualified(table)} drop column {quote(column)}",)
