"""Tenants without row security: every write is checked, and what is read is left to the application."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.dialects.sqlite.sql import literal, quote, refusal, trigger
from holdfast.dialects.sqlite.statement import NOT_UNDOING
from holdfast.errors import DeclarationError, UnsupportedError
from holdfast.objects import DatabaseObject, Protection, Protections
from holdfast.policies import Tenant
from holdfast.tables import ForeignKey

_PRESENT = "(select tenant from holdfast_context)"
_ACROSS = "coalesce((select instr(',' || allow || ',', ',all_tenants,') from holdfast_context), 0)"
_MAINTENANCE = "coalesce((select maintenance from holdfast_context), 0)"
_HINT = "Begin the transaction within holdfast.context(tenant=…), with the tenant whose rows these are."


def keeping_apart(policy: Tenant, protection: Protection, protections: Protections) -> tuple[DatabaseObject, ...]:
    table = protection.table
    if policy.reads == "database":
        raise UnsupportedError(
            "HF418",
            f"SQLite cannot hide the rows of {table.name.name} from other tenants: it has no row security.",
            'It can check every write, and leave what is read to the ORM. Accept that: Tenant(…, reads="application").',
        )
    _check_keys(policy, protection)
    return tuple(_triggers(policy, protection, protections))


def _check_keys(policy: Tenant, protection: Protection) -> None:
    for key in protection.table.uniques:
        if key.primary or policy.is_global(key.name, key.columns) or policy.column in key.columns:
            continue
        raise DeclarationError(
            "HF116",
            f"The unique key {key.name} of {protection.table.name.name} holds over all tenants: "
            "by its duplicates a tenant can tell what others have.",
            f"Make it anew with {policy.column!r} in front, or accept it: Tenant(…, global_keys=[{key.name!r}]).",
        )


def _triggers(policy: Tenant, protection: Protection, protections: Protections) -> Iterator[DatabaseObject]:
    table, relation, tenant = protection.table.name, protection.relation.id, quote(policy.column)
    named = literal(table.name)
    for event, row in (("insert", "new"), ("update", "old"), ("delete", "old")):
        refused = refusal(
            "HF203", f"A row of {table.name} belongs to another tenant, or the transaction to none.", _HINT
        )
        own = _is_own(f"{row}.{tenant}")
        steps = [f"select {refused}\nwhere not {_ACROSS} and not {own};"]
        if event == "update":
            moved = refusal(
                "HF203",
                f"A row of {table.name} cannot go from one tenant to another.",
                "Insert it for the other tenant, and delete it here.",
            )
            steps.append(f"select {moved}\nwhere old.{tenant} is not new.{tenant};")
        if event != "delete":
            steps += [
                _reference(key, policy.column, other.column)
                for key in protection.table.foreign_keys
                if (other := _tenant_of(key, protections)) is not None and policy.column not in key.columns
            ]
        yield trigger(
            f"holdfast_tenant_{event}_{relation}",
            table,
            f"before {event}",
            steps,
            when=f"{NOT_UNDOING} and not {_MAINTENANCE}",
            policy="Tenant",
            purpose=f"refuses an {event} of another tenant's row of {named}",
        )


def _is_own(value: str) -> str:
    """Text and number alike: the context is text, the column may be either; a UUID may be kept without its dashes."""
    return (
        f"coalesce(cast({value} as text) = {_PRESENT} or length({value}) = 32 and length({_PRESENT}) = 36\n"
        f"        and {value} = replace({_PRESENT}, '-', ''), false)"
    )


def _reference(key: ForeignKey, tenant: str, other: str) -> str:
    """A reference to another tenant's row is refused as one to no row is: it must not tell that there is one."""
    refused = refusal(
        "HF203",
        f"{key.name or ', '.join(key.columns)} refers to no row of the same tenant.",
        "Refer to a row of the tenant's own.",
    )
    given = " and ".join(f"new.{quote(column)} is not null" for column in key.columns)
    matches = " and ".join(
        f"p.{quote(there)} = new.{quote(here)}" for here, there in zip(key.columns, key.target_columns, strict=True)
    )
    return (
        f"select {refused}\nwhere {given} and not exists (\n"
        f"    select 1 from {quote(key.target.name)} as p where {matches} and p.{quote(other)} is new.{quote(tenant)});"
    )


def _tenant_of(key: ForeignKey, protections: Protections) -> Tenant | None:
    target = protections.get(key.target)
    return target.get(Tenant) if target is not None else None
