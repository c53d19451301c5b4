"""Evidence, the facts: what is installed to protect the tables, as one document that is sealed with the rows."""

from __future__ import annotations

from holdfast.dialects.postgresql.evidence_members import MOMENT
from holdfast.dialects.postgresql.installed import OBJECTS

# A function or a trigger that was changed and changed back bears another xid; of a trigger, its copies on partitions too.
FACTS = f"""\
select json_build_object(
    'place', p.place,
    'version', current_setting('server_version_num')::integer / 10000,
    'relations', coalesce((
        select json_object_agg(r.id, json_build_object('schema', r.schema_name, 'name', r.table_name, 'key', r.key_columns,
            'policies', r.policies, 'added', r.added_columns, 'protected', r.protected,
            'since', {MOMENT.format("r.since")},
            -- In a copy the oid is another one, and the name may be.
            'there', case when r.journal_oid = 'holdfast.relation'::regclass
                               and r.system = (select c.system_identifier from pg_control_system() as c)
                          then exists (select from pg_class as c where c.oid = r.oid)
                          else nullif(to_regclass(format('%I.%I', r.schema_name, r.table_name)) is not null, false) end))
        from holdfast.relation as r), '{{}}'),
    'columns', coalesce((
        select json_object_agg(concat(c.relation, '.', c.id),
            json_build_object('name', c.name, 'position', c.position, 'type', c.type, 'dropped', c.dropped))
        from holdfast.relation_column as c), '{{}}'),
    -- Where any trigger of ours is, copies on partitions included.
    'tables', coalesce((
        select json_agg(distinct concat(n.nspname, '.', c.relname))
        from pg_trigger as t
        join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'holdfast'::regnamespace
        join pg_class as c on c.oid = t.tgrelid
        join pg_namespace as n on n.oid = c.relnamespace), '[]'),
    'objects', coalesce((
        select json_agg(json_build_object(
            'kind', o.kind, 'name', o.name, 'schema', o.schema_name, 'table', o.table_name,
            'state', case when not o.enabled then 'disabled'
                          when substring(o.marker from 'cat=([0-9a-f]+)') is distinct from left(md5(o.definition), 12)
                          then 'altered' else 'current' end,
            'definition', o.definition,
            'versions', case o.kind
                when 'trigger' then (
                    with recursive copies as (
                        select t.oid, t.xmin from pg_trigger as t
                        where t.tgname = o.name
                            and t.tgrelid = to_regclass(format('%I.%I', o.schema_name, o.table_name))
                        union all
                        select t.oid, t.xmin from copies join pg_trigger as t on t.tgparentid = copies.oid
                    )
                    select json_object_agg(k.oid, k.xmin::text) from copies as k)
                when 'function' then (
                    select json_object_agg(f.oid, f.xmin::text) from pg_proc as f
                    where f.pronamespace = 'holdfast'::regnamespace and f.proname = o.name)
            end) order by o.kind, o.schema_name, o.table_name, o.name)
        from (
{OBJECTS}
        ) as o
        where o.marker like 'holdfast:%' or o.ours), '[]')
)::text as document
from (
    select concat((select c.system_identifier from pg_control_system() as c), '/', 'holdfast.relation'::regclass::oid) as place
) as p"""

_INSTALL_LOCK = "hashtextextended('holdfast.install', 0)"
QUIET = f"""\
select exists (
        select from pg_locks as l
        join (select {_INSTALL_LOCK} as key) as k
            on l.classid::bigint = (k.key >> 32) & 4294967295 and l.objid::bigint = k.key & 4294967295
        where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
            and l.database = (select d.oid from pg_database as d where d.datname = current_database())
    ) as installing,
    (select s.last_value from holdfast.intervention_id_seq as s) as interventions"""
