"""What is there: the catalog queries, each answering JSON documents or plain rows."""

from __future__ import annotations

from holdfast.dialects.postgresql.live_view import LIVE_VIEWS

# One document for each table of the user's schemas, in the shape that the inspector reads.
TABLES = """\
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
    'row_triggers', (
        select json_agg(distinct e.event)
        from pg_trigger as t
        join pg_proc as p on p.oid = t.tgfoid
        join (values (4, 'insert'), (8, 'delete'), (16, 'update')) as e (bit, event) on t.tgtype & e.bit <> 0
        -- Bits 1 and 2: for each row, and before.
        where t.tgtype & 3 = 1 and not t.tgisinternal and p.pronamespace is distinct from to_regnamespace('holdfast')
            and t.tgrelid in (select c.oid union all select q.relid from pg_partition_tree(c.oid) as q)),
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
            -- ON DELETE SET NULL (some of the columns); read from the row as JSON, for PostgreSQL 14 has no such column.
            'let_go', (select json_agg(a.attname order by a.attnum)
                       from json_array_elements_text(case json_typeof(to_json(f) -> 'confdelsetcols')
                           when 'array' then to_json(f) -> 'confdelsetcols' end) as s (number)
                       join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = s.number::integer),
            'on_update', f.confupdtype,
            'deferral', case when f.condeferred then 'DEFERRABLE INITIALLY DEFERRED' when f.condeferrable then 'DEFERRABLE' end,
            'ours', obj_description(f.oid, 'pg_constraint') like 'holdfast:%'
        ) order by f.conname)
        from pg_constraint as f
        join pg_class as fc on fc.oid = f.confrelid
        join pg_namespace as fn on fn.oid = fc.relnamespace
        where f.conrelid = c.oid and f.contype = 'f' and not fc.relispartition)
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
    -- What else can be asked.
    'readable', (select json_agg(c.relname) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                 where n.nspname = 'holdfast' and c.relname in ('change', 'change_default', 'hold', 'role')
                     and has_table_privilege(c.oid, 'select')),
    -- Whether a context counts only with a signature; whether tables may be spread over several servers.
    'signed', exists (select from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
                      where n.nspname = 'holdfast' and p.proname = 'signed_tenant'),
    'keys', exists (select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                    where n.nspname = 'holdfast' and c.relname = 'signing_key'),
    'distributed', exists (select from pg_extension as e where e.extname = 'citus'),
    -- What no new view can be called, beside the tables.
    'other_names', (select json_agg(json_build_array(n.nspname, c.relname))
                    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                    where c.relkind not in ('r', 'p', 'f', 't')
                        and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'holdfast'))
) as document
from pg_roles as r
where r.rolname = current_user"""

RELATIONS = """\
select json_build_object(
    'id', r.id,
    -- In a copy that was dumped and restored the oids are others, and may be those of other tables.
    'oid', case when r.journal_oid = 'holdfast.relation'::regclass
                     and r.system = (select c.system_identifier from pg_control_system() as c) then r.oid::bigint end,
    'schema', r.schema_name,
    'name', r.table_name,
    'key', r.key_columns,
    'policies', r.policies,
    'added', r.added_columns,
    'protected', r.protected,
    'since', r.since,
    'columns', (select json_agg(json_build_object('id', c.id, 'name', c.name, 'position', c.position, 'type', c.type)
                                order by c.id)
                from holdfast.relation_column as c where c.relation = r.id and not c.dropped),
    'next_column', (select coalesce(max(c.id), 0) + 1 from holdfast.relation_column as c where c.relation = r.id)
) as document
from holdfast.relation as r
order by r.id"""

