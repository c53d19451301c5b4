"""The role itself: what gets past row security, and what a role of an application must not be able to do."""

from __future__ import annotations

from holdfast.dialects.doctor import Check
from holdfast.dialects.postgresql.sql import literal

# The memberships by which a role comes to be a member of another one, taken away.
_LEAVE = """\
(select string_agg(format('revoke %I from %I;', g.rolname, j.rolname), ' ')
         from pg_auth_members as m
         join pg_roles as g on g.oid = m.roleid
         where m.member = j.oid and pg_has_role(g.oid, {role}, 'member'))"""

SUPERUSER = """\
select 'error', j.rolname, format('%s is a superuser: row security does not hold for it.', j.rolname),
    format('alter role %I nosuperuser nobypassrls;', j.rolname)
from judged as j
where j.rolsuper"""

BYPASS = f"""\
select 'error', j.rolname,
    case when j.oid = b.oid then format('%s has BYPASSRLS: row security does not hold for it.', j.rolname)
         else format('%s is a member of %s, which %s: by SET ROLE it gets past row security.', j.rolname, b.rolname,
                     case when b.rolsuper then 'is a superuser' else 'has BYPASSRLS' end) end,
    case when j.oid = b.oid then format('alter role %I nobypassrls;', j.rolname)
         else {_LEAVE.format(role="b.oid")} end
from judged as j
join pg_roles as b on (b.rolbypassrls or b.rolsuper) and pg_has_role(j.oid, b.oid, 'member')
where not j.rolsuper"""

OWNER = f"""\
select 'error', t.name,
    format('%s %s %s: the owner of a table can switch its row security off.', j.rolname,
        case when j.oid = t.relowner then 'owns' else format('is a member of %s, which owns', pg_get_userbyid(t.relowner)) end,
        t.name),
    coalesce({_LEAVE.format(role="t.relowner")},
        format('-- alter table %s owner to a role that does not log in', t.name))
from judged as j
join tenant_table as t on pg_has_role(j.oid, t.relowner, 'member')
where not j.rolsuper"""

JOURNAL = f"""\
select 'error', j.rolname,
    format('%s has the rights of %s, which owns the journal: it can rewrite what happened.', j.rolname, pg_get_userbyid(n.nspowner)),
    coalesce({_LEAVE.format(role="n.nspowner")}, '-- holdfast protect, run by a role that may create roles')
from judged as j
join pg_namespace as n on n.nspname = 'holdfast' and pg_has_role(j.oid, n.nspowner, 'member')
where not j.rolsuper"""

ALL_TENANTS = f"""\
select distinct 'error', j.rolname,
    format('%s is a member of %s, and so may work across tenants itself.', j.rolname, r.rolname),
    {_LEAVE.format(role="r.oid")}
from judged as j
join pg_policy as p on p.polname = 'holdfast_all_tenants'
join pg_roles as r on r.oid = any (p.polroles) and r.oid <> j.oid and pg_has_role(j.oid, r.oid, 'member')
where not j.rolsuper"""

# Until 15 who may create roles may give itself any but a superuser's.
CREATE_ROLE = """\
select case when current_setting('server_version_num')::integer < 160000 then 'error' else 'warning' end, j.rolname,
    format('%s may create roles, and with them memberships.', j.rolname), format('alter role %I nocreaterole;', j.rolname)
from judged as j
where j.rolcreaterole and not j.rolsuper"""

SERVER_FILES = f"""\
select 'error', j.rolname, format('%s is a member of %s: it reads the files of the tables themselves.', j.rolname, p.rolname),
    {_LEAVE.format(role="p.oid")}
from judged as j
join pg_roles as p on p.rolname in ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
    and pg_has_role(j.oid, p.oid, 'member')
where not j.rolsuper"""

PRIVILEGES = """\
select 'error', t.name,
    format('%s has %s on %s, which row security does not look at.', j.rolname, string_agg(distinct a.privilege_type, ', '), t.name),
    format('revoke %s on %s from %s;', lower(string_agg(distinct a.privilege_type, ', ')), t.name,
        string_agg(distinct coalesce(quote_ident(g.rolname), 'public'), ', '))
from judged as j
cross join tenant_table as t
cross join lateral aclexplode(t.relacl) as a
left join pg_roles as g on g.oid = a.grantee
where a.privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER') and not j.rolsuper
    and not pg_has_role(j.oid, t.relowner, 'member')
    and (a.grantee = 0 or pg_has_role(j.oid, a.grantee, 'member'))
group by j.rolname, t.name"""

# It is told to the people who look after the database, and not at the start: a consumer of the feed may read it all.
TIMELINE = """\
select 'error', format('holdfast.%I', c.relname),
    format('%s may read holdfast.%I, which shows %s.', k.rolname, c.relname, r.of),
    format('revoke all on holdfast.%I from public, %I;', c.relname, k.rolname)
from retold as r
join pg_class as c on c.oid = r.oid and c.relkind = 'v' and c.relnamespace = to_regnamespace('holdfast')
join kept_out as k on has_any_column_privilege(k.oid, c.oid, 'select')"""

