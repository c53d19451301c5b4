"""What the database keeps of permissions, and the functions that the policies and the application ask."""

from __future__ import annotations

from holdfast.dialects.postgresql import permission_assigning
from holdfast.dialects.postgresql.isolation import CLAIMED
from holdfast.dialects.postgresql.sql import journal_function
from holdfast.rights import CODE, LONGEST
from holdfast.tables import ColumnInfo, ForeignKey, TableInfo, TableName

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
_ROLE, _PERMISSION, _ASSIGNMENT = (TableName("holdfast", name) for name in TABLES)
_TYPES = dict.fromkeys(("expires_at", "granted_at"), ("timestamp with time zone", "timestamptz"))


def _described(key: ForeignKey, columns: str, in_key: int) -> TableInfo:
    """The table whose key that is; the first so many columns are its primary key."""
    names = tuple(columns.split())
    return TableInfo(
        name=key.table,
        columns=tuple(
            ColumnInfo(name, *_TYPES.get(name, ("text", "text")), position=place) for place, name in enumerate(names, 1)
        ),
        key=names[:in_key],
        foreign_keys=(key,),
    )


DESCRIBED = (
    _described(
        ForeignKey("parent", _ROLE, ("parent_tenant", "parent"), _ROLE, ("tenant", "name")),
        "tenant name parent_tenant parent",
        2,
    ),
    _described(
        ForeignKey("role", _PERMISSION, ("tenant", "role"), _ROLE, ("tenant", "name")), "tenant role pattern", 3
    ),
    _described(
        ForeignKey("role", _ASSIGNMENT, ("role_tenant", "role"), _ROLE, ("tenant", "name")),
        "tenant actor role_tenant role expires_at granted_by granted_at",
        4,
    ),
)
"""The same tables, as a copy of a tenant needs them."""

INDEXES = {
    "actor_role_role": """\
create index if not exists actor_role_role on holdfast.actor_role (role_tenant, role)""",
}

# Where a transaction carries what it holds.
PRESENT = "nullif(current_setting('holdfast.permissions', true), '')"

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
#variable_conflict use_variable
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

RECORD_DENIAL = """\
insert into holdfast.intervention (kind, actor, reason, details)
values ('denied', left(actor, 500), left(reason, 500), jsonb_build_object('permission', left(permission, 500), 'table', left(target, 500), 'tenant', left(tenant, 500)))"""


def _expression(signature: str, returns: str, expression: str, *, volatility: str = "stable") -> str:
    """Its names are resolved when it is made, whatever path a caller sets; and it costs no call of a function."""
    return (
        f"create or replace function holdfast.{signature}\nreturns {returns}\n"
        f"language sql {volatility} parallel safe\nreturn {expression}"
    )


_READING = " stable parallel safe"
FUNCTIONS = {
    "present_permissions()": _expression("present_permissions()", "text", PRESENT),
    "present_tenant()": _expression("present_tenant()", "text", CLAIMED),
    "granted(text, text)": _expression("granted(held text, pattern text)", "boolean", GRANTED, volatility="immutable"),
    "may(text)": _expression("may(permission text)", "boolean", MAY),
    "require(text[])": journal_function("require(variadic permissions text[])", "boolean", REQUIRE, options=_READING),
    "permissions_of(text, text)": journal_function(
        "permissions_of(actor text, tenant text)",
        "setof text",
        PERMISSIONS_OF,
        language="sql",
        definer=True,
        options=" stable",
    ),
    **permission_assigning.FUNCTIONS,
    "record_denial(text, text, text, text, text)": journal_function(
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
    **permission_assigning.SIGNED_FUNCTIONS,
}

OPEN = tuple(
    f"grant execute on function holdfast.{signature} to public"
    for signature in FUNCTIONS
    if not signature.startswith("may_assign")
)
"""What each transaction of an application asks, and what checks for itself who calls it."""
