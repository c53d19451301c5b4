"""Giving and taking roles: the functions that check whether whoever does it may, and record that it was done."""

from __future__ import annotations

from holdfast.dialects.postgresql.sql import journal_function

# Whom the journal belongs to may grant anything. Others need a permission for it, and give no more than they hold.
MAY_ASSIGN = """\
#variable_conflict use_variable
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

# {by} says who does it, where that is not whoever the caller names. The tenant's own role goes before one of the same
# name that every tenant has.
_ASSIGN = """\
#variable_conflict use_variable
declare
    v_role_tenant text := (
        select r.tenant from holdfast.permission_role as r
        where r.name = assign_role.role and r.tenant in ('', assign_role.tenant)
        order by r.tenant desc
        limit 1);
begin
{by}    if v_role_tenant is null then
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

_WITHDRAW = """\
#variable_conflict use_variable
declare
    v_role_tenant text;
    v_found boolean := false;
begin
{by}    for v_role_tenant in
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

# Where a context counts only with a signature, it is who signed; the journal's owner is believed, who can read the keys.
_WHO_SIGNED = """\
    if holdfast.signed_context() is not null or not pg_has_role(session_user, current_user, 'usage') then
        {variable} := holdfast.signed_context() ->> 'actor';
    end if;
"""


def _functions(*, signed: bool) -> dict[str, str]:
    def body(template: str, variable: str) -> str:
        return template.format(by=_WHO_SIGNED.format(variable=variable) if signed else "")

    return {
        "assign_role(text, text, text, timestamptz, text, text)": journal_function(
            "assign_role(tenant text, actor text, role text, expires_at timestamptz, granted_by text, reason text)",
            "boolean",
            body(_ASSIGN, "granted_by"),
            definer=True,
        ),
        "withdraw_role(text, text, text, text, text)": journal_function(
            "withdraw_role(tenant text, actor text, role text, withdrawn_by text, reason text)",
            "boolean",
            body(_WITHDRAW, "withdrawn_by"),
            definer=True,
        ),
    }


FUNCTIONS = {
    "may_assign(text, text, text)": journal_function(
        "may_assign(tenant text, role_tenant text, role text)", "void", MAY_ASSIGN, definer=True
    ),
    **_functions(signed=False),
}
SIGNED_FUNCTIONS = _functions(signed=True)
