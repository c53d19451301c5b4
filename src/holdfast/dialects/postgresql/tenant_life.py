"""A tenant's rows in all tables: counted, copied, closed to others and deleted."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.retention import PostgreSQLRetention
from holdfast.dialects.postgresql.sql import literal, qualified, quote
from holdfast.dialects.postgresql.values import all_settings
from holdfast.dialects.query import Query
from holdfast.dialects.retention import Part
from holdfast.dialects.tenant_life import Rows, TenantLife
from holdfast.objects import Protection
from holdfast.policies import Audit
from holdfast.tables import ColumnInfo, ForeignKey, TableInfo, TableName

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

_REFUSE = """\
create or replace function holdfast.refuse_closed() returns trigger
language plpgsql
as $holdfast$
begin
    raise exception using errcode = 'HF484',
        message = 'The rows of this tenant are being moved or deleted, and are not written meanwhile.',
        schema = tg_table_schema, table = tg_table_name,
        hint = 'Wait until that is done; see how far it is: holdfast tenants ledger TENANT.';
end
$holdfast$"""

# Where a table is one tenant's as a whole, its changes need not say so.
_OWNED = "(c.tenant = :tenant or c.relation = any (cast(:relations as integer[])))"
# Recorded before the table had tenants: known by the key of a row that was recorded later as the tenant's.
_UNOWNED = """\
c.tenant is null and exists (
        select from holdfast.change as o
        where o.relation = c.relation and o.key = c.key and o.tenant = :tenant)"""

_LINE = """\
json_build_object(
    'id', c.id, 'transaction', coalesce(t.id::text, 'x' || c.xid::text), 'at', c.at, 'committed', t.committed,
    'actor', t.actor, 'tenant', t.tenant, 'reason', t.reason, 'context', t.context,
    'table', (select concat(r.schema_name, '.', r.table_name) from holdfast.relation as r where r.id = c.relation),
    'operation', c.operation, 'key', c.key::json, 'last_key', c.key_last,
    'before', holdfast.named(c.relation, c.before), 'after', holdfast.named(c.relation, c.after)
)::text"""


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
        return tenant

    def journal_tables(self) -> Query:
        return Query("select to_regclass('holdfast.actor_role') is not null", {})

    def permission_tables(self) -> tuple[TableInfo, ...]:
        role = TableName("holdfast", "permission_role")
        parent = ForeignKey("parent", role, ("parent_tenant", "parent"), role, ("tenant", "name"))
        permission, actor = TableName("holdfast", "role_permission"), TableName("holdfast", "actor_role")
        granted = ForeignKey("role", permission, ("tenant", "role"), role, ("tenant", "name"))
        given = ForeignKey("role", actor, ("role_tenant", "role"), role, ("tenant", "name"))
        times = ("expires_at", "granted_at")
        return (
            _table(role, ("tenant", "name", "parent_tenant", "parent"), ("tenant", "name"), parent),
            _table(permission, ("tenant", "role", "pattern"), ("tenant", "role", "pattern"), granted),
            _table(
                actor,
                ("tenant", "actor", "role_tenant", "role", "expires_at", "granted_by", "granted_at"),
                ("tenant", "actor", "role_tenant", "role"),
                given,
                times,
            ),
        )

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
        columns = ", ".join(_value(rows, name) for name in rows.compared)
        return Query(_SUMMARY.format(columns=columns, table=qualified(rows.table.name), condition=_which(rows)), {})

    def count(self, rows: Rows) -> Query:
        return Query(f"select count(*) from {qualified(rows.table.name)} as t where {_which(rows)}", {})

    # ------------------------------------------------------------------ copies

    def copy_out(self, rows: Rows) -> str:
        columns = ", ".join(_value(rows, name) for name in rows.compared)
        order = ", ".join(f"t.{quote(name)}" for name in rows.table.key)
        return (
            f"copy (\n    select {columns} from {qualified(rows.table.name)} as t where {_which(rows)}"
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
                same.append(_which(Rows(rows.table, rows.column, rows.tenant)))
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

    # ------------------------------------------------------------------ closing

    def try_lock(self, digest: str) -> Query:
        return Query("select pg_try_advisory_lock(hashtextextended(:name, 0))", {"name": f"holdfast.tenant {digest}"})

    def close(self, rows: Rows, digest: str) -> tuple[str, ...]:
        # Two that make the function at once would be in each other's way.
        made = ["select pg_advisory_xact_lock(hashtextextended('holdfast.refuse_closed', 0))", _REFUSE]
        free = f"current_setting('holdfast.tenant_at_work', true) is distinct from {literal(digest)}"
        for table in _targets(rows.table):
            for event, row in (("insert", "new"), ("update", "old"), ("delete", "old")):
                name = _lock_name(digest, event)
                which = "" if rows.whole else f"{_which(rows, row)} and "
                made += [
                    f"drop trigger if exists {name} on {qualified(table)}",
                    f"create trigger {name} before {event} on {qualified(table)}\n"
                    f"    for each row when ({which}{free}) execute function holdfast.refuse_closed()",
                ]
        return tuple(made)

    def open(self, rows: Rows, digest: str) -> tuple[str, ...]:
        return tuple(
            f"drop trigger if exists {_lock_name(digest, event)} on {qualified(table)}"
            for table in _targets(rows.table)
            for event in ("insert", "update", "delete")
        )

    def may_write(self, digest: str) -> Query:
        return Query(
            "select set_config('holdfast.tenant_at_work', :digest, true),"
            " set_config('holdfast.allow', 'mass,hard_delete', true)",
            {"digest": digest},
        )

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
            f"    and {_which(rows)} and {PostgreSQLRetention().is_held(number, key)}\nlimit 1",
            {},
        )

    def held_history(self, tenant: str, relations: Sequence[int]) -> Query:
        return Query(
            "select r.schema_name, r.table_name, h.key\nfrom holdfast.hold as h\n"
            "join holdfast.relation as r on r.id = h.relation\nwhere exists (\n"
            f"    select from holdfast.change as c where c.relation = h.relation and c.key = h.key and {_OWNED})\n"
            "limit 1",
            {"tenant": tenant, "relations": list(relations)},
        )

    def delete(self, rows: Rows, limit: int) -> Query:
        table = qualified(rows.table.name)
        if not rows.table.key:
            return Query(f"with gone as (delete from {table} as t where {_which(rows)} returning 1)\n{_GONE}", {})
        columns = ", ".join(f"t.{quote(name)}" for name in rows.table.key)
        same = " and ".join(f"d.{quote(name)} = g.{quote(name)}" for name in rows.table.key)
        return Query(
            f"with given as materialized (\n    select {columns} from {table} as t where {_which(rows)}\n"
            f"    order by {columns} limit {int(limit)}\n),\n"
            f"gone as (delete from {table} as d using given as g where {same} returning 1)\n{_GONE}",
            {},
        )

    def delete_together(self, group: Sequence[Rows]) -> Query:
        parts = ",\n".join(
            f"gone_{number} as (delete from {qualified(rows.table.name)} as t where {_which(rows)} returning 1)"
            for number, rows in enumerate(group)
        )
        counts = ", ".join(f"(select count(*) from gone_{number})" for number in range(len(group)))
        return Query(f"with {parts}\nselect {counts}", {})

    def count_history(self, tenant: str, relations: Sequence[int]) -> Query:
        return Query(
            f"select count(*) from holdfast.change as c where {_OWNED} or {_UNOWNED}",
            {"tenant": tenant, "relations": list(relations)},
        )

    def history_in(
        self,
        part: Part,
        piece: tuple[int, int],
        tenant: str,
        relations: Sequence[int],
        unsealed: str,
        *,
        unowned: bool,
    ) -> Query:
        return Query(
            f"select c.id, c.relation\nfrom only holdfast.{quote(part.name)} as c\n"
            f"where c.ctid >= '({piece[0]},0)'::tid and c.ctid < '({piece[1]},0)'::tid and not {unsealed}\n"
            f"    and {_UNOWNED if unowned else _OWNED}",
            {"tenant": tenant} if unowned else {"tenant": tenant, "relations": list(relations)},
        )

    def history(self, tenant: str, relations: Sequence[int]) -> Query:
        return Query(
            f"select {_LINE}\nfrom holdfast.change as c\n"
            "left join holdfast.transaction as t on t.xid = c.xid and t.at = c.at\n"
            f"where {_OWNED} or {_UNOWNED}\norder by c.id",
            {"tenant": tenant, "relations": list(relations)},
        )


_GONE = "select count(*) from gone"


def _which(rows: Rows, row: str = "t") -> str:
    """A condition over a row: it is the tenant's. The constant takes the column's type."""
    if rows.whole or rows.column is None:
        return "true"
    return f"{row}.{quote(rows.column)} = {literal(rows.tenant)}"


def _value(rows: Rows, name: str) -> str:
    """A role is of its tenant or of every one, and a copy says which: it may become another tenant's."""
    column = f"t.{quote(name)}"
    if not _is_relative(rows, name):
        return column
    return f"case when {column} = '' then '' when {column} is not null then 'own' end"


