"""What is installed, as the catalog has it: which objects are ours, what made them, and whether they were altered."""

from __future__ import annotations

from holdfast.dialects.postgresql.live_view import LIVE_VIEWS

# Everything that is or may be ours. A definition is what was made of the rendered SQL, spelt so that neither a
# session's search_path nor a dump and restore changes it; with it, whatever else makes the object safe: whose it
# is, who else may call or write it.
_COLUMNS = "kind, name, schema_name, table_name, marker, definition, enabled, replaceable, per_table, ours, target"
_TRIGGERS = """\
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
where not t.tgisinternal and t.tgparentid = 0"""
_FUNCTIONS = """\
select 'function', p.proname, null, null, obj_description(p.oid, 'pg_proc'),
    concat_ws(' ', pg_get_functiondef(p.oid), p.proowner = n.nspowner,
        (select string_agg(coalesce(r.rolname, 'public'), ',' order by r.rolname)
         from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
         left join pg_roles as r on r.oid = a.grantee
         where a.grantee <> p.proowner),
        -- What marks rows has the rights of the table's owner, who may be another one by now.
        case when p.prosecdef and p.proowner <> (
            select c.relowner
            from holdfast.relation as r
            join pg_class as c on c.oid = case
                when r.journal_oid = 'holdfast.relation'::regclass
                    and r.system = (select s.system_identifier from pg_control_system() as s) then r.oid
                else to_regclass(format('%I.%I', r.schema_name, r.table_name)) end
            where r.id = substring(p.proname from '^soft_delete_[a-z]+_([0-9]+)')::integer) then 'another owner' end),
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
where n.nspname = 'holdfast' and p.prokind = 'f'"""
_POLICIES = """\
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
join pg_namespace as n on n.oid = c.relnamespace"""
_KEYS = """\
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
where k.contype in ('f', 'u') and k.conparentid = 0 and n.nspname <> 'holdfast'"""
_INDEXES = """\
select 'index', x.relname, n.nspname, c.relname, obj_description(x.oid, 'pg_class'),
    concat_ws(' ', i.indisunique, i.indisvalid, m.amname,
        (select string_agg(pg_get_indexdef(x.oid, u.position::integer, false), ',' order by u.position)
         from generate_series(1, i.indnatts) as u (position)),
        pg_get_expr(i.indpred, i.indrelid)),
    i.indisvalid, true, true, x.relname ~ '^holdfast_tenant_[0-9_]+$', format('index %I.%I', n.nspname, x.relname)
from pg_index as i
join pg_class as x on x.oid = i.indexrelid
join pg_class as c on c.oid = i.indrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_am as m on m.oid = x.relam
-- Of an index over a partitioned table those of the partitions are parts.
where n.nspname not in ('holdfast', 'pg_catalog', 'pg_toast') and not x.relispartition"""
_RELATIONS = """\
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
                  -- There while a tenant is moved or deleted.
                  and t.tgname !~ '^tenant_closed_'
                  -- Whether consumers are woken is for whoever runs the database to say.
                  and t.tgfoid is distinct from to_regprocedure('holdfast.wake_up()'))) end,
    true, true, false, false, format('%s holdfast.%I', case c.relkind when 'v' then 'view' when 'i' then 'index'
        when 'I' then 'index' else 'table' end, c.relname)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'holdfast' and c.relkind in ('r', 'p', 'v', 'i', 'I')"""
_SCHEMA = """\
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
OBJECTS = "\nunion all\n".join((_TRIGGERS, _FUNCTIONS, _POLICIES, _KEYS, _INDEXES, _RELATIONS, _SCHEMA))


def _one_of(kind: str, *queries: str) -> str:
    query = "\nunion all\n".join(queries)
    return f"""\
    if kind = '{kind}' then
        select o.definition, o.target into strict v_definition, v_target
        from (
{query}
        ) as o ({_COLUMNS})
        where o.kind = mark.kind and o.name = mark.name and coalesce(o.schema_name, '') = mark.schema_name
            and coalesce(o.table_name, '') = mark.table_name;
    end if;"""


# What the function that marks an object asks of it. Each kind has a query of its own, since a plan for all of them
# takes longer to make, and to begin, than any of these takes to run.
ONE = "\n".join(
    (
        _one_of("trigger", _TRIGGERS),
        _one_of("function", _FUNCTIONS),
        _one_of("policy", _POLICIES),
        _one_of("foreign key", _KEYS),
        _one_of("unique key", _KEYS),
        _one_of("index", _INDEXES, _RELATIONS),
        _one_of("view", _RELATIONS),
        _one_of("table", _RELATIONS),
        _one_of("schema", _SCHEMA),
    )
)

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
