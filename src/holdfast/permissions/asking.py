"""Who may do that, and why or why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute, explained
from holdfast.dialects import dialect_for
from holdfast.permissions.roles import RoleKey, lineage, parents_of, patterns_of, tenant_key
from holdfast.rights import Permission, granting, may, narrowed
from holdfast.timeline import moment


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who has the permission, by which role."""

    actor: str
    role: str
    expires_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        return {"actor": self.actor, "role": self.role, "expires_at": _json(self.expires_at)}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that the actor has, or had, and what of it grants the permission."""

    role: str
    through: tuple[str, ...]
    """The roles from that one up to the one that has the pattern."""
    pattern: str
    expires_at: datetime | None
    expired: bool
    granted_by: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "role": self.role,
            "through": list(self.through),
            "pattern": self.pattern,
            "expires_at": _json(self.expires_at),
            "expired": self.expired,
            "granted_by": self.granted_by,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether the actor has the permission in that tenant, and all that speaks for it."""

    actor: str
    permission: str
    tenant: str | None
    allowed: bool
    narrowed: bool
    """Whether a role grants it, and the scopes do not."""
    grants: tuple[Grant, ...]
    roles: tuple[str, ...]
    """Every role that the actor has there, whatever it grants."""

    def as_json(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "permission": self.permission,
            "tenant": self.tenant,
            "allowed": self.allowed,
            "narrowed": self.narrowed,
            "grants": [each.as_json() for each in self.grants],
            "roles": list(self.roles),
        }


def who_can(connection: Connection, permission: str, *, tenant: str | None = None) -> list[Holder]:
    """Everybody who has the permission in that tenant now, once for each role that grants it.

    It reads the roles themselves, so it takes a right to read the journal.
    """
    permission = Permission(permission)
    dialect = dialect_for(connection.dialect.name)
    with explained(dialect):
        parents, patterns = parents_of(connection), patterns_of(connection)
        granting_roles = [
            key for key in parents if any(may(patterns.get(each, ()), permission) for each in lineage(parents, key))
        ]
        query = dialect.permitting.assignments(tenant_key(tenant), None, granting_roles)
        rows = execute(connection, query)
    return [Holder(row.actor, row.role, _moment(row.expires_at)) for row in rows if not row.expired]


def explain(
    connection: Connection,
    actor: str,
    permission: str,
    *,
    tenant: str | None = None,
    scopes: Iterable[str] | None = None,
) -> Explanation:
    """Whether the actor has the permission in that tenant, through which role and pattern, expired ones included.

    With ``scopes`` as a token of that actor would have it.
    """
    permission = Permission(permission)
    dialect = dialect_for(connection.dialect.name)
    with explained(dialect):
        parents, patterns = parents_of(connection), patterns_of(connection)
        rows = execute(connection, dialect.permitting.assignments(tenant_key(tenant), actor, None))
    grants = tuple(
        Grant(row.role, through, pattern, _moment(row.expires_at), bool(row.expired), row.granted_by)
        for row in rows
        for through, pattern in _ways(parents, patterns, (row.role_tenant, row.role), permission)
    )
    held = frozenset(each.pattern for each in grants if not each.expired)
    allowed = may(narrowed(held, scopes), permission)
    return Explanation(
        actor,
        permission,
        tenant,
        allowed,
        bool(held) and not allowed,
        grants,
        tuple(row.role for row in rows if not row.expired),
    )


def _ways(
    parents: Mapping[RoleKey, RoleKey | None],
    patterns: Mapping[RoleKey, list[str]],
    role: RoleKey,
    permission: str,
) -> Iterator[tuple[tuple[str, ...], str]]:
    wanted = set(granting(permission))
    through: list[str] = []
    for key in lineage(parents, role):
        through.append(key[1])
        for pattern in patterns.get(key, ()):
            if pattern in wanted:
                yield tuple(through), pattern


def _moment(value: Any) -> datetime | None:
    return None if value is None else moment(value)


def _json(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
