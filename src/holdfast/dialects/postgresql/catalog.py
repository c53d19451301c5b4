"""What is there: the users' tables, and what the journal says of them, as JSON documents."""

from __future__ import annotations

from holdfast.dialects.catalog import Catalog
from holdfast.dialects.postgresql.installed import INSTALLED


def _own_triggers(which: str) -> str:
    """A subquery: the events after which these triggers of the users' own run. Bit 1 is for each row, bit 2 before."""
    return f"""(
        select json_agg(distinct e.event)
        from pg_trigger as t
        join pg_proc as p on p.oid = t.tgfoid
        join (values (4, 'insert'), (8, 'delete'), (16, 'update')) as e (bit, event) on t.tgtype & e.bit <> 0
        where not t.tgisinternal and p.pronamespace is distinct from to_regnamespace('holdfast')
            and {which})"""


_BY_ROW = _own_triggers("""t.tgtype & 3 = 1
            and t.tgrelid in (select c.oid union all select q.relid from pg_partition_tree(c.oid) as q)""")
# They run in the order of their names.
_EARLY = _own_triggers("t.tgtype & 3 = 0 and t.tgrelid = c.oid and t.tgname < 'holdfast_'")

# One document for each table of the user's schemas, in the shape that the inspector reads.
TABLES = f"""\
select json_build_object(
    'schema', n.nspname,
    'name', c.relname,
    'oid', c.oid::bigint,
    'owner', pg_get_userbyid(c.relowner),
    'last_position', c.relnatts,
    'kind', case when c.relpersistence = 't' then 'temporary'
                 when c.relispartition then 'partition'
                 when c.relkind = 'p' then 'partitioned'
                 when c.relkind = 'f' then 'foreign'
                 else 'ordinary' end,
    'inherits', not c.relispartition and c.relkind = 'r' and exists (
        select from pg_inherits as i where i.inhrelid = c.oid or i.inhparent = c.oid),
    'children', (
        with recursive below as (
            select i.inhrelid as oid from pg_inherits as i where i.inhparent = c.oid
            union
            select i.inhrelid from below as b join pg_inherits as i on i.inhparent = b.oid
        )
        select json_agg(json_build_array(ln.nspname, l.relname) order by ln.nspname, l.relname)
        from below as b
        join pg_class as l on l.oid = b.oid
        join pg_namespace as ln on ln.oid = l.relnamespace),
    'partitions', case when c.relkind = 'p' then (
        select json_agg(json_build_array(ln.nspname, l.relname) order by ln.nspname, l.relname)
        from pg_partition_tree(c.oid) as p
        join pg_class as l on l.oid = p.relid
        join pg_namespace as ln on ln.oid = l.relnamespace
        where p.isleaf and l.oid <> c.oid) end,
    'partition_columns', case when c.relkind = 'p' then (
        select json_agg(distinct a.attname)
        from pg_partition_tree(c.oid) as p
        join pg_partitioned_table as t on t.partrelid = p.relid
        -- A key that is an expression stands there as 0, and may be over any column.
        join pg_attribute as a on a.attrelid = t.partrelid and a.attnum > 0 and not a.attisdropped
            and (a.attnum = any (t.partattrs) or 0 = any (t.partattrs))) end,
    'row_security', (
        select json_agg(json_build_array(ln.nspname, l.relname) order by ln.nspname, l.relname)
        from (select c.oid as relid union select q.relid from pg_partition_tree(c.oid) as q) as r
        join pg_class as l on l.oid = r.relid
        join pg_namespace as ln on ln.oid = l.relnamespace
        where l.relrowsecurity),
    'own_policies', exists (
        select from pg_policy as p where p.polrelid = c.oid and p.polpermissive and p.polname !~ '^holdfast_'),
    'closed', c.relrowsecurity and not exists (select from pg_policy as p where p.polrelid = c.oid),
    'row_triggers', {_BY_ROW},
    'early_triggers', {_EARLY},
    'columns', (
        select json_agg(json_build_object(
            'name', a.attname,
            'type', format_type(a.atttypid, a.atttypmod),
            -- Equality under a nondeterministic collation is not identity.
            'base_type', b.typname || case when l.collisdeterministic is false then ' (nondeterministic)' else '' end,
            'type_kind', case when t.typtype = 'd' and b.typtype = 'b' and b.typelem <> 0 and b.typlen = -1 then 'array'
                              when b.typtype = 'b' and b.typelem <> 0 and b.typlen = -1 then 'array'
                              when b.typtype = 'b' then 'base'
                              when b.typtype = 'c' then 'composite'
                              when b.typtype = 'e' then 'enum'
                              when b.typtype = 'r' then 'range'
                              when b.typtype = 'm' then 'multirange'
                              else 'pseudo' end,
            'position', a.attnum,
            'nullable', not a.attnotnull,
            'default', pg_get_expr(d.adbin, d.adrelid),
            'generated', a.attgenerated <> '',
            'virtual', a.attgenerated = 'v',
            'identity', case a.attidentity when 'a' then 'always' when 'd' then 'default' else '' end
        ) order by a.attnum)
        from pg_attribute as a
        join pg_type as t on t.oid = a.atttypid
        -- The type below all domains.
        cross join lateral (
            with recursive below as (
                select t.oid, t.typtype, t.typbasetype
                union all
                select u.oid, u.typtype, u.typbasetype
                from below join pg_type as u on below.typtype = 'd' and u.oid = below.typbasetype
            )
            select u.typname, u.typtype, u.typelem, u.typlen
            from below join pg_type as u on u.oid = below.oid
            where below.typtype <> 'd'
        ) as b
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        left join pg_collation as l on l.oid = a.attcollation
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
    'uniques', (
        select json_agg(json_build_object(
            'name', ic.relname,
            'primary', i.indisprimary,
            'partial', i.indpred is not null or i.indexprs is not null,
            'deferrable', not i.indimmediate,
            'constraint', u.oid is not null,
            'ours', coalesce(obj_description(u.oid, 'pg_constraint'), obj_description(ic.oid, 'pg_class')) like 'holdfast:%',
            'columns', (select coalesce(json_agg(a.attname order by k.position), '[]')
                        from unnest(i.indkey::smallint[]) with ordinality as k (number, position)
                        join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number
                        where k.position <= i.indnkeyatts)
        ) order by i.indisprimary desc, ic.relname)
        from pg_index as i
        join pg_class as ic on ic.oid = i.indexrelid
        left join pg_constraint as u on u.conindid = i.indexrelid and u.contype in ('p', 'u')
        where i.indrelid = c.oid and i.indisunique and i.indisvalid),
    'foreign_keys', (
        select json_agg(json_build_object(
            'name', f.conname,
            'columns', (select json_agg(a.attname order by k.position)
                        from unnest(f.conkey) with ordinality as k (number, position)
                        join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = k.number),
            'target_schema', fn.nspname,
            'target', fc.relname,
            'target_columns', (select json_agg(a.attname order by k.position)
                               from unnest(f.confkey) with ordinality as k (number, position)
                               join pg_attribute as a on a.attrelid = f.confrelid and a.attnum = k.number),
            'on_delete', f.confdeltype,
            -- ON DELETE SET NULL (some of the columns); read from the row as JSON, for PostgreSQL 14 has no such column,
            -- nor have those before 18 the last two.
            'let_go', (select json_agg(a.attname order by a.attnum)
                       from json_array_elements_text(case json_typeof(to_json(f) -> 'confdelsetcols')
                           when 'array' then to_json(f) -> 'confdelsetcols' end) as s (number)
                       join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = s.number::integer),
            'on_update', f.confupdtype,
            'deferral', case when f.condeferred then 'DEFERRABLE INITIALLY DEFERRED' when f.condeferrable then 'DEFERRABLE' end,
            'ours', obj_description(f.oid, 'pg_constraint') like 'holdfast:%',
            'period', to_json(f) -> 'conperiod',
            'enforced', to_json(f) -> 'conenforced'
        ) order by f.conname)
        from pg_constraint as f
        join pg_class as fc on fc.oid = f.confrelid
        join pg_namespace as fn on fn.oid = fc.relnamespace
        -- Of a key from or to a partitioned table the partitions have parts.
        where f.conrelid = c.oid and f.contype = 'f' and f.conparentid = 0)
) as document
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'holdfast')
    -- What belongs to an extension is the extension's.
    and not exists (select from pg_depend as e
                    where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
order by n.nspname, c.relname"""

