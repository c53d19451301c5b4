"""What a tenant's application sees of the journal: the changes of that tenant's rows, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.dialects.postgresql.isolation import Isolation
from holdfast.dialects.postgresql.sql import quote
from holdfast.objects import DatabaseObject
from holdfast.tables import TableName

TABLES = ("change", "transaction")
"""Those whose rows are of a tenant: the first says whose row was changed, the second for whom somebody acted."""
_RIGHTS = {"change": ("change", "relation", "relation_column", "tenant_timeline"), "transaction": ("transaction",)}
"""What may be read once the table's policy is there."""
IN_PART = """\
row_security_active('holdfast.transaction') and exists (
        select from pg_policy as p
        cross join unnest(p.polroles) as r (oid)
        where p.polrelid = 'holdfast.transaction'::regclass and p.polname = 'holdfast_tenant'
            and pg_has_role(r.oid, 'usage'))"""
"""A condition: the role in use sees one tenant's part of the journal."""


def timeline(isolation: Isolation) -> str:
    """For the application and its reports: who acted is told only where it was done for the tenant itself."""
    told = ",\n    ".join(
        f"case when t.tenant = t.row_tenant then t.{name} end as {name}" for name in ("actor", "reason", "context")
    )
    return f"""\
create or replace view holdfast.tenant_timeline with (security_barrier = true) as
select
    t.id,
    t.transaction,
    t.at,
    t.schema_name,
    t.table_name,
    t.key,
    t.operation,
    t.before,
    t.after,
    t.committed,
    {told}
from holdfast.timeline as t
where t.row_tenant = (select {isolation.tenant})"""


def policies(isolation: Isolation) -> Iterator[DatabaseObject]:
    """The journal's owner is above them; whoever else is to read all of it needs the duty of the auditor."""
    if not isolation.roles.scoped:
        return
    scoped = ", ".join(map(quote, isolation.roles.scoped))
    for name in TABLES:
        grants = [f"grant select on holdfast.{each} to {scoped}" for each in _RIGHTS[name]]
        # Nobody is given the right before the policy is there.
        yield _policy(name, "holdfast_tenant", f"{scoped}\n    using (tenant = (select {isolation.tenant}))", grants)
        if isolation.roles.auditor is not None:
            yield _policy(name, "holdfast_tenant_auditor", f"{quote(isolation.roles.auditor)}\n    using (true)")


def _policy(table: str, name: str, whom: str, grants: Sequence[str] = ()) -> DatabaseObject:
    drop = f"drop policy if exists {name} on holdfast.{table}"
    create = (
        drop,
        f"create policy {name} on holdfast.{table} for select to {whom}",
        f"alter table holdfast.{table} enable row level security",
        *grants,
    )
    return DatabaseObject("policy", name, TableName("holdfast", table), "", create, drop_policy(table, name))


def drop_policy(table: str, name: str) -> tuple[str, ...]:
    """The last one takes row security along."""
    last = f"""\
do $holdfast$
begin
    if not exists (select from pg_policy as p where p.polrelid = 'holdfast.{table}'::regclass) then
        alter table holdfast.{table} disable row level security;
    end if;
end
$holdfast$"""
    return f"drop policy if exists {name} on holdfast.{table}", last
