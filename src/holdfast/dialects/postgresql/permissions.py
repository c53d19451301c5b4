"""What the database keeps of permissions, and the functions that the policies and the application ask."""

from __future__ import annotations

from holdfast.rights import CODE, LONGEST

TABLES = {
    # A role of the tenant '' is there for every tenant. One has the permissions of its parent as well.
    "permission_role": """\
create table if not exists holdfast.permission_role (
    tenant text not null,
    name text not null,
    parent_tenant text,
    parent text,
    primary key (tenant, name),
    foreign key (parent_tenant, parent) references holdfast.permission_role (tenant, name),
    check (parent_tenant in ('', tenant))
)""",
    "role_permission": """\
create table if not exists holdfast.role_permission (
    tenant text not null,
    role text not null,
    pattern text not null,
    primary key (tenant, role, pattern),
    foreign key (tenant, role) references holdfast.permission_role (tenant, name) on delete cascade
)""",
    # Who has which role, and in which tenant; the tenant '' is where there are none.
    "actor_role": """\
create table if not exists holdfast.actor_role (
    tenant text not null,
    actor text not null,
    role_tenant text not null,
    role text not null,
    expires_at timestamptz,
    granted_by text,
    granted_at timestamptz not null default now(),
    primary key (tenant, actor, role_tenant, role),
    foreign key (role_tenant, role) references holdfast.permission_role (tenant, name) on delete cascade,
    check (role_tenant in ('', tenant))
)""",
}
INDEXES = {
    "actor_role_role": """\
create index if not exists actor_role_role on holdfast.actor_role (role_tenant, role)""",
}

# The two places that say where a transaction carries what it holds, and for whom.
PRESENT = "nullif(current_setting('holdfast.permissions', true), '')"
PRESENT_TENANT = "nullif(current_setting('holdfast.tenant', true), '')"

# A permission is granted by itself, and by whatever it begins with and a star.
GRANTED = """\
coalesce(string_to_array(held, ' ') && array[
    '*',
    pattern,
    split_part(pattern, ':', 1) || ':*',
    case when split_part(pattern, ':', 3) <> ''
         then split_part(pattern, ':', 1) || ':' || split_part(pattern, ':', 2) || ':*' end
], false)"""

MAY = f"""\
permission ~ '^({CODE})$' and length(permission) <= {LONGEST}
    and holdfast.granted(holdfast.present_permissions(), permission)"""

REQUIRE = """\
declare
    v_each text;
begin
    foreach v_each in array permissions loop
        if holdfast.may(v_each) then
            return true;
        end if;
    end loop;
    raise exception using errcode = 'HF485',
        message = format('This needs the permission %s, which is not held.', array_to_string(permissions, ' or ')),
        detail = permissions[1],
        hint = 'Grant a role that has it: holdfast permissions grant; see why not: holdfast permissions explain.';
end"""

PERMISSIONS_OF = """\
with recursive held (tenant, name) as (
    select a.role_tenant, a.role
    from holdfast.actor_role as a
    where a.actor = permissions_of.actor and a.tenant = permissions_of.tenant
        and (a.expires_at is null or a.expires_at > now())
    union
    select r.parent_tenant, r.parent
    from held as h
    join holdfast.permission_role as r on r.tenant = h.tenant and r.name = h.name
    where r.parent is not null
)
select distinct p.pattern
from held as h
join holdfast.role_permission as p on p.tenant = h.tenant and p.role = h.name"""

# Whom the journal belongs to may grant anything. Others need a permission for it, and give no more than they hold.
MAY_ASSIGN = """\
declare
    v_pattern text;
begin
    if pg_has_role(session_user, (select n.nspowner from pg_namespace as n where n.nspname = 'holdfast'), 'usage') then
        return;
    end if;
    perform holdfast.require('permission:grant');
    if tenant is distinct from coalesce(holdfast.present_tenant(), '') then
        raise exception using errcode = 'HF203',
            message = 'A role of another tenant cannot be given or taken away.',
            hint = 'Begin the transaction within holdfast.context(tenant=…).';
    end if;
    for v_pattern in
        with recursive given (tenant, name) as (
            select may_assign.role_tenant, may_assign.role
            union
            select r.parent_tenant, r.parent
            from given as g
            join holdfast.permission_role as r on r.tenant = g.tenant and r.name = g.name
            where r.parent is not null
        )
        select p.pattern
        from given as g
        join holdfast.role_permission as p on p.tenant = g.tenant and p.role = g.name
    loop
        if not holdfast.granted(holdfast.present_permissions(), v_pattern) then
            raise exception using errcode = 'HF485',
                message = format('The role %s grants %s, which is not held, so it cannot be given or taken away.', role, v_pattern),
                detail = v_pattern,
                hint = 'Ask somebody who holds it, or whom the journal belongs to.';
        end if;
    end loop;
end"""

# The tenant's own role goes before one of the same name that every tenant has.
ASSIGN = """\
declare
    v_role_tenant text := (
        select r.tenant from holdfast.permission_role as r
        where r.name = assign_role.role and r.tenant in ('', assign_role.tenant)
        order by r.tenant desc
        limit 1);
begin
    if v_role_tenant is null then
        return false;
    end if;
    perform holdfast.may_assign(tenant, v_role_tenant, role);
    insert into holdfast.actor_role as a (tenant, actor, role_tenant, role, expires_at, granted_by)
    values (assign_role.tenant, assign_role.actor, v_role_tenant, assign_role.role, assign_role.expires_at,
        assign_role.granted_by)
    on conflict on constraint actor_role_pkey do update
        set expires_at = excluded.expires_at, granted_by = excluded.granted_by, granted_at = now();
    insert into holdfast.intervention (kind, actor, reason, details)
    values ('grant', granted_by, reason, jsonb_build_object('tenant', assign_role.tenant, 'actor', assign_role.actor,
        'role', assign_role.role, 'role_tenant', v_role_tenant, 'expires_at', assign_role.expires_at));
    return true;
end"""

