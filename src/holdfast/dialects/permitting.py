"""What every dialect answers about permissions: the roles of each tenant, who has them, and what a transaction holds."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from holdfast.dialects.query import Query

EVERY_TENANT = ""
"""What stands for the tenant of a role that every tenant has, and of an assignment where there are no tenants."""


class Permitting(ABC):
    """Roles, what they grant, and who has them. An empty text as tenant stands for ``EVERY_TENANT``."""

    role_table: str
    pattern_table: str
    assignment_table: str
    expired: str
    """Of an assignment ``a``, as a boolean."""
    role_pairs: str
    """tenant and name of each role in the JSON array :roles."""

    # ------------------------------------------------------------------ the transaction in hand

    @abstractmethod
    def held(self, actor: str, tenant: str) -> Query:
        """One column: the patterns that the actor's roles in that tenant grant, expired ones left out."""

    @abstractmethod
    def carry(self, patterns: Iterable[str]) -> tuple[Query, ...]:
        """From now on, to its end, the transaction holds just these."""

    @abstractmethod
    def may(self, permission: str) -> Query:
        """One boolean: whether the transaction holds the permission, as the database itself sees it."""

    @abstractmethod
    def record_denial(self, actor: str | None, reason: str | None, details: Mapping[str, Any]) -> Query:
        """Writes down what was denied; whoever works with the database may."""

    # ------------------------------------------------------------------ roles

    def lock(self) -> str | None:
        """Nobody else changes roles until the transaction in hand ends; None where it has the database for itself."""
        return None

    def roles(self) -> str:
        """tenant, name, parent_tenant and parent of every role."""
        return f"select tenant, name, parent_tenant, parent from {self.role_table} order by tenant, name"

    def patterns(self) -> str:
        """tenant, role and pattern."""
        return f"select tenant, role, pattern from {self.pattern_table} order by tenant, role, pattern"

    def define(self, tenant: str, name: str, parent: tuple[str, str] | None) -> Query:
        """Makes the role, or gives it another parent."""
        above = parent or (None, None)
        return Query(
            f"insert into {self.role_table} (tenant, name, parent_tenant, parent)\n"
            "values (:tenant, :name, :parent_tenant, :parent)\n"
            "on conflict (tenant, name) do update set parent_tenant = excluded.parent_tenant, parent = excluded.parent",
            {"tenant": tenant, "name": name, "parent_tenant": above[0], "parent": above[1]},
        )

    def grant_pattern(self, tenant: str, role: str, pattern: str) -> Query:
        return Query(
            f"insert into {self.pattern_table} (tenant, role, pattern) values (:tenant, :role, :pattern)",
            {"tenant": tenant, "role": role, "pattern": pattern},
        )

    def clear_patterns(self, tenant: str, role: str) -> Query:
        return Query(
            f"delete from {self.pattern_table} where tenant = :tenant and role = :role",
            {"tenant": tenant, "role": role},
        )

    @abstractmethod
    def drop(self, tenant: str, name: str) -> tuple[Query, ...]:
        """Takes the role from everybody who has it, and away."""

    # ------------------------------------------------------------------ who has them

    @abstractmethod
    def assign(
        self,
        tenant: str,
        actor: str,
        role: str,
        expires_at: datetime | None,
        granted_by: str | None,
        reason: str | None,
    ) -> tuple[Query, ...]:
        """The actor has the role in that tenant, until then. The first answers no row where there is no such role; the
        others, if any, record that it was given."""

    @abstractmethod
    def withdraw(self, tenant: str, actor: str, role: str, by: str | None, reason: str | None) -> tuple[Query, ...]:
        """The actor has the role no more. The first answers no row where that was so before; the others, if any,
        record that it was taken away."""

    def assignments(self, tenant: str, actor: str | None, roles: Sequence[tuple[str, str]] | None) -> Query:
        """actor, role_tenant, role, expires_at, expired, granted_by and granted_at, of that actor or of those roles."""
        conditions, parameters = ["a.tenant = :tenant"], {"tenant": tenant}
        if actor is not None:
            conditions.append("a.actor = :actor")
            parameters["actor"] = actor
        if roles is not None:
            conditions.append(f"(a.role_tenant, a.role) in ({self.role_pairs})")
            parameters["roles"] = json.dumps(list(roles))
        return Query(
            f"select a.actor, a.role_tenant, a.role, a.expires_at, {self.expired} as expired,\n"
            "    a.granted_by, a.granted_at\n"
            f"from {self.assignment_table} as a\nwhere {' and '.join(conditions)}\n"
            "order by a.actor, a.role_tenant, a.role",
            parameters,
        )
