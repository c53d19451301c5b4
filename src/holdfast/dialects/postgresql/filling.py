"""Rows that are updated in many small transactions, each of which locks few of them for a moment."""

from __future__ import annotations

from holdfast.dialects.changing import Target
from holdfast.dialects.filling import Filling
from holdfast.dialects.postgresql.changing import name_of
from holdfast.dialects.postgresql.sql import quote
from holdfast.dialects.query import Query


class PostgreSQLFilling(Filling):
    begin = "begin"

    def name(self, table: Target) -> str:
        return name_of(table)

    def quote(self, name: str) -> str:
        return quote(name)

    def key(self, table: Target) -> Query:
        # The primary key, or else the smallest unique one that no NULL is in.
        return Query(
            "select a.attname, format_type(a.atttypid, a.atttypmod)\n"
            "from (\n"
            "    select x.indrelid, x.indkey::smallint[] as columns\n"
            "    from pg_index as x\n"
            "    where x.indrelid = to_regclass(:table) and x.indisunique and x.indisvalid and x.indimmediate\n"
            "        and x.indpred is null and x.indexprs is null and x.indnatts = x.indnkeyatts\n"
            "        and not exists (\n"
            "            select from pg_attribute as n\n"
            "            where n.attrelid = x.indrelid and n.attnum = any (x.indkey) and not n.attnotnull)\n"
            "    order by x.indisprimary desc, x.indnatts, x.indexrelid limit 1\n"
            ") as k\n"
            "cross join lateral unnest(k.columns) with ordinality as c (number, place)\n"
            "join pg_attribute as a on a.attrelid = k.indrelid and a.attnum = c.number\n"
            "order by c.place",
            {"table": name_of(table)},
        )

    def estimate(self, table: Target) -> Query:
        return Query(
            "select reltuples::bigint from pg_class where oid = to_regclass(:table)", {"table": name_of(table)}
        )

    def replica_lag(self) -> str:
        return "select extract(epoch from max(replay_lag))::float8 from pg_stat_replication"

    def bounded_wait(self, milliseconds: int) -> str:
        return f"set local lock_timeout = {milliseconds:d}"

    def key_text(self, column: str) -> str:
        return f"{column}::text"

    def key_value(self, parameter: str, type_: str) -> str:
        return f"cast(cast({parameter} as text) as {type_})"
