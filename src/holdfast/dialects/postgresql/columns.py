"""The columns that policies need."""

from __future__ import annotations

from holdfast.dialects.columns import Columns
from holdfast.dialects.postgresql.sql import qualified, quote
from holdfast.tables import ColumnInfo, TableName

_TYPES = {
    "mark": "timestamptz",
    # Rows that are there already get the moment of the change; a volatile default would rewrite the table.
    "time": "timestamptz not null default now()",
    "count": "integer not null default 1",
}


class PostgreSQLColumns(Columns):
    longest_name = 63

    def add(self, table: TableName, column: str, sort: str) -> tuple[str, ...]:
        return (f"alter table {qualified(table)} add column {quote(column)} {_TYPES[sort]}",)

    def added(self, name: str, sort: str, position: int) -> ColumnInfo:
        if sort == "tenant":
            return ColumnInfo(name, "text", "text", position=position, nullable=False)
        if sort == "count":
            return ColumnInfo(name, "integer", "int4", position=position, nullable=False, default="1")
        return ColumnInfo(
            name, "timestamp with time zone", "timestamptz", position=position, nullable=sort == "mark",
            default=None if sort == "mark" else "now()",
        )  # fmt: skip

    def drop(self, table: TableName, column: str) -> tuple[str, ...]:
        return (f"alter table {qualified(table)} drop column if exists {quote(column)}",)
