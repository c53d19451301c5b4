"""Permissions: a policy for each command that needs one, which asks what the transaction holds."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.dialects.postgresql.isolation import Isolation
from holdfast.dialects.postgresql.sql import function, literal, qualified, quote, trigger
from holdfast.dialects.postgresql.tenant_original import kept
from holdfast.errors import UnsupportedError
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Permit, SoftDelete, Tenant
from holdfast.tables import TableName

ANCHOR = "holdfast_permit"


def permitting(
    policy: Permit, protection: Protection, isolation: Isolation, owner: str | None
) -> tuple[DatabaseObject, ...]:
    """For the table, and for each part of it that can be read by itself.

    What is refused raises, and is not silently nothing: a DELETE that finds no rows would pass for one that was done.
    """
    if protection.table.closed and protection.get(Tenant) is None:
        raise UnsupportedError(
            "HF489",
            f"Row security is on for {protection.table.name}, and no policy lets a row through: Permit would open it.",
            "Write the policy that says which rows are whose first, or declare Tenant.",
        )
    to = ", ".join(map(quote, isolation.roles.scoped)) or "public"
    objects: list[DatabaseObject] = []
    for table in (protection.table.name, *protection.table.children):
        objects.append(_anchor(protection, table))
        for command, conditions in _conditions(policy, protection, isolation, owner):
            objects.append(_policy(protection, table, command, to, conditions))
    if policy.delete is not None and not isolation.distributed:
        objects += _truncating(policy.delete, protection, isolation)
    return tuple(objects)


def _conditions(
    policy: Permit, protection: Protection, isolation: Isolation, owner: str | None
) -> Iterator[tuple[str, str]]:
    def needs(*permissions: str) -> str:
        call = f"holdfast.require({', '.join(map(literal, permissions))})"
        return call if isolation.distributed else f"(select {call})"

    if policy.select is not None:
        condition = needs(policy.select)
        if owner is not None and not isolation.roles.scoped:
            # What a TRUNCATE takes away is read by the journal itself.
            condition = f"current_user = {literal(owner)} or {condition}"
        yield "select", f"using ({condition})"
    if policy.insert is not None:
        yield "insert", f"with check ({needs(policy.insert)})"
    soft_delete = protection.get(SoftDelete)
    if soft_delete is not None and (policy.update or policy.delete):
        # A row that is marked afterwards was deleted, however that was written.
        mark = quote(soft_delete.column)
        either = tuple(code for code in (policy.update, policy.delete) if code is not None)
        before = needs(*either) if len(either) == 2 else "true"
        live = needs(policy.update) if policy.update is not None else "true"
        dead = needs(policy.delete or str(policy.update))
        after = f"case when {mark} is null then {live} else {dead} end"
        yield "update", f"using ({before})\n    with check ({after})"
    elif policy.update is not None:
        condition = needs(policy.update)
        yield "update", f"using ({condition})\n    with check ({condition})"
    if policy.delete is not None:
        yield "delete", f"using ({needs(policy.delete)})"


def _policy(protection: Protection, table: TableName, command: str, to: str, conditions: str) -> DatabaseObject:
    name = f"{ANCHOR}_{command}"
    drop = f"drop policy if exists {quote(name)} on {qualified(table)}"
    create = f"create policy {quote(name)} on {qualified(table)} as restrictive for {command} to {to}\n    {conditions}"
    return DatabaseObject("policy", name, table, "Permit", (drop, create), (drop,))


def _anchor(protection: Protection, table: TableName) -> DatabaseObject:
    """Switches row security on, and lets every row through: which rows are whose is for others to say.

    Where others do, it lets none through that they do not.
    """
    part = "" if table == protection.table.name else str(table)
    others = protection.get(Tenant) is not None or protection.table.own_policies
    drop = f"drop policy if exists {quote(ANCHOR)} on {qualified(table)}"
    create = (
        kept("keep", protection, "policy", ANCHOR, table, part),
        drop,
        f"create policy {quote(ANCHOR)} on {qualified(table)} {'as restrictive ' if others else ''}for all to public\n"
        "    using (true)\n    with check (true)",
        f"alter table {qualified(table)} enable row level security, force row level security",
    )
    return DatabaseObject(
        "policy", ANCHOR, table, "Permit", create, (drop, kept("put_back", protection, "policy", ANCHOR, table, part))
    )


def _truncating(permission: str, protection: Protection, isolation: Isolation) -> Iterator[DatabaseObject]:
    """Row security is not asked about a TRUNCATE; it is refused to whom a DELETE would be."""
    table, name = protection.table, f"permit_truncate_{protection.relation.id}"
    subject = "row_security_active(tg_relid)"
    if isolation.roles.scoped:
        of = " or ".join(f"pg_has_role(current_user, {literal(role)}, 'usage')" for role in isolation.roles.scoped)
        subject += f" and ({of})"
    body = f"""\
begin
    if {subject} then
        perform holdfast.require({literal(permission)});
    end if;
    return null;
end"""
    purpose = f"Refuses a TRUNCATE of {table.name} to whom a DELETE is refused."
    yield function(name, body, policy="Permit", purpose=purpose, owner=None, definer=False)
    for target in (table.name, *table.partitions):
        yield trigger("holdfast_permit_truncate", target, name, "before truncate", "statement", policy="Permit")
