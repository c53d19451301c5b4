"""Rows that are updated in many small transactions: between two of them others may write."""

from __future__ import annotations

from holdfast.dialects.changing import Target
from holdfast.dialects.filling import Filling
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.sql import quote


class SQLiteFilling(Filling):
    begin = "begin immediate"

    def name(self, table: Target) -> str:
        return quote(table.name)

    def quote(self, name: str) -> str:
        return quote(name)

    def key(self, table: Target) -> Query:
        return Query("select name, type from pragma_table_info(:name) where pk > 0 order by pk", {"name": table.name})

    def estimate(self, table: Target) -> Query:
        return Query(f"select count(*) from {quote(table.name)}", {})

    def key_text(self, column: str) -> str:
        return column

    def key_value(self, parameter: str, type_: str) -> str:
        return parameter