# Everything that is or may be ours. A definition is what was made of the rendered SQL, spelt so that neither a
# session's search_path nor a dump and restore changes it; with it, whatever else makes the object safe: whose it
# is, who else may call or write it.
OBJECTS = """\
select 'trigger' as kind, t.tgname as name, n.nspname as schema_name, c.relname as table_name,
    obj_description(t.oid, 'pg_trigger') as marker,
    concat_ws(' ',
        substring(d.definition for position(' EXECUTE FUNCTION ' in d.definition)), f.pronamespace::regnamespace,
        f.proname, encode(t.tgargs, 'hex'),
        -- What a TRUNCATE takes away is read first.
        case when f.proname like 'record!_truncate!_%' escape '!'
             then has_table_privilege(f.proowner, c.oid, 'select') end
    ) as definition,
    t.tgenabled in ('O', 'A') and not (c.relkind = 'p' and exists (
        select from pg_partition_tree(c.oid) as l
        join pg_trigger as k on k.tgrelid = l.relid and k.tgname = t.tgname and k.tgparentid <> 0
        where k.tgenabled not in ('O', 'A'))) as enabled,
    t.tgconstraint = 0 as replaceable,
    n.nspname <> 'holdfast' as per_table,
    f.pronamespace = to_regnamespace('holdfast') and strpos(t.tgname, 'holdfast_') > 0 as ours,
    format('trigger %I on %I.%I', t.tgname, n.nspname, c.relname) as target
from pg_trigger as t
cross join lateral (select pg_get_triggerdef(t.oid) as definition) as d
join pg_proc as f on f.oid = t.tgfoid
join pg_class as c on c.oid = t.tgrelid
join pg_namespace as n on n.oid = c.relnamespace
where not t.tgisinternal and t.tgparentid = 0
union all
select 'function', p.proname, null, null, obj_description(p.oid, 'pg_proc'),
    concat_ws(' ', pg_get_functiondef(p.oid), p.proowner = n.nspowner,
        (select string_agg(coalesce(r.rolname, 'public'), ',' order by r.rolname)
         from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
         left join pg_roles as r on r.oid = a.grantee
         where a.grantee <> p.proowner)),
    true,
    p.prorettype = 'trigger'::regtype,
    own.per_table,
    own.per_table,
    format('function %s', p.oid::regprocedure)
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
cross join lateral (
    select p.pronargs = 0 and p.proname ~ '^(record|past|guard|stamp|soft_delete|tenant|permit)_([a-z_]+_)?[0-9]+(_[0-9]+)?$' as per_table
) as own
where n.nspname = 'holdfast' and p.prokind = 'f'
union all
select 'policy', p.polname, n.nspname, c.relname, obj_description(p.oid, 'pg_policy'),
    concat_ws(' ', p.polcmd, p.polpermissive,
        -- The owner of a table may be another one tomorrow, and then the policy is for that one.
        case when p.polname = 'holdfast_tenant_owner' then (p.polroles = array[c.relowner])::text
             else (select string_agg(coalesce(r.rolname, 'public'), ',' order by r.rolname)
                   from unnest(p.polroles) as g (oid) left join pg_roles as r on r.oid = g.oid) end,
        pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid),
        -- The column that says whose row it is.
        (select concat_ws(' ', a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
         from pg_depend as u
         join pg_attribute as a on a.attrelid = u.refobjid and a.attnum = u.refobjsubid
         left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
         where u.classid = 'pg_policy'::regclass and u.objid = p.oid and u.refobjsubid > 0
         limit 1)),
    -- The journal's owner writes it, and is above this.
    c.relrowsecurity and (c.relforcerowsecurity or n.nspname = 'holdfast'),
    true, n.nspname <> 'holdfast', p.polname ~ '^holdfast_(tenant|all_tenants|permit)',
    format('policy %I on %I.%I', p.polname, n.nspname, c.relname)
from pg_policy as p
join pg_class as c on c.oid = p.polrelid
join pg_namespace as n on n.oid = c.relnamespace
union all
-- Keys that have the tenant in front.
select case k.contype when 'f' then 'foreign key' else 'unique key' end, k.conname, n.nspname, c.relname,
    obj_description(k.oid, 'pg_constraint'),
    concat_ws(' ', k.contype, k.convalidated, k.condeferrable, k.condeferred, k.confupdtype, k.confdeltype,
        f.relnamespace::regnamespace, f.relname,
        (select string_agg(a.attname, ',' order by u.position)
         from unnest(k.conkey) with ordinality as u (number, position)
         join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.number),
        (select string_agg(a.attname, ',' order by u.position)
         from unnest(k.confkey) with ordinality as u (number, position)
         join pg_attribute as a on a.attrelid = k.confrelid and a.attnum = u.number)),
    true, true, true, false, format('constraint %I on %I.%I', k.conname, n.nspname, c.relname)
from pg_constraint as k
join pg_class as c on c.oid = k.conrelid
join pg_namespace as n on n.oid = c.relnamespace
left join pg_class as f on f.oid = k.confrelid
where k.contype in ('f', 'u') and k.conparentid = 0 and n.nspname <> 'holdfast'
union all
select 'index', x.relname, n.nspname, c.relname, obj_description(x.oid, 'pg_class'),
    concat_ws(' ', i.indisunique, i.indisvalid, m.amname,
        (select string_agg(pg_get_indexdef(x.oid, u.position::integer, false), ',' order by u.position)
         from generate_series(1, i.indnatts) as u (position)),
        pg_get_expr(i.indpred, i.indrelid)),
    i.indisvalid, true, true, x.relname ~ '^holdfast_tenant', format('index %I.%I', n.nspname, x.relname)
from pg_index as i
join pg_class as x on x.oid = i.indexrelid
join pg_class as c on c.oid = i.indrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_am as m on m.oid = x.relam
-- Of an index over a partitioned table those of the partitions are parts.
where n.nspname not in ('holdfast', 'pg_catalog', 'pg_toast') and not x.relispartition
union all
select case c.relkind when 'v' then 'view' when 'i' then 'index' when 'I' then 'index' else 'table' end,
    c.relname, null, null, obj_description(c.oid, 'pg_class'),
    case when c.relkind = 'v' then replace(pg_get_viewdef(c.oid), 'holdfast.', '')
         when c.relkind in ('i', 'I') then replace(pg_get_indexdef(c.oid), 'holdfast.', '') || (
             select i.indisvalid::text from pg_index as i where i.indexrelid = c.oid)
         else concat_ws(' ', c.relpersistence, c.relhasrules,
             -- Of these two it comes and goes with the policies of the roles.
             c.relrowsecurity and c.relname not in ('change', 'transaction'),
             (select string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                                          a.atthasdef, a.attidentity), ', ' order by a.attname)
              from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
             (select string_agg(concat_ws(' ', k.contype, (
                         select string_agg(a.attname, ',' order by u.position)
                         from unnest(k.conkey) with ordinality as u (number, position)
                         join pg_attribute as a on a.attrelid = c.oid and a.attnum = u.number)), ', ' order by k.conname)
              from pg_constraint as k where k.conrelid = c.oid and k.contype in ('p', 'u', 'f')),
             (select string_agg(t.tgname, ',' order by t.tgname)
              from pg_trigger as t where t.tgrelid = c.oid and not t.tgisinternal
                  -- Whether consumers are woken is for whoever runs the database to say.
                  and t.tgfoid is distinct from to_regprocedure('holdfast.wake_up()'))) end,
    true, true, false, false, format('%s holdfast.%I', case c.relkind when 'v' then 'view' when 'i' then 'index'
        when 'I' then 'index' else 'table' end, c.relname)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'holdfast' and c.relkind in ('r', 'p', 'v', 'i', 'I')
union all
-- The schema stands for the rights: nobody else may make anything in it, or write any of it.
select 'schema', n.nspname, null, null, obj_description(n.oid, 'pg_namespace'),
    concat_ws(' ',
        (select string_agg(concat(coalesce(r.rolname, 'public'), '=', a.privilege_type), ','
                           order by r.rolname, a.privilege_type)
         from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
         left join pg_roles as r on r.oid = a.grantee
         where a.grantee <> n.nspowner),
        (select string_agg(concat(c.relname, ' ', coalesce(r.rolname, 'public'), '=', a.privilege_type), ','
                           order by c.relname, r.rolname, a.privilege_type)
         from pg_class as c
         cross join lateral aclexplode(c.relacl) as a
         left join pg_roles as r on r.oid = a.grantee
         where c.relnamespace = n.oid and a.grantee <> c.relowner and a.privilege_type <> 'SELECT'
             and c.relname <> 'consumer')),
    true, true, false, false, format('schema %I', n.nspname)
from pg_namespace as n
where n.nspname = 'holdfast'"""

INSTALLED = f"""\
select o.kind, o.name, o.schema_name, o.table_name,
    substring(o.marker from 'src=([0-9a-f]+)') as source,
    substring(o.marker from 'cat=([0-9a-f]+)') is distinct from left(md5(o.definition), 12) as altered,
    o.enabled, o.replaceable or not o.per_table as replaceable, o.per_table, o.used_by
from (
    select o.kind, o.name, o.schema_name, o.table_name, o.marker, o.definition, o.enabled, o.replaceable, o.per_table,
        null::json as used_by
    from (
{OBJECTS}
    ) as o
    where o.marker like 'holdfast:%' or o.ours
    union all
    select 'view', v.name, v.schema_name, v.table_name, v.marker, v.definition, true, v.replaceable, true, v.used_by
    from (
{LIVE_VIEWS}
    ) as v
) as o
order by o.kind, o.schema_name, o.table_name, o.name"""
