"""Roles, what they grant, and who has them: changed in the caller's transaction, and recorded there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from holdfast.context import current
from holdfast.database import execute, explained
from holdfast.dialects import dialect_for
from holdfast.dialects.permitting import EVERY_TENANT
from holdfast.errors import RoleError
from holdfast.rights import Permissions, check_pattern

RoleKey = tuple[str, str]
"""A role's tenant and name."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role; ``tenant`` is None where every tenant has it."""

    tenant: str | None
    name: str
    patterns: frozenset[str]
    parent: str | None
    """Of what role it has the permissions as well."""


def define_role(
    connection: Connection,
    name: str,
    patterns: Iterable[str],
    *,
    tenant: str | None = None,
    parent: str | None = None,
    permissions: Permissions | None = None,
    reason: str | None = None,
) -> None:
    """Makes the role, or gives it these patterns and this parent in the place of what it had; recorded.

    Without a tenant every tenant has the role; the parent is one of the same tenant, or one that every tenant has. With
    ``permissions`` a pattern that grants none of them is refused. It is part of the transaction in hand, and takes hold
    for the transactions that begin after it. HF486 for what is no pattern; HF487 for a parent that is not there, or
    that has this role for its own parent, at any distance. It takes the rights of the journal's owner.
    """
    asked = sorted({permissions.check(each) if permissions is not None else check_pattern(each) for each in patterns})
    dialect = dialect_for(connection.dialect.name)
    permitting = dialect.permitting
    key = (tenant_key(tenant), _named(name, "role"))
    with explained(dialect):
        if statement := permitting.lock():
            execute(connection, statement)
        parents = parents_of(connection)
        above = _parent(parents, key, parent) if parent is not None else None
        execute(connection, permitting.define(*key, above))
        execute(connection, permitting.clear_patterns(*key))
        for pattern in asked:
            execute(connection, permitting.grant_pattern(*key, pattern))
        details = {"tenant": key[0], "role": key[1], "patterns": asked, "parent": parent}
        execute(connection, dialect.record_intervention("role", current().get("actor"), reason, details))


def drop_role(connection: Connection, name: str, *, tenant: str | None = None, reason: str | None = None) -> None:
    """Takes the role from everybody who has it, and away; recorded. HF487 where it is not there, or is a parent."""
    dialect = dialect_for(connection.dialect.name)
    key = (tenant_key(tenant), name)
    with explained(dialect):
        if statement := dialect.permitting.lock():
            execute(connection, statement)
        parents = parents_of(connection)
        _known(parents, key)
        if children := sorted(child[1] for child, parent in parents.items() if parent == key):
            raise RoleError(
                "HF487",
                f"The role {name} is the parent of {', '.join(children)}.",
                "Give those another parent first, or none.",
            )
        for query in dialect.permitting.drop(*key):
            execute(connection, query)
        details = {"tenant": key[0], "role": name, "dropped": True}
        execute(connection, dialect.record_intervention("role", current().get("actor"), reason, details))


def grant(
    connection: Connection,
    actor: str,
    role: str,
    *,
    tenant: str | None = None,
    expires_at: datetime | None = None,
    granted_by: str | None = None,
    reason: str | None = None,
) -> None:
    """The actor has the role in that tenant, until ``expires_at``; recorded, as given by ``granted_by`` or the actor of
    the context.

    It is part of the transaction in hand, and takes hold for the transactions that begin after it. Who has not the
    rights of the journal's owner needs the permission ``permission:grant`` in that tenant, and gives only what it holds
    itself (HF485). HF487 where neither the tenant nor every tenant has such a role.
    """
    if expires_at is not None and expires_at.tzinfo is None:
        raise RoleError("HF487", "A role ends at a moment, and a time without a zone is none.", "Give it a time zone.")
    dialect = dialect_for(connection.dialect.name)
    by = granted_by or current().get("actor")
    doing, *recording = dialect.permitting.assign(
        tenant_key(tenant), _named(actor, "actor"), role, expires_at, by, reason
    )
    with explained(dialect):
        if not execute(connection, doing):
            raise _unknown(role, tenant_key(tenant))
        for query in recording:
            execute(connection, query)


def revoke(
    connection: Connection,
    actor: str,
    role: str,
    *,
    tenant: str | None = None,
    revoked_by: str | None = None,
    reason: str | None = None,
) -> bool:
    """The actor has the role in that tenant no more; False where that was so before. As ``grant`` is otherwise."""
    dialect = dialect_for(connection.dialect.name)
    by = revoked_by or current().get("actor")
    doing, *recording = dialect.permitting.withdraw(tenant_key(tenant), actor, role, by, reason)
    with explained(dialect):
        if not execute(connection, doing):
            return False
        for query in recording:
            execute(connection, query)
    return True


def roles(connection: Connection, *, tenant: str | None = None) -> list[Role]:
    """The roles that can be given in that tenant: its own, and those that every tenant has."""
    found = patterns_of(connection)
    parents = parents_of(connection)
    return [
        Role(key[0] or None, key[1], frozenset(found.get(key, ())), parent[1] if parent is not None else None)
        for key, parent in parents.items()
        if key[0] in (EVERY_TENANT, tenant_key(tenant))
    ]


def patterns_of(connection: Connection) -> dict[RoleKey, list[str]]:
    """What each role grants by itself."""
    found: dict[RoleKey, list[str]] = {}
    for row in execute(connection, dialect_for(connection.dialect.name).permitting.patterns()):
        found.setdefault((row.tenant, row.role), []).append(row.pattern)
    return found


def lineage(parents: Mapping[RoleKey, RoleKey | None], key: RoleKey) -> Iterator[RoleKey]:
    """The role, its parent, the parent of that …"""
    seen: set[RoleKey] = set()
    following: RoleKey | None = key
    while following is not None and following not in seen:
        seen.add(following)
        yield following
        following = parents.get(following)


def parents_of(connection: Connection) -> dict[RoleKey, RoleKey | None]:
    """The parent of each role."""
    rows = execute(connection, dialect_for(connection.dialect.name).permitting.roles())
    return {(row.tenant, row.name): (row.parent_tenant, row.parent) if row.parent is not None else None for row in rows}


def _parent(parents: Mapping[RoleKey, RoleKey | None], key: RoleKey, name: str) -> RoleKey:
    above = (key[0], name) if (key[0], name) in parents else (EVERY_TENANT, name)
    _known(parents, above)
    if key in lineage(parents, above):
        raise RoleError(
            "HF487",
            f"The role {key[1]} cannot have {name} for its parent: {name} has the permissions of {key[1]} already.",
            "Parents go one way: give the one of them that is to hold more the other for its parent.",
        )
    return above


def _known(parents: Mapping[RoleKey, RoleKey | None], key: RoleKey) -> None:
    if key not in parents:
        raise _unknown(key[1], key[0])


def _unknown(name: str, tenant: str) -> RoleError:
    where = f" for the tenant {tenant}" if tenant else ""
    return RoleError(
        "HF487",
        f"There is no role {name!r}{where}.",
        "Make it (define_role, holdfast permissions define), or look at its spelling.",
    )


def tenant_key(tenant: object) -> str:
    """As the tables spell it."""
    return EVERY_TENANT if tenant is None else str(tenant)


def _named(text: str, what: str) -> str:
    if not text.strip():
        raise RoleError("HF487", f"{text!r} is no name of a{'n' if what == 'actor' else ''} {what}.", "Give a text.")
    return text
