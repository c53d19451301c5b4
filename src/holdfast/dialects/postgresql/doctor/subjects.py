"""What the checks are about: the roles that are judged, the tables of tenants, and what reads those tables."""

from __future__ import annotations

# Everybody may read these. Any of the three is left where somebody took away the others.
_MADE = """\
    -- The journal has policies of the same names, for what it shows to an application.
    select e.oid from (
        select p.polrelid from pg_policy as p where p.polname in ('holdfast_tenant', 'holdfast_tenant_only')
        union
        select t.tgrelid from pg_trigger as t
        where t.tgname = 'holdfast_tenant' and t.tgparentid = 0 and not t.tgisinternal
    ) as e (oid)
    join pg_class as m on m.oid = e.oid and m.relnamespace is distinct from to_regnamespace('holdfast')"""

_DECLARED = """
    union
    select d.oid from declared as d"""

# What the journal knows; an application may not read it.
_JOURNAL = """\
protected (oid, relation, policies) as (
    select c.oid, r.id, r.policies
    from holdfast.relation as r
    join pg_namespace as n on n.nspname = r.schema_name
    join pg_class as c on c.relnamespace = n.oid and c.relname = r.table_name
    where r.protected
),
declared (oid, column_name, global_keys) as (
    select p.oid, coalesce(e.policy ->> 'column', 'tenant_id'), coalesce(e.policy -> 'global_keys', '[]')
    from protected as p
    cross join lateral jsonb_array_elements(p.policies) as e (policy)
    where e.policy ->> 'policy' = 'Tenant'
),"""

_COLUMN = """\
(select a.attname
     from pg_depend as d
     join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
     where d.refclassid = 'pg_class'::regclass and d.refobjid = r.oid and d.refobjsubid > 0
         and (d.classid = 'pg_policy'::regclass
                 and exists (select from pg_policy as p where p.oid = d.objid and p.polname like 'holdfast!_tenant%' escape '!')
             or d.classid = 'pg_trigger'::regclass
                 and exists (select from pg_trigger as t where t.oid = d.objid and t.tgname = 'holdfast_tenant'))
     limit 1)"""

_SUBJECTS = """\
with recursive {journal}
judged as (
    select r.oid, r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole
    from pg_roles as r
    where {judged}
),
root (oid) as (
{roots}
),
-- Partitions and children can be read by themselves.
family (oid, root) as (
    select r.oid, r.oid from root as r
    union
    select i.inhrelid, f.root from family as f join pg_inherits as i on i.inhparent = f.oid
),
tenant_table as (
    select c.oid, f.root, c.relname, c.relnamespace, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity,
        format('%I.%I', n.nspname, c.relname) as name, a.attname as column_name, a.attnum as column_number,
        a.attnotnull as column_not_null
    from family as f
    join pg_class as c on c.oid = f.oid
    join pg_namespace as n on n.oid = c.relnamespace
    join root as r on r.oid = f.root
    left join pg_attribute as a on a.attrelid = c.oid and not a.attisdropped and a.attname = {column}
    -- A child of a table of tenants that is one itself is told of once.
    where f.oid = f.root or f.oid not in (select o.oid from root as o)
),
-- Of the journal, what no application may see whole.
told (oid, of) as (
    select c.oid, case when c.relname = 'signing_key' then 'the keys that contexts are signed with'
                       else 'the journal of all tenants' end
    from pg_class as c
    where c.relnamespace = to_regnamespace('holdfast')
        and (c.relname = 'signing_key' or c.relname in ('change', 'transaction') and exists (select from tenant_table))
),
-- The tables of tenants and what is told of all of them, and the views over those and over each other. By
-- tenant_timeline a tenant sees what is its own, and so it does by a view over that.
shown (oid, of) as (
    select t.oid, 'tenants' from tenant_table as t
    union
    select t.oid, t.of from told as t
    union
    select w.ev_class, s.of
    from shown as s
    join pg_depend as d on d.refclassid = 'pg_class'::regclass and d.refobjid = s.oid and d.classid = 'pg_rewrite'::regclass
    join pg_rewrite as w on w.oid = d.objid
    where w.ev_class <> s.oid and w.ev_class is distinct from to_regclass('holdfast.tenant_timeline')
),
reach (oid) as (
    select s.oid from shown as s where s.of = 'tenants'
),
retold (oid, of) as (
    select s.oid, s.of from shown as s where s.of <> 'tenants'
),
-- An auditor is to read all of the journal, and a superuser does whatever is said here.
kept_out (oid, rolname) as (
    select j.oid, j.rolname from judged as j
    where not j.rolsuper and not exists (
        select from pg_policy as p
        cross join unnest(p.polroles) as u (oid)
        where p.polrelid = to_regclass('holdfast.change') and p.polname = 'holdfast_tenant_auditor'
            and pg_has_role(j.oid, u.oid, 'usage'))
),
-- Whose functions and views read past row security, whoever calls them.
unbound (oid) as (
    select r.oid from pg_roles as r where r.rolsuper or r.rolbypassrls
)"""


def subjects(*, journal: bool) -> str:
    """The beginning of every query; with ``journal`` it takes the parameter ``roles``."""
    column = (
        f"coalesce((select d.column_name from declared as d where d.oid = r.oid), {_COLUMN})" if journal else _COLUMN
    )
    return _SUBJECTS.format(
        journal=_JOURNAL if journal else "",
        judged="r.rolname = any(cast(:roles as text[]))" if journal else "r.rolname in (current_user, session_user)",
        roots=_MADE + (_DECLARED if journal else ""),
        column=column,
    )
