"""Looking at a scratch database before and after each statement."""

from __future__ import annotations

from types import MappingProxyType

from holdfast.dialects.postgresql.sql import literal, quote
from holdfast.dialects.tracing import Tracing

# Numbers below are the server's own.
_OURS = "c.oid >= 16384 and c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't'"
_TABLES = f"    select c.oid from pg_class as c where {_OURS}"

_VALUE = """\
        case
            when t.typcategory = 'N' then format('i::%1$s', type)
            when t.typcategory = 'B' then 'true'
            when t.typcategory = 'S' then format('i::text::%1$s', type)
            when t.typcategory = 'D' then format('(timestamptz ''2020-01-01'' + i * interval ''1 day'')::%1$s', type)
            when t.typcategory = 'T' then format('make_interval(days => i)::%1$s', type)
            when t.typcategory = 'I' then format('(''10.0.0.'' || i)::%1$s', type)
            when t.typcategory = 'E' then format('enum_first(null::%1$s)', type)
            when t.typcategory = 'A' then format('''{}''::%1$s', type)
            when t.typcategory = 'R' then format('''empty''::%1$s', type)
            when t.typname = 'uuid' then 'md5(i::text)::uuid'
            when t.typname in ('json', 'jsonb') then format('to_json(i)::%1$s', type)
            when t.typname = 'bytea' then 'i::text::bytea'
            when t.typname = 'tsvector' then 'i::text::tsvector'
            when t.typname = 'xml' then '''<a/>''::xml'
            else 'null'
        end"""


_ERRORS = {
    ("25001", ""): "concurrently-in-transaction",
    ("55P04", ""): "enum-value-in-transaction",
    ("0A000", "DefineIndex"): "concurrent-index-on-partitioned",
    ("0A000", "RememberAllDependentForRebuilding"): "change-type-of-used-column",
    ("0A000", "ATExecAlterColumnType"): "change-type-of-used-column",
}


class PostgreSQLTracing(Tracing):
    syntax = "42601"
    outside_only = "25001"
    data_errors = ("22", "23")
    errors = MappingProxyType(_ERRORS)
    absent = (("42704", "get_role_oid"), ("42704", "get_rolespec_tuple"), ("0A000", "parse_extension_control_file"))

    def settings(self, time_zone: str) -> tuple[str, ...]:
        return (
            "reset all",
            f"set timezone = {literal(time_zone)}",
            "set lock_timeout = '10s'",
            "set statement_timeout = '60s'",
            "set client_min_messages = debug1",
        )

    def tables(self) -> str:
        return f"""\
select c.oid, n.nspname, c.relname, c.relkind::text, c.relfilenode, pg_relation_size(c.oid) = 0
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where {_OURS}"""

    def columns(self) -> str:
        return f"""\
select a.attrelid, a.attnum, a.attname, a.atttypid || ' ' || a.atttypmod, a.attnotnull,
    case
        when a.attgenerated = 's' then 'generated'
        when a.attidentity <> '' or exists (
            select from pg_depend as d
            where d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum
                and d.classid = 'pg_class'::regclass and d.deptype = 'a'
                and (select s.relkind from pg_class as s where s.oid = d.objid) = 'S'
        ) then 'serial'
        when a.atthasdef then 'default'
        when t.typtype = 'd' then 'domain'
        else ''
    end
from pg_attribute as a
join pg_type as t on t.oid = a.atttypid
where a.attrelid >= 16384 and a.attnum > 0 and not a.attisdropped and a.attrelid in (
{_TABLES}
)"""

    def indexes(self) -> str:
        return f"""\
select x.indexrelid, x.indrelid, i.relfilenode, i.relname,
    coalesce((
        select k.contype::text from pg_constraint as k
        where k.conindid = x.indexrelid and k.conrelid = x.indrelid and k.contype in ('p', 'u', 'x')
    ), ''),
    x.indkey::text
from pg_index as x
join pg_class as i on i.oid = x.indexrelid
where x.indexrelid >= 16384 and i.oid >= 16384 and i.relkind = 'i' and x.indrelid in (
{_TABLES}
)"""

    def constraints(self) -> str:
        return f"""\
select k.oid, k.conname, k.contype::text, k.conrelid, k.confrelid, k.convalidated, array_to_string(k.conkey, ' ')
from pg_constraint as k
where k.oid >= 16384 and (k.contypid <> 0 or k.conrelid in (
{_TABLES}
))"""

    def partitions(self) -> str:
        return """\
select i.inhrelid, i.inhparent
from pg_inherits as i
join pg_class as c on c.oid = i.inhparent
where c.relkind = 'p'"""

    def locks(self) -> str:
        return f"""\
select l.relation, l.mode
from pg_locks as l
where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted
    and l.mode in (
        'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'
    )
    and l.relation in (
{_TABLES}
)"""

    def counters(self) -> str:
        return f"""\
select c.oid, pg_stat_get_xact_numscans(c.oid),
    pg_stat_get_xact_tuples_updated(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid)
from pg_class as c
where c.oid in (
{_TABLES}
)
union all
select 0, 0, sum(
    pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
    + pg_stat_get_xact_tuples_deleted(c.oid)
)
from pg_class as c
where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind = 'r'"""

    def fill(self) -> str:
        return f"""\
select c.oid::regclass::text,
    case when count(v.value) = 0 then format('insert into %s select from generate_series(1, 3)', c.oid::regclass)
    else format(
        'insert into %s (%s) select %s from generate_series(1, 3) as i',
        c.oid::regclass, string_agg(quote_ident(v.attname), ', ' order by v.attnum),
        string_agg(v.value, ', ' order by v.attnum)
    ) end
from pg_class as c
left join (
    select a.attrelid, a.attname, a.attnum,
{_VALUE} as value
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
    cross join lateral format_type(a.atttypid, a.atttypmod) as f (type)
    where a.attnum > 0 and not a.attisdropped and not a.atthasdef and a.attidentity = ''
) as v on v.attrelid = c.oid
where c.relkind = 'r' and not c.relispartition and pg_relation_size(c.oid) = 0 and c.oid in (
{_TABLES}
)
group by c.oid"""

    def empty(self) -> str:
        return f"""\
select c.oid::regclass::text, format('delete from %s', c.oid::regclass)
from pg_class as c
where c.relkind = 'r' and pg_relation_size(c.oid) > 0 and c.oid in (
{_TABLES}
)"""

    def as_replica(self, *, on: bool) -> str:
        return f"set session_replication_role = '{'replica' if on else 'origin'}'"

    def roles(self) -> str:
        return "select rolname from pg_roles where not starts_with(rolname, 'pg_')"

    def make_role(self, name: str) -> str:
        return f"create role {quote(name)} nologin"

    def identity(self) -> str:
        return "select system_identifier::text from pg_control_system()"
