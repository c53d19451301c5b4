"""Permissions: a trigger for each command that needs one, which asks what the transaction holds."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.dialects.sqlite.sql import literal, quote, refusal, trigger
from holdfast.dialects.sqlite.statement import NOT_KEEPING, NOT_UNDOING
from holdfast.errors import UnsupportedError
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Permit, SoftDelete
from holdfast.rights import granting

_MAINTENANCE = "coalesce((select maintenance from holdfast_context), 0)"
_HINT = "Grant a role that has it: holdfast permissions grant; see why not: holdfast permissions explain."


def permitting(policy: Permit, protection: Protection) -> tuple[DatabaseObject, ...]:
    table = protection.table.name
    if policy.select is not None:
        raise UnsupportedError(
            "HF489",
            f"SQLite cannot refuse to read {table.name}: a trigger knows nothing of a SELECT.",
            "Leave Permit(select=…) out, and ask in Python before reading: require(…).",
        )
    return tuple(_triggers(policy, protection))


def _triggers(policy: Permit, protection: Protection) -> Iterator[DatabaseObject]:
    table, relation = protection.table.name, protection.relation.id
    for event, steps in _steps(policy, protection):
        yield trigger(
            f"holdfast_permit_{event}_{relation}",
            table,
            f"before {event}",
            steps,
            # What a trigger of ours puts right in a row that was written belongs to that write.
            when=f"{NOT_KEEPING} and {NOT_UNDOING} and not {_MAINTENANCE}",
            policy="Permit",
            purpose=f"refuses to {event} rows of {literal(table.name)} without a permission",
        )


def _steps(policy: Permit, protection: Protection) -> Iterator[tuple[str, list[str]]]:
    if policy.insert is not None:
        yield "insert", [_needs(policy.insert)]
    soft_delete = protection.get(SoftDelete)
    if soft_delete is not None and (policy.update or policy.delete):
        # A row that is marked afterwards was deleted, however that was written.
        mark = f"new.{quote(soft_delete.column)}"
        steps = [_needs(policy.delete or str(policy.update), f"{mark} is not null and ")]
        if policy.update is not None:
            steps.append(_needs(policy.update, f"{mark} is null and "))
        yield "update", steps
    elif policy.update is not None:
        yield "update", [_needs(policy.update)]
    if policy.delete is not None:
        yield "delete", [_needs(policy.delete)]


def _needs(permission: str, where: str = "") -> str:
    refused = refusal("HF485", f"This needs the permission {permission}, which is not held.", _HINT)
    return f"select {refused}\nwhere {where}not {held(permission)};"


def held(permission: str) -> str:
    """A condition: the transaction holds the permission."""
    found = " or ".join(
        f"instr(' ' || permissions || ' ', {literal(f' {pattern} ')})" for pattern in granting(permission)
    )
    return f"coalesce((select {found} from holdfast_context), 0)"
