"""Changing a table: an index alone can be added to it as it stands; all else makes the table anew."""

from __future__ import annotations

from holdfast.dialects.changing import Changing, Target
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.sql import quote


class SQLiteChanging(Changing):
    stepwise = False

    def index(self, table: Target, name: str) -> Query:
        return Query("select 'valid', sql from sqlite_master where type = 'index' and name = :name", {"name": name})

    def drop_index(self, table: Target, name: str) -> str:
        return f"drop index if exists {quote(name)}"