WITHDRAW = """\
declare
    v_role_tenant text;
    v_found boolean := false;
begin
    for v_role_tenant in
        select a.role_tenant from holdfast.actor_role as a
        where a.tenant = withdraw_role.tenant and a.actor = withdraw_role.actor and a.role = withdraw_role.role
    loop
        perform holdfast.may_assign(tenant, v_role_tenant, role);
        delete from holdfast.actor_role as a
        where a.tenant = withdraw_role.tenant and a.actor = withdraw_role.actor
            and a.role_tenant = v_role_tenant and a.role = withdraw_role.role;
        insert into holdfast.intervention (kind, actor, reason, details)
        values ('revoke', withdrawn_by, reason, jsonb_build_object('tenant', withdraw_role.tenant,
            'actor', withdraw_role.actor, 'role', withdraw_role.role, 'role_tenant', v_role_tenant));
        v_found := true;
    end loop;
    return v_found;
end"""

RECORD_DENIAL = """\
insert into holdfast.intervention (kind, actor, reason, details)
values ('denied', left(actor, 500), left(reason, 500), jsonb_build_object('permission', left(permission, 500), 'table', left(target, 500), 'tenant', left(tenant, 500)))"""


def _function(
    signature: str, returns: str, body: str, *, language: str = "plpgsql", definer: bool = False, options: str = ""
) -> str:
    security = " security definer" if definer else ""
    variables = "#variable_conflict use_variable\n" if language == "plpgsql" else ""
    return (
        f"create or replace function holdfast.{signature}\nreturns {returns}\n"
        f"language {language}{security}{options}\nset search_path = pg_catalog, pg_temp\n"
        f"as $holdfast$\n{variables}{body}\n$holdfast$"
    )


def _expression(signature: str, returns: str, expression: str, *, volatility: str = "stable") -> str:
    """Its names are resolved when it is made, whatever path a caller sets; and it costs no call of a function."""
    return (
        f"create or replace function holdfast.{signature}\nreturns {returns}\n"
        f"language sql {volatility} parallel safe\nreturn {expression}"
    )


_READING = " stable parallel safe"
FUNCTIONS = {
    "present_permissions()": _expression("present_permissions()", "text", PRESENT),
    "present_tenant()": _expression("present_tenant()", "text", PRESENT_TENANT),
    "granted(text, text)": _expression("granted(held text, pattern text)", "boolean", GRANTED, volatility="immutable"),
    "may(text)": _expression("may(permission text)", "boolean", MAY),
    "require(text[])": _function("require(variadic permissions text[])", "boolean", REQUIRE, options=_READING),
    "permissions_of(text, text)": _function(
        "permissions_of(actor text, tenant text)",
        "setof text",
        PERMISSIONS_OF,
        language="sql",
        definer=True,
        options=" stable",
    ),
    "may_assign(text, text, text)": _function(
        "may_assign(tenant text, role_tenant text, role text)", "void", MAY_ASSIGN, definer=True
    ),
    "assign_role(text, text, text, timestamptz, text, text)": _function(
        "assign_role(tenant text, actor text, role text, expires_at timestamptz, granted_by text, reason text)",
        "boolean",
        ASSIGN,
        definer=True,
    ),
    "withdraw_role(text, text, text, text, text)": _function(
        "withdraw_role(tenant text, actor text, role text, withdrawn_by text, reason text)",
        "boolean",
        WITHDRAW,
        definer=True,
    ),
    "record_denial(text, text, text, text, text)": _function(
        "record_denial(permission text, target text, tenant text, actor text, reason text)",
        "void",
        RECORD_DENIAL,
        language="sql",
        definer=True,
    ),
}

# Where a context counts only with a signature, what it holds is looked up for the actor who signed: a setting is
# nobody's word. Scopes narrow it as they do in Python.
SIGNED_PRESENT = """\
(
    select string_agg(p.pattern, ' ')
    from (select holdfast.signed_context() as said) as c
    cross join lateral holdfast.permissions_of(c.said ->> 'actor', coalesce(c.said ->> 'tenant', '')) as p (pattern)
)"""

SIGNED_MAY = (
    MAY
    + """
    and (
        select c.scopes is null or holdfast.granted(
            case jsonb_typeof(c.scopes)
                when 'array' then (
                    select string_agg(s.scope, ' ') from jsonb_array_elements_text(c.scopes) as s (scope)
                    where strpos(s.scope, ' ') = 0)
                else c.scopes #>> '{}' end,
            permission)
        from (select holdfast.signed_context() -> 'scopes' as scopes) as c)"""
)

SIGNED_FUNCTIONS = {
    "present_tenant()": _expression("present_tenant()", "text", "holdfast.signed_context() ->> 'tenant'"),
    "present_permissions()": _expression("present_permissions()", "text", SIGNED_PRESENT),
    "may(text)": _expression("may(permission text)", "boolean", SIGNED_MAY),
}

OPEN = tuple(
    f"grant execute on function holdfast.{signature} to public"
    for signature in FUNCTIONS
    if not signature.startswith("may_assign")
)
"""What each transaction of an application asks, and what checks for itself who calls it."""
