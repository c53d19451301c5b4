"""Views and functions: what reads the tables with other rights than those of whoever asks."""

from __future__ import annotations

from holdfast.dialects.doctor import Check

_USERS = """\
n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'holdfast')"""

_READABLE = """\
case when exists (select from judged as j where has_any_column_privilege(j.oid, c.oid, 'select'))
         then 'error' else 'warning' end"""

# One that no role of the application reads is a report of whoever runs the database, as below.
_TOLD = f"""\
select 'error', format('%I.%I', n.nspname, c.relname),
    format('The {{what}} %I.%I shows %s with the rights of its owner, %s.', n.nspname, c.relname, r.of, pg_get_userbyid(c.relowner)),
    format('revoke all on %I.%I from public%s;', n.nspname, c.relname, (select string_agg(', ' || quote_ident(k.rolname), '') from kept_out as k))
from retold as r
join pg_class as c on c.oid = r.oid and c.relkind = '{{kind}}'
join pg_namespace as n on n.oid = c.relnamespace
where {_USERS}
    and exists (select from kept_out as k where has_any_column_privilege(k.oid, c.oid, 'select'))
    and not exists (select from pg_options_to_table(c.reloptions) as o
                    where o.option_name = 'security_invoker' and o.option_value::boolean)"""

VIEW = f"""\
select {_READABLE}, format('%I.%I', n.nspname, c.relname),
    format('The view %I.%I reads tables of tenants with the rights of its owner, %s.', n.nspname, c.relname, pg_get_userbyid(c.relowner)),
    case when current_setting('server_version_num')::integer >= 150000
         then format('alter view %I.%I set (security_invoker = true);', n.nspname, c.relname)
         else format('drop view %I.%I; -- security_invoker needs PostgreSQL 15', n.nspname, c.relname) end
from reach as r
join pg_class as c on c.oid = r.oid and c.relkind = 'v'
join pg_namespace as n on n.oid = c.relnamespace
where {_USERS}
    and not exists (select from pg_options_to_table(c.reloptions) as o
                    where o.option_name = 'security_invoker' and o.option_value::boolean)
union all
{_TOLD.format(what="view", kind="v")}"""

# One that no role of the application reads is a report of whoever runs the database.
MATERIALIZED = f"""\
select 'error', format('%I.%I', n.nspname, c.relname),
    format('The materialized view %I.%I holds rows of all tenants, and can have no row security.', n.nspname, c.relname),
    format('revoke all on %I.%I from public%s;', n.nspname, c.relname,
        (select string_agg(', ' || quote_ident(j.rolname), '') from judged as j))
from reach as r
join pg_class as c on c.oid = r.oid and c.relkind = 'm'
join pg_namespace as n on n.oid = c.relnamespace
where {_USERS}
    and exists (select from judged as j where not j.rolsuper and has_any_column_privilege(j.oid, c.oid, 'select'))
union all
{_TOLD.format(what="materialized view", kind="m")}"""

_CALLABLE = "exists (select from judged as j where has_function_privilege(j.oid, f.oid, 'execute'))"
_DEFINER = f"""\
f.prosecdef and {_USERS}
    and not exists (select from pg_depend as e where e.classid = 'pg_proc'::regclass and e.objid = f.oid and e.deptype = 'e')"""
_SEVERITY = f"case when f.proowner in (select u.oid from unbound as u) and {_CALLABLE} then 'error' else 'warning' end"

# Which tables a body names can only be guessed at by its words.
DEFINER = f"""\
select {_SEVERITY}, f.oid::regprocedure::text,
    format('The function %s reads or writes tables of tenants with the rights of its owner, %s.', f.oid::regprocedure, pg_get_userbyid(f.proowner)),
    format('alter function %s security invoker;', f.oid::regprocedure)
from pg_proc as f
join pg_namespace as n on n.oid = f.pronamespace
where {_DEFINER}
    and (exists (select from reach as r join pg_class as c on c.oid = r.oid
                 where c.relname = any (regexp_split_to_array(f.prosrc, '[^[:alnum:]_]+'))
                     or c.relname = any (regexp_split_to_array(lower(f.prosrc), '[^[:alnum:]_]+'))
                     or strpos(f.prosrc, quote_ident(c.relname)) > 0 and quote_ident(c.relname) <> c.relname)
        or exists (select from pg_depend as d
                   where d.classid = 'pg_proc'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass
                       and d.refobjid in (select r.oid from reach as r)))"""

PATH = f"""\
select {_SEVERITY}, f.oid::regprocedure::text,
    format('The function %s runs with the rights of its owner, %s, and looks names up where its caller says.', f.oid::regprocedure, pg_get_userbyid(f.proowner)),
    format('alter function %s set search_path = %s, pg_temp;', f.oid::regprocedure, coalesce(
        (select substring(s.setting from '^search_path=(.+)$') from unnest(f.proconfig) as s (setting)
         where s.setting ~ '^search_path=.' and s.setting !~ 'pg_temp'), 'pg_catalog'))
from pg_proc as f
join pg_namespace as n on n.oid = f.pronamespace
where {_DEFINER}
    -- Where pg_temp is not named it comes first.
    and not exists (select from unnest(f.proconfig) as s (setting) where s.setting ~ '^search_path=(.*, *)?"?pg_temp"?$')"""

IMMUTABLE = f"""\
select 'error', f.oid::regprocedure::text,
    format('The function %s reads a setting and is declared IMMUTABLE: what it said to one tenant stays in plans that serve the next.', f.oid::regprocedure),
    format('alter function %s stable;', f.oid::regprocedure)
from pg_proc as f
join pg_namespace as n on n.oid = f.pronamespace
where f.provolatile = 'i' and {_USERS} and f.prosrc ~* '[[:<:]]current_setting[[:>:]]'"""

VOLATILE = """\
select distinct 'warning', f.oid::regprocedure::text,
    format('The policy %I of %s calls %s, which is VOLATILE: it is asked for each row, and no index is used.', p.polname, t.name, f.oid::regprocedure),
    format('alter function %s stable;', f.oid::regprocedure)
from tenant_table as t
join pg_policy as p on p.polrelid = t.oid
-- On functions that the server brings it does not depend.
cross join lateral regexp_matches(concat(p.polqual::text, p.polwithcheck::text), ':(?:funcid|opfuncid) ([0-9]+)', 'g') as e (call)
join pg_proc as f on f.oid = e.call[1]::oid
where f.provolatile = 'v'"""

CHECKS = (
    Check("definer-view", VIEW, at_start=True),
    Check("materialized-view", MATERIALIZED, at_start=True),
    Check("definer-function", DEFINER, at_start=True),
    Check("definer-search-path", PATH),
    Check("immutable-getter", IMMUTABLE, at_start=True),
    Check("volatile-policy", VOLATILE),
)
