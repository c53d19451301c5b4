"""The server and its settings: old minor versions, settings that are given to whoever logs in, default privileges."""

from __future__ import annotations

from holdfast.dialects.doctor import Check

SETTING = """\
select case when w.name = 'row_security' then 'warning' else 'error' end, coalesce(r.rolname, d.datname, 'every role'),
    format('%s is set to %L for %s from the start: %s.', w.name, w.value,
        concat_ws(' in ', coalesce('the role ' || r.rolname, 'every role'), 'the database ' || d.datname),
        case w.name when 'row_security' then 'queries are refused where row security would hide rows'
             when 'session_replication_role' then 'no trigger fires, and what is written is not recorded'
             else 'a session that says nothing has a tenant or a leave' end),
    format('alter %s reset %s;', case
        when r.rolname is null and d.datname is null then 'role all'
        when r.rolname is null then format('database %I', d.datname)
        when d.datname is null then format('role %I', r.rolname)
        else format('role %I in database %I', r.rolname, d.datname) end, w.name)
from pg_db_role_setting as s
cross join lateral unnest(s.setconfig) as e (setting)
cross join lateral (select split_part(e.setting, '=', 1), substring(e.setting from '=(.*)')) as w (name, value)
left join pg_roles as r on r.oid = s.setrole
left join pg_database as d on d.oid = s.setdatabase
where (s.setdatabase = 0 or d.datname = current_database()) and (s.setrole = 0 or s.setrole in (select j.oid from judged as j))
    and (w.name like 'holdfast.%' or w.name = 'row_security' and w.value in ('off', 'false', '0', 'no')
        or w.name = 'session_replication_role' and w.value = 'replica')"""

DEFAULTS = """\
select 'warning', coalesce(n.nspname, 'every schema'),
    format('New tables of %s in %s are open to %s at once, before anything protects them.', pg_get_userbyid(d.defaclrole),
        coalesce('the schema ' || n.nspname, 'every schema'), coalesce(g.rolname, 'everybody')),
    format('alter default privileges for role %I%s revoke %s on tables from %s;', pg_get_userbyid(d.defaclrole),
        coalesce(format(' in schema %I', n.nspname), ''), lower(string_agg(a.privilege_type, ', ')),
        coalesce(quote_ident(g.rolname), 'public'))
from pg_default_acl as d
cross join lateral aclexplode(d.defaclacl) as a
left join pg_namespace as n on n.oid = d.defaclnamespace
left join pg_roles as g on g.oid = a.grantee
where d.defaclobjtype = 'r' and a.grantee <> d.defaclrole
    and (a.grantee = 0 or exists (select from judged as j where pg_has_role(j.oid, a.grantee, 'member')))
group by d.defaclrole, n.nspname, g.rolname"""

# Each by the first minor version that is mended, of every major version that needed it.
VERSION = """\
select 'warning', 'PostgreSQL ' || current_setting('server_version'),
    format('This server lacks the fix of %s: %s.', string_agg(f.name, ', ' order by f.name), string_agg(f.what, '; ' order by f.name)),
    '-- install the newest minor version'
from (values
    ('CVE-2023-2455', 'a plan that was made for one role may serve another', array[140008, 150003]),
    ('CVE-2023-39418', 'MERGE passes over policies', array[150004]),
    ('CVE-2024-10976', 'a plan that was made for one role may serve another', array[140014, 150009, 160005, 170001]),
    ('CVE-2025-8713', 'statistics show values that row security hides', array[140019, 150014, 160010, 170006])
) as f (name, what, mended)
where exists (
    select from unnest(f.mended) as m (version)
    where current_setting('server_version_num')::integer / 10000 = m.version / 10000
        and current_setting('server_version_num')::integer < m.version)
having count(*) > 0"""

CHECKS = (
    Check("setting", SETTING, at_start=True),
    Check("default-privileges", DEFAULTS),
    Check("server-version", VERSION, at_start=True),
)
