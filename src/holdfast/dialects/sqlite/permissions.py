"""Roles, what they grant, and who has them; and what a transaction holds, which the triggers ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from holdfast.dialects.permitting import Permitting
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite import interventions
from holdfast.dialects.sqlite.permit import held
from holdfast.dialects.sqlite.statement import NOW
from holdfast.rights import is_code

# Without actions: where a schema has any, a statement cannot be told from the next as well.
TABLES = {
    # A role of the tenant '' is there for every tenant. One has the permissions of its parent as well.
    "holdfast_permission_role": """\
create table if not exists main.holdfast_permission_role (
    tenant text not null,
    name text not null,
    parent_tenant text,
    parent text,
    primary key (tenant, name),
    foreign key (parent_tenant, parent) references holdfast_permission_role (tenant, name),
    check (parent_tenant in ('', tenant))
) without rowid""",
    "holdfast_role_permission": """\
create table if not exists main.holdfast_role_permission (
    tenant text not null,
    role text not null,
    pattern text not null,
    primary key (tenant, role, pattern),
    foreign key (tenant, role) references holdfast_permission_role (tenant, name)
) without rowid""",
    # Who has which role, and in which tenant; the tenant '' is where there are none.
    "holdfast_actor_role": """\
create table if not exists main.holdfast_actor_role (
    tenant text not null,
    actor text not null,
    role_tenant text not null,
    role text not null,
    expires_at text,
    granted_by text,
    granted_at text not null,
    primary key (tenant, actor, role_tenant, role),
    foreign key (role_tenant, role) references holdfast_permission_role (tenant, name),
    check (role_tenant in ('', tenant))
) without rowid""",
}

_HELD = f"""\
with recursive held (tenant, name) as (
    select a.role_tenant, a.role
    from main.holdfast_actor_role as a
    where a.actor = :actor and a.tenant = :tenant and (a.expires_at is null or a.expires_at > {NOW})
    union
    select r.parent_tenant, r.parent
    from held as h
    join main.holdfast_permission_role as r on r.tenant = h.tenant and r.name = h.name
    where r.parent is not null
)
select distinct p.pattern
from held as h
join main.holdfast_role_permission as p on p.tenant = h.tenant and p.role = h.name"""


class SQLitePermitting(Permitting):
    role_table = "main.holdfast_permission_role"
    pattern_table = "main.holdfast_role_permission"
    assignment_table = "main.holdfast_actor_role"
    expired = f"coalesce(a.expires_at <= {NOW}, 0)"
    role_pairs = "select json_extract(r.value, '$[0]'), json_extract(r.value, '$[1]') from json_each(:roles) as r"

    def held(self, actor: str, tenant: str) -> Query:
        return Query(_HELD, {"actor": actor, "tenant": tenant})

    def carry(self, patterns: Iterable[str]) -> tuple[Query, ...]:
        """In the row of the context, which goes before the commit; without one nothing is held."""
        text = " ".join(sorted(patterns))
        return (Query("update main.holdfast_context set permissions = :held", {"held": text}),)

    def may(self, permission: str) -> Query:
        return Query(f"select {held(permission) if is_code(permission) else 0} > 0", {})

    def record_denial(self, actor: str | None, reason: str | None, details: Mapping[str, Any]) -> Query:
        return interventions.record("denied", actor, reason, details)

    def drop(self, tenant: str, name: str) -> tuple[Query, ...]:
        role = {"tenant": tenant, "name": name}
        return (
            Query("delete from main.holdfast_actor_role where role_tenant = :tenant and role = :name", role),
            Query("delete from main.holdfast_role_permission where tenant = :tenant and role = :name", role),
            Query("delete from main.holdfast_permission_role where tenant = :tenant and name = :name", role),
        )

    def assign(
        self,
        tenant: str,
        actor: str,
        role: str,
        expires_at: datetime | None,
        granted_by: str | None,
        reason: str | None,
    ) -> tuple[Query, ...]:
        """The tenant's own role goes before one of the same name that every tenant has."""
        until = None if expires_at is None else _text(expires_at)
        details = {"tenant": tenant, "actor": actor, "role": role, "expires_at": until}
        return (
            Query(
                "insert into main.holdfast_actor_role\n"
                "    (tenant, actor, role_tenant, role, expires_at, granted_by, granted_at)\n"
                f"select :tenant, :actor, r.tenant, r.name, :expires_at, :granted_by, {NOW}\n"
                "from main.holdfast_permission_role as r\n"
                "where r.name = :role and r.tenant in ('', :tenant)\norder by r.tenant desc\nlimit 1\n"
                "on conflict (tenant, actor, role_tenant, role) do update set expires_at = excluded.expires_at,\n"
                "    granted_by = excluded.granted_by, granted_at = excluded.granted_at\nreturning 1",
                {**details, "granted_by": granted_by},
            ),
            interventions.record("grant", granted_by, reason, details),
        )

    def withdraw(self, tenant: str, actor: str, role: str, by: str | None, reason: str | None) -> tuple[Query, ...]:
        details = {"tenant": tenant, "actor": actor, "role": role}
        return (
            Query(
                "delete from main.holdfast_actor_role\n"
                "where tenant = :tenant and actor = :actor and role = :role\nreturning 1",
                details,
            ),
            interventions.record("revoke", by, reason, details),
        )


def _text(at: datetime) -> str:
    """As ``NOW`` spells it, so that texts compare as the times do."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
