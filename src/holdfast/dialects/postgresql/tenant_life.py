"""A tenant's rows in all tables: counted, copied and deleted."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from holdfast.dialects.postgresql import permissions
from holdfast.dialects.postgresql.holds import PostgreSQLHolds
from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.sql import literal, qualified, quote
from holdfast.dialects.postgresql.tenant_closing import PostgreSQLTenantClosing
from holdfast.dialects.postgresql.tenant_history import PostgreSQLTenantHistory
from holdfast.dialects.postgresql.tenant_rows import given, value, which
from holdfast.dialects.postgresql.values import all_settings
from holdfast.dialects.query import Query
from holdfast.dialects.tenant_life import Rows, TenantLife
from holdfast.objects import Protection
from holdfast.policies import Audit
from holdfast.tables import ColumnInfo, TableInfo

_BITS = {"int2": 15, "int4": 31, "int8": 63}

# Each row's digest as two numbers that are added up: the order does not matter, a row that is there twice does.
_SUMMARY = """\
select count(*) as rows, concat(coalesce(sum(d.high), 0), ':', coalesce(sum(d.low), 0)) as checksum
from (
    select ('x' || encode(substr(s.digest, 1, 8), 'hex'))::bit(64)::bigint::numeric as high,
        ('x' || encode(substr(s.digest, 9, 8), 'hex'))::bit(64)::bigint::numeric as low
    from (
        select sha256(convert_to(row({columns})::text, 'UTF8')) as digest
        from {table} as t where {condition}
    ) as s
) as d"""

# A restrictive policy that concerns this role would hide rows even from who works across tenants.
_SEES_ALL = """\
select not row_security_active({table}) or (
        exists (select from pg_policy as p where p.polrelid = {table}::regclass
                    and p.polname = 'holdfast_all_tenants'
                    and exists (select from unnest(p.polroles) as r where pg_has_role(r, 'usage')))
        and not exists (select from pg_policy as p where p.polrelid = {table}::regclass and not p.polpermissive
                    and exists (select from unnest(p.polroles) as r where r = 0 or pg_has_role(r, 'usage')))
    ) as across,
    not row_security_active({table}) as always"""


class PostgreSQLTenantLife(TenantLife):
    # ------------------------------------------------------------------ what is a tenant's

    def spelled(self, column: ColumnInfo, tenant: str) -> str | None:
        if "\0" in tenant or not tenant:
            return None
        if column.base_type in _BITS:
            if not re.fullmatch(r"-?[0-9]{1,19}", tenant):
                return None
            number = int(tenant)
            return str(number) if -(2 ** _BITS[column.base_type]) <= number < 2 ** _BITS[column.base_type] else None
        if column.base_type == "uuid":
            try:
                return str(uuid.UUID(tenant))
            except ValueError:
                return None
        if column.base_type == "bpchar":
            # The blanks at the end are none of the value's: the journal has it without them.
            return tenant.rstrip(" ") or None
        return tenant

    def journal_tables(self) -> Query:
        return Query("select to_regclass('holdfast.actor_role') is not null", {})

    def permission_tables(self) -> tuple[TableInfo, ...]:
        return permissions.DESCRIBED

    def materialized(self, columns: Sequence[str]) -> Query:
        return Query(
            "select n.nspname::text as schema, c.relname::text as name, a.attname::text as column\n"
            "from pg_class as c\njoin pg_namespace as n on n.oid = c.relnamespace\n"
            "join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0\n"
            "where c.relkind = 'm' and a.attname = any (cast(:columns as text[])) order by 1, 2, 3",
            {"columns": list(columns)},
        )

    def sees_all(self, table: TableInfo) -> Query:
        return Query(_SEES_ALL.format(table=literal(qualified(table.name))), {})

    def settings(self) -> tuple[Query, ...]:
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in all_settings())
        return (Query(f"select {calls}, set_config('client_encoding', 'UTF8', true)", {}),)

    def summary(self, rows: Rows) -> Query:
        columns = ", ".join(value(rows, name) for name in rows.compared)
        return Query(_SUMMARY.format(columns=columns, table=qualified(rows.table.name), condition=which(rows)), {})

    def count(self, rows: Rows) -> Query:
        return Query(f"select count(*) from {qualified(rows.table.name)} as t where {which(rows)}", {})

    # ------------------------------------------------------------------ copies

    def copy_out(self, rows: Rows) -> str:
        columns = ", ".join(value(rows, name) for name in rows.compared)
        order = ", ".join(f"t.{quote(name)}" for name in rows.table.key)
        return (
            f"copy (\n    select {columns} from {qualified(rows.table.name)} as t where {which(rows)}"
            f"{f' order by {order}' if order else ''}\n) to stdout"
        )

    def stage(self, number: int, table: TableInfo, columns: Sequence[str]) -> tuple[str, str]:
        listed = ", ".join(map(quote, columns))
        return (
            f"create temporary table holdfast_stage_{number} on commit drop as\n"
            f"select {listed} from {qualified(table.name)} with no data",
            f"copy pg_temp.holdfast_stage_{number} ({listed}) from stdin",
        )

    def colliding(self, number: int, rows: Rows, columns: Sequence[str], limit: int) -> Query:
        found = []
        for unique in rows.table.uniques:
            if unique.partial or not unique.columns or not set(unique.columns) <= {*columns, rows.column}:
                continue
            names = [name for name in unique.columns if name != rows.column]
            same = [f"t.{quote(name)} = s.{quote(name)}" for name in names]
            if rows.column in unique.columns:
                same.append(which(Rows(rows.table, rows.column, rows.tenant)))
            shown = ", ', ', ".join(f"s.{quote(name)}" for name in names) or "''"
            found.append(
                f"select {literal(', '.join(names))} as columns, concat({shown}) as key\n"
                f"from pg_temp.holdfast_stage_{number} as s\n"
                f"where exists (select from {qualified(rows.table.name)} as t where {' and '.join(same)})"
            )
        union = "\nunion all\n".join(f"({each}\nlimit {int(limit)})" for each in found)
        return Query(union or "select '' as columns, '' as key where false", {})

    def arrive(self, staged: Sequence[tuple[int, Rows]]) -> str:
        inserts = [_insert(number, rows) for number, rows in staged]
        if len(inserts) == 1:
            return inserts[0]
        within = ",\n".join(f"arrived_{number} as (\n{each}\n)" for number, each in enumerate(inserts[:-1]))
        return f"with {within}\n{inserts[-1]}"

    def as_it_was(self) -> Query:
        return Query("select set_config('holdfast.undo', 'exact', true)", {})

    def move_sequences(self, table: TableInfo) -> tuple[str, ...]:
        return tuple(
            f"""\