STATE = """\
select json_build_object(
    'version', current_setting('server_version_num')::integer,
    'marker', (select obj_description(n.oid, 'pg_namespace') from pg_namespace as n where n.nspname = 'holdfast'),
    'schema_exists', exists (select from pg_namespace as n where n.nspname = 'holdfast'),
    'journal_owner', (select pg_get_userbyid(n.nspowner) from pg_namespace as n where n.nspname = 'holdfast'),
    'default_schema', coalesce(current_schema(), 'public'),
    'role', current_user,
    'superuser', r.rolsuper,
    'may_create_role', r.rolsuper or r.rolcreaterole,
    'may_create_schema', has_database_privilege(current_database(), 'create'),
    'may_read_journal', coalesce((select has_table_privilege(c.oid, 'select') from pg_class as c
                                  join pg_namespace as n on n.oid = c.relnamespace
                                  where n.nspname = 'holdfast' and c.relname = 'change'), true),
    'role_exists', exists (select from pg_roles as h where h.rolname = 'holdfast'),
    -- Until 15 a role that may create roles may give itself any; from 16 on only those that it made.
    'role_usable', r.rolsuper or coalesce(
        (select pg_has_role(h.oid, 'member') or r.rolcreaterole and current_setting('server_version_num')::integer < 160000
         from pg_roles as h where h.rolname = 'holdfast'), r.rolcreaterole),
    -- The roles whose rights the present one has.
    'roles', (select json_agg(h.rolname) from pg_roles as h where pg_has_role(h.oid, 'usage')),
    -- Without these it cannot be said what was declared.
    'missing', (select json_agg(w.name) from unnest(array['relation', 'relation_column']) as w (name)
                where exists (select from pg_namespace as n where n.nspname = 'holdfast') and not exists (
                    select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                    where n.nspname = 'holdfast' and c.relname = w.name)),
    'columns', (select json_object_agg(t.relname, t.names) from (
                    select c.relname, json_agg(a.attname) as names
                    from pg_class as c
                    join pg_namespace as n on n.oid = c.relnamespace
                    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                    where n.nspname = 'holdfast' and c.relkind in ('r', 'p') and not c.relispartition
                    group by c.relname) as t),
    -- What else can be asked.
    'readable', (select json_agg(c.relname) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                 where n.nspname = 'holdfast' and c.relname in ('change', 'change_default', 'hold', 'role')
                     and has_table_privilege(c.oid, 'select')),
    -- No change is later: the partitions for later ones are empty. NULL where that cannot be told.
    'journal_end', (select case when count(*) = count(p.upper) and not exists (select from pg_extension as e where e.extname = 'citus')
                               then nullif(greatest(max(p.upper), now() + interval '1 month'), 'infinity') end
                    from (
                        select (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO [(]''([^'']+)''[)]'))[1]::timestamptz as upper
                        from pg_inherits as i
                        join pg_class as c on c.oid = i.inhrelid
                        where i.inhparent = to_regclass('holdfast.change')
                            and (c.relkind <> 'r' or pg_relation_size(c.oid) > 0)
                    ) as p),
    -- Whether a context counts only with a signature; whether tables may be spread over several servers.
    'signed', exists (select from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
                      where n.nspname = 'holdfast' and p.proname = 'signed_tenant'),
    'keys', exists (select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                    where n.nspname = 'holdfast' and c.relname = 'signing_key'),
    'distributed', exists (select from pg_extension as e where e.extname = 'citus'),
    'schemas', (select json_agg(n.nspname) from pg_namespace as n where n.nspname !~ '^pg_'),
    -- What no new view can be called, beside the tables.
    'other_names', (select json_agg(json_build_array(n.nspname, c.relname))
                    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                    where c.relkind not in ('r', 'p', 'f', 't')
                        and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'holdfast'))
) as document
from pg_roles as r
where r.rolname = current_user"""