# The server has that table from 15 on: a query in a text, of all functions by ts_stat, is not looked at before it runs.
_MAY_SET = """\
select array_to_tsvector(array_agg(a.grantee || ' ' || a.privilege_type))
from pg_catalog.pg_parameter_acl as p
cross join lateral aclexplode(p.paracl) as a
where p.parname = 'session_replication_role'"""
PARAMETER = f"""\
select 'error', 'session_replication_role',
    format('%s may set session_replication_role, by which no trigger fires: it writes what is not recorded, and what no foreign key allows.', j.rolname),
    format('revoke %s on parameter session_replication_role from %s;', lower(string_agg(distinct a.privilege_type, ', ')),
        string_agg(distinct coalesce(quote_ident(g.rolname), 'public'), ', '))
from judged as j
cross join lateral (
    select split_part(s.word, ' ', 1)::oid, substring(s.word from ' (.+)')
    from ts_stat(case when to_regclass('pg_catalog.pg_parameter_acl') is not null then {literal(_MAY_SET)} end) as s
) as a (grantee, privilege_type)
left join pg_roles as g on g.oid = a.grantee
where not j.rolsuper and (a.grantee = 0 or pg_has_role(j.oid, a.grantee, 'member'))
group by j.rolname"""

LARGE_OBJECTS = """\
select 'warning', j.rolname,
    format('%s may make and read large objects, which have no tenants: what one tenant puts there the others can read.', j.rolname),
    string_agg(format('revoke execute on function %s from %s;', f.oid::regprocedure, f.grantees), ' ' order by f.oid)
from judged as j
cross join lateral (
    select p.oid, string_agg(distinct coalesce(quote_ident(g.rolname), 'public'), ', ') as grantees
    from pg_proc as p
    cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
    left join pg_roles as g on g.oid = a.grantee
    where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ '^(lo_|loread$|lowrite$)'
        and (a.grantee = 0 or pg_has_role(j.oid, a.grantee, 'member'))
    group by p.oid
) as f
where not j.rolsuper
group by j.rolname"""

PUBLIC = """\
select 'warning', t.name, format('Every role has %s on %s.', string_agg(a.privilege_type, ', '), t.name),
    format('revoke all on %s from public;', t.name)
from tenant_table as t
cross join lateral aclexplode(t.relacl) as a
where a.grantee = 0
group by t.name"""

CREATE = """\
select distinct 'warning', n.nspname,
    format('%s may create things in the schema %s, in the way of what others look up there.', j.rolname, n.nspname),
    format('revoke create on schema %I from %s;', n.nspname,
        (select string_agg(coalesce(quote_ident(g.rolname), 'public'), ', ')
         from aclexplode(n.nspacl) as a left join pg_roles as g on g.oid = a.grantee
         where a.privilege_type = 'CREATE' and (a.grantee = 0 or pg_has_role(j.oid, a.grantee, 'member'))))
from judged as j
join pg_namespace as n on n.oid in (select t.relnamespace from tenant_table as t)
where not j.rolsuper and has_schema_privilege(j.oid, n.oid, 'create')"""

GRANTS = """\
select 'warning', t.name, format('%s lacks %s on %s.', h.name, string_agg(p.privilege, ', '), t.name),
    format('grant %s on %s to %I;', lower(string_agg(p.privilege, ', ')), t.name, h.name)
from holdfast.role as h
join pg_roles as r on r.rolname = h.name
cross join (select c.oid, format('%I.%I', n.nspname, c.relname) as name
            from protected as p
            join pg_class as c on c.oid = p.oid
            join pg_namespace as n on n.oid = c.relnamespace) as t
join (values ('SELECT', array['application', 'read_only', 'all_tenants']), ('INSERT', array['application', 'all_tenants']),
             ('UPDATE', array['application', 'all_tenants']), ('DELETE', array['application', 'all_tenants'])) as p (privilege, duties)
    on h.duty = any (p.duties)
where not has_table_privilege(r.oid, t.oid, p.privilege)
group by h.name, t.name"""

READ_ONLY = """\
select 'error', t.name, format('%s is to read, and has %s on %s.', h.name, string_agg(p.privilege, ', '), t.name),
    format('revoke %s on %s from %I;', lower(string_agg(p.privilege, ', ')), t.name, h.name)
from holdfast.role as h
join pg_roles as r on r.rolname = h.name and not r.rolsuper
cross join tenant_table as t
cross join (values ('INSERT'), ('UPDATE'), ('DELETE')) as p (privilege)
where h.duty = 'read_only' and has_table_privilege(r.oid, t.oid, p.privilege)
group by h.name, t.name"""

OWNER_LOGIN = """\
select 'warning', r.rolname, format('%s owns the tables, and can log in.', r.rolname), format('alter role %I nologin;', r.rolname)
from holdfast.role as h
join pg_roles as r on r.rolname = h.name
where h.duty = 'owner' and r.rolcanlogin"""

OTHER_OWNER = """\
select 'warning', t.name, format('%s belongs to %s, and not to %s: triggers that act for the owner may find no rows.', t.name, pg_get_userbyid(t.relowner), h.name),
    format('alter table %s owner to %I;', t.name, h.name)
from holdfast.role as h
join tenant_table as t on pg_get_userbyid(t.relowner) <> h.name
where h.duty = 'owner'"""

CHECKS = (
    Check("superuser", SUPERUSER, at_start=True),
    Check("bypasses-row-security", BYPASS, at_start=True),
    Check("owner", OWNER, at_start=True),
    Check("journal-owner", JOURNAL, at_start=True),
    Check("works-across-tenants", ALL_TENANTS, at_start=True),
    Check("creates-roles", CREATE_ROLE, at_start=True),
    Check("server-files", SERVER_FILES, at_start=True),
    Check("privileges", PRIVILEGES, at_start=True),
    Check("privileges", PARAMETER, at_start=True),
    Check("privileges", TIMELINE),
    Check("large-objects", LARGE_OBJECTS),
    Check("public-privileges", PUBLIC),
    Check("creates-in-schema", CREATE),
    Check("grants-missing", GRANTS),
    Check("read-only-writes", READ_ONLY),
    Check("owner-logs-in", OWNER_LOGIN),
    Check("other-owner", OTHER_OWNER),
)
