"""Roles, what they grant, and who has them; and what a transaction holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from holdfast.dialects.permitting import Permitting
from holdfast.dialects.query import Query


class PostgreSQLPermitting(Permitting):
    role_table = "holdfast.permission_role"
    pattern_table = "holdfast.role_permission"
    assignment_table = "holdfast.actor_role"
    expired = "coalesce(a.expires_at <= now(), false)"
    role_pairs = "select r ->> 0, r ->> 1 from json_array_elements(cast(:roles as json)) as r"

    def held(self, actor: str, tenant: str) -> Query:
        return Query(
            "select p from holdfast.permissions_of(cast(:actor as text), cast(:tenant as text)) as p",
            {"actor": actor, "tenant": tenant},
        )

    def carry(self, patterns: Iterable[str]) -> tuple[Query, ...]:
        text = " ".join(sorted(patterns))
        return (Query("select set_config('holdfast.permissions', :held, true)", {"held": text}),)

    def may(self, permission: str) -> Query:
        return Query("select holdfast.may(cast(:permission as text))", {"permission": permission})

    def record_denial(self, actor: str | None, reason: str | None, details: Mapping[str, Any]) -> Query:
        return Query(
            "select holdfast.record_denial(cast(:permission as text), cast(:target as text), cast(:tenant as text), "
            "cast(:actor as text), cast(:reason as text))",
            {
                "permission": details.get("permission"),
                "target": details.get("table"),
                "tenant": details.get("tenant"),
                "actor": actor,
                "reason": reason,
            },
        )

    def lock(self) -> str:
        return "lock table holdfast.permission_role in share row exclusive mode"

    def drop(self, tenant: str, name: str) -> tuple[Query, ...]:
        return (
            Query(
                "delete from holdfast.permission_role where tenant = :tenant and name = :name",
                {"tenant": tenant, "name": name},
            ),
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
        return (
            Query(
                "select true where holdfast.assign_role(cast(:tenant as text), cast(:actor as text), "
                "cast(:role as text), cast(cast(:expires_at as text) as timestamptz), cast(:granted_by as text), "
                "cast(:reason as text))",
                {
                    "tenant": tenant,
                    "actor": actor,
                    "role": role,
                    "expires_at": None if expires_at is None else expires_at.isoformat(),
                    "granted_by": granted_by,
                    "reason": reason,
                },
            ),
        )

    def withdraw(self, tenant: str, actor: str, role: str, by: str | None, reason: str | None) -> tuple[Query, ...]:
        return (
            Query(
                "select true where holdfast.withdraw_role(cast(:tenant as text), cast(:actor as text), "
                "cast(:role as text), cast(:by as text), cast(:reason as text))",
                {"tenant": tenant, "actor": actor, "role": role, "by": by, "reason": reason},
            ),
        )