RELATIONS = """\
with carrier as materialized (
    -- Whose triggers call the functions of a relation. A partition has some of its table's own; what may be on another
    -- table, soft_delete_parent_ID_NUMBER, tells nothing.
    select distinct on (t.relation) t.relation, t.oid
    from (
        select substring(p.proname from '^(?:record|guard|stamp|soft_delete|tenant|permit)_(?:[a-z_]+_)?([0-9]+)$') as relation,
            c.oid, c.relispartition, count(*) as triggers
        from pg_trigger as t
        join pg_proc as p on p.oid = t.tgfoid
        join pg_class as c on c.oid = t.tgrelid
        where p.pronamespace = 'holdfast'::regnamespace and t.tgparentid = 0
        group by 1, c.oid
    ) as t
    where t.relation is not null
    order by t.relation, t.relispartition, t.triggers desc, t.oid
)
select json_build_object(
    'id', r.id,
    -- In a copy that was dumped and restored the oids are others, and may be those of other tables.
    'oid', case when own.oids then r.oid::bigint end,
    -- There the table is known by the triggers that came along, whatever it is called by now.
    'carrier', case when not own.oids then (select c.oid::bigint from carrier as c where c.relation = r.id::text) end,
    'schema', r.schema_name,
    'name', r.table_name,
    'key', r.key_columns,
    'policies', r.policies,
    'added', r.added_columns,
    'protected', r.protected,
    'since', r.since,
    'typed', true,
    'columns', (select json_agg(json_build_object('id', c.id, 'name', c.name, 'position', c.position, 'type', c.type)
                                order by c.id)
                from holdfast.relation_column as c where c.relation = r.id and not c.dropped),
    'next_column', (select coalesce(max(c.id), 0) + 1 from holdfast.relation_column as c where c.relation = r.id)
) as document
from holdfast.relation as r
cross join lateral (
    select r.journal_oid = 'holdfast.relation'::regclass
        and r.system = (select c.system_identifier from pg_control_system() as c) as oids
) as own
order by r.id"""

CATALOG = Catalog(TABLES, STATE, RELATIONS, INSTALLED, roles="select r.duty, r.name from holdfast.role as r")