do $holdfast$
declare
    v_sequence text := pg_get_serial_sequence({literal(qualified(table.name))}, {literal(column.name)});
    v_highest bigint;
    v_last bigint;
begin
    if v_sequence is null then
        return;
    end if;
    select max(t.{quote(column.name)}) into v_highest from {qualified(table.name)} as t;
    execute format('select last_value - case when is_called then 0 else 1 end from %s', v_sequence) into v_last;
    if v_highest > v_last then
        perform setval(v_sequence, v_highest);
    end if;
end
$holdfast$"""
            for column in table.columns
            if column.base_type in _BITS and (column.identity or "nextval(" in (column.default or ""))
        )

    # ------------------------------------------------------------------ work on it

    def try_lock(self, digest: str) -> Query:
        return Query("select pg_try_advisory_lock(hashtextextended(:name, 0))", {"name": f"holdfast.tenant {digest}"})

    def ledger(self, digest: str) -> Query:
        return Query(
            "select i.kind, i.at, i.actor, i.reason, i.details::text as details from holdfast.intervention as i\n"
            "where i.kind like 'tenant\\_%' and i.details ->> 'tenant' = :digest order by i.id",
            {"digest": digest},
        )

    # ------------------------------------------------------------------ deleting

    def held(self, protection: Protection, rows: Rows) -> Query:
        number = protection.relation.id
        key = Recorder(protection, protection.get(Audit) or Audit()).key("t")
        return Query(
            f"select {key} as key from {qualified(rows.table.name)} as t\n"
            f"where exists (select from holdfast.hold as h where h.relation = {number})\n"
            f"    and {which(rows)} and {PostgreSQLHolds().is_held(number, key)}\nlimit 1",
            {},
        )

    def delete(self, rows: Rows, limit: int) -> Query:
        table = qualified(rows.table.name)
        if not rows.table.key:
            return Query(f"with gone as (delete from {table} as t where {which(rows)} returning 1)\n{_GONE}", {})
        columns = ", ".join(f"t.{quote(name)}" for name in rows.table.key)
        same = " and ".join(f"d.{quote(name)} = g.{quote(name)}" for name in rows.table.key)
        return Query(
            f"with given as materialized (\n    select {columns} from {table} as t where {which(rows)}\n"
            f"    order by {columns} limit {int(limit)}\n),\n"
            f"gone as (delete from {table} as d using given as g where {same} returning 1)\n{_GONE}",
            {},
        )

    def delete_together(self, group: Sequence[Rows]) -> Query:
        parts = ",\n".join(
            f"gone_{number} as (delete from {qualified(rows.table.name)} as t where {which(rows)} returning 1)"
            for number, rows in enumerate(group)
        )
        counts = ", ".join(f"(select count(*) from gone_{number})" for number in range(len(group)))
        return Query(f"with {parts}\nselect {counts}", {})

    # ------------------------------------------------------------------ what else there is of it

    @property
    def closing(self) -> PostgreSQLTenantClosing:
        return PostgreSQLTenantClosing()

    @property
    def history(self) -> PostgreSQLTenantHistory:
        return PostgreSQLTenantHistory()


_GONE = "select count(*) from gone"


def _insert(number: int, rows: Rows) -> str:
    names, values = list(rows.compared), [given(rows, name) for name in rows.compared]
    if rows.column is not None:
        names.append(rows.column)
        values.append(literal(rows.tenant))
    return (
        f"insert into {qualified(rows.table.name)} ({', '.join(map(quote, names))})\noverriding system value\n"
        f"select {', '.join(values)}\nfrom pg_temp.holdfast_stage_{number} as s"
    )
