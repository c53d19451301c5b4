"""The tables: is row security on for each, forced, and not opened by something beside it? Which tables have none?"""

from __future__ import annotations

from holdfast.dialects.doctor import Check

OFF = """\
select 'error', t.name, format('Row security of %s is off: whoever may read it reads all tenants.', t.name),
    format('alter table %s enable row level security, force row level security;', t.name)
from tenant_table as t
where not t.relrowsecurity
union all
-- Where nobody has the duty of the application the journal has no policy, and nobody was given a right to it.
select 'error', format('holdfast.%I', c.relname),
    format('Row security of holdfast.%I is off: it shows %s to %s.', c.relname, o.of, string_agg(k.rolname, ', ' order by k.rolname)),
    format('alter table holdfast.%I enable row level security;', c.relname)
from told as o
join pg_class as c on c.oid = o.oid and not c.relrowsecurity
join kept_out as k on has_any_column_privilege(k.oid, c.oid, 'select')
where c.relname = 'signing_key' or exists (select from pg_policy as p where p.polrelid = c.oid and p.polname = 'holdfast_tenant')
group by c.relname, o.of"""

NOT_FORCED = """\
select 'error', t.name, format('Row security of %s is not forced: it does not hold for its owner.', t.name),
    format('alter table %s force row level security;', t.name)
from tenant_table as t
where t.relrowsecurity and not t.relforcerowsecurity"""

# The policy that stays the only way, whatever others are added.
_APPLIES = "(0 = any ({policy}.polroles) or exists (select from unnest({policy}.polroles) as u (oid) where pg_has_role({role}, u.oid, 'usage')))"

PERMISSIVE = f"""\
select case when bool_and(held.is) then 'warning' else 'error' end, t.name,
    format('The policy %I of %s lets rows through beside ours%s.', p.polname, t.name,
        case when bool_and(held.is) then '; ours still holds, for it is restrictive' else ', and nothing restricts it' end),
    format('drop policy %I on %s;', p.polname, t.name)
from tenant_table as t
join pg_policy as p on p.polrelid = t.oid and p.polpermissive
    and p.polname not in ('holdfast_tenant', 'holdfast_tenant_owner', 'holdfast_all_tenants', 'holdfast_read', 'holdfast_permit')
join judged as j on {_APPLIES.format(policy="p", role="j.oid")}
cross join lateral (
    select exists (select from pg_policy as o
                   where o.polrelid = t.oid and o.polname = 'holdfast_tenant_only' and not o.polpermissive
                       and o.polcmd = '*' and {_APPLIES.format(policy="o", role="j.oid")}) as is
) as held
group by t.name, p.polname
union all
select 'error', format('holdfast.%I', c.relname),
    format('The policy %I of holdfast.%I shows %s to %s.', p.polname, c.relname, o.of, string_agg(k.rolname, ', ' order by k.rolname)),
    format('drop policy %I on holdfast.%I;', p.polname, c.relname)
from told as o
join pg_class as c on c.oid = o.oid
join pg_policy as p on p.polrelid = c.oid and p.polpermissive and p.polcmd in ('r', '*')
    and p.polname not in ('holdfast_tenant', 'holdfast_tenant_auditor')
join kept_out as k on has_any_column_privilege(k.oid, c.oid, 'select')
    and {_APPLIES.format(policy="p", role="k.oid")}
group by c.relname, p.polname, o.of"""

MISSING = """\
select 'error', t.name, format('%s has lost its policy %s.', t.name, w.name), '-- holdfast protect'
from tenant_table as t
cross join (values ('holdfast_tenant', true), ('holdfast_tenant_only', false)) as w (name, permissive)
where not exists (select from pg_policy as p
                  where p.polrelid = t.oid and p.polname = w.name and p.polpermissive = w.permissive and p.polcmd = '*')"""

ALTERED = """\
select 'error', t.name, format('The policy %I of %s no longer asks for the tenant.', p.polname, t.name), '-- holdfast protect'
from tenant_table as t
join pg_policy as p on p.polrelid = t.oid and p.polname in ('holdfast_tenant', 'holdfast_tenant_only')
where pg_get_expr(p.polqual, p.polrelid) !~ 'holdfast[.](tenant|signed_tenant)'
    or coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'holdfast.tenant') !~ 'holdfast[.](tenant|signed_tenant)'"""

NULLABLE = """\
select 'warning', t.name, format('%I of %s may be NULL: such a row belongs to nobody and is seen by nobody.', t.column_name, t.name),
    format('alter table %s alter column %I set not null;', t.name, t.column_name)
from tenant_table as t
where t.column_not_null is false"""

# A table beside them without tenants shows its rows to all of them.
_SEEN = """\
case when exists (select from judged as j where not j.rolsuper and has_any_column_privilege(j.oid, c.oid, 'select'))
              then 'error' else 'warning' end"""
_OTHER = """\
c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'holdfast')
    and c.oid not in (select o.oid from tenant_table as o)"""

REFERS = f"""\
select distinct {_SEEN}, format('%I.%I', n.nspname, c.relname),
    format('%I.%I refers to %s, which has tenants, and has none itself: its rows are shown to all.', n.nspname, c.relname,
        string_agg(distinct t.name, ', ')),
    format('-- add a column %I, fill it, and declare Tenant(%L) for %I.%I', min(t.column_name), min(t.column_name), n.nspname, c.relname)
from pg_constraint as k
join tenant_table as t on t.oid = k.confrelid
join pg_class as c on c.oid = k.conrelid
join pg_namespace as n on n.oid = c.relnamespace
where k.contype = 'f' and k.conparentid = 0 and {_OTHER}
group by c.oid, n.nspname, c.relname"""

UNDECLARED = f"""\
select distinct {_SEEN}, format('%I.%I', n.nspname, c.relname),
    format('%I.%I has a column %I, and no Tenant: its rows are shown to all.', n.nspname, c.relname, a.attname),
    format('-- declare Tenant(%L) for %I.%I', a.attname, n.nspname, c.relname)
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid
join pg_namespace as n on n.oid = c.relnamespace
where a.attnum > 0 and not a.attisdropped and {_OTHER}
    and (n.oid, a.attname) in (select t.relnamespace, t.column_name from tenant_table as t)"""

PUBLISHED = """\
select 'warning', t.name, format('%s is published by %I, all tenants together.', t.name, p.pubname),
    format('-- publish it with a row filter: alter publication %I set table %s where (%I = …);', p.pubname, t.name, t.column_name)
from tenant_table as t
join pg_namespace as n on n.oid = t.relnamespace
join pg_publication_tables as p on p.schemaname = n.nspname and p.tablename = t.relname
where to_jsonb(p) ->> 'rowfilter' is null"""

CHECKS = (
    Check("row-security-off", OFF, at_start=True),
    Check("row-security-not-forced", NOT_FORCED, at_start=True),
    Check("policy-missing", MISSING, at_start=True),
    Check("policy-altered", ALTERED, at_start=True),
    Check("permissive-policy", PERMISSIVE, at_start=True),
    Check("tenant-nullable", NULLABLE),
    Check("refers-to-tenants", REFERS),
    Check("tenant-undeclared", UNDECLARED),
    Check("published", PUBLISHED),
)