def _given(rows: Rows, name: str) -> str:
    column = f"s.{quote(name)}"
    if not _is_relative(rows, name):
        return column
    return f"case when {column} = 'own' then {literal(rows.tenant)} else {column} end"


def _is_relative(rows: Rows, name: str) -> bool:
    return rows.table.name.schema == "holdfast" and name in ("parent_tenant", "role_tenant")


def _insert(number: int, rows: Rows) -> str:
    names, values = list(rows.compared), [_given(rows, name) for name in rows.compared]
    if rows.column is not None:
        names.append(rows.column)
        values.append(literal(rows.tenant))
    return (
        f"insert into {qualified(rows.table.name)} ({', '.join(map(quote, names))})\noverriding system value\n"
        f"select {', '.join(values)}\nfrom pg_temp.holdfast_stage_{number} as s"
    )


def _lock_name(digest: str, event: str) -> str:
    """Not one of those that protection consists of, which are compared with what was declared."""
    return quote(f"tenant_closed_{digest[:12]}_{event}")


def _targets(table: TableInfo) -> tuple[TableName, ...]:
    """A partition has the triggers of its table by itself; what inherits has not."""
    return (table.name,) if table.kind == "partitioned" else (table.name, *table.children)


def _table(
    name: TableName, columns: Sequence[str], key: tuple[str, ...], refers: ForeignKey, times: Sequence[str] = ()
) -> TableInfo:
    kinds = dict.fromkeys(times, ("timestamp with time zone", "timestamptz"))
    return TableInfo(
        name=name,
        columns=tuple(
            ColumnInfo(each, *kinds.get(each, ("text", "text")), position=place)
            for place, each in enumerate(columns, 1)
        ),
        key=key,
        foreign_keys=(refers,),
    )
