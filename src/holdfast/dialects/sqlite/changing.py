"""Changing a table: an index alone can be added to it as it stands; all else makes the table anew."""

from __future__ import annotations

from holdfast.dialects.base import Query
from holdfast.dialects.changing import Changing, Target
from holdfast.dialects.sqlite.sql import quote


class SQLiteChanging(Changing):
    stepwise = False

    def index(self, table: Target, name: str) -> Query:
        return Query("select 'valid', sql from sqlite_master where type = 'index' and name = :name", {"name": name})

    def hanging(self, table: Target) -> tuple[Query, ...]:
        return (
            Query(
                "select 'rows of ' || m.name || ' refer to it, and would be deleted with the old one'\n"
                "from sqlite_master as m, pragma_foreign_key_list(m.name) as k, pragma_foreign_keys as on_\n"
                "where m.type = 'table' and on_.foreign_keys and k.\"table\" = :name collate nocase",
                {"name": table.name},
            ),
            Query(
                "select m.type || ' ' || m.name || ' would be gone with the old one'\n"
                "from sqlite_master as m where m.tbl_name = :name collate nocase and (m.type = 'trigger' or m.type = 'index'\n"
                "    and exists (select 1 from pragma_index_xinfo(m.name) as x where x.key and x.cid = -2))",
                {"name": table.name},
            ),
        )

    def drop_index(self, table: Target, name: str) -> str:
        return f"drop index if exists {quote(name)}"
