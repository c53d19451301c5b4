"""What a tenant's application sees of the journal: the changes of that tenant's rows, and no others."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.dialects.postgresql.sql import quote
from holdfast.dialects.postgresql.tenant import Isolation
from holdfast.objects import DatabaseObject
from holdfast.tables import TableName

TABLES = ("change", "transaction")
"""Those whose rows are of a tenant: the first says whose row was changed, the second for whom somebody acted."""
_RIGHTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("change", "holdfast_tenant_everyone"): (),
    ("change", "holdfast_tenant_only"): ("change", "relation", "relation_column", "tenant_timeline"),
    ("transaction", "holdfast_tenant_everyone"): (),
    ("transaction", "holdfast_tenant_only"): ("transaction",),
}


def timeline(isolation: Isolation) -> str:
    """For the application and its reports: who acted is told only where it was done for the tenant itself."""
    tenant = "holdfast.signed_tenant()" if isolation.signed else "nullif(current_setting('holdfast.tenant', true), '')"
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
where t.row_tenant = (select {tenant})"""


def policies(isolation: Isolation) -> Iterator[DatabaseObject]:
    """Whoever was given the right to read reads all of it, but for the roles that work for one tenant at a time."""
    if not isolation.roles.scoped:
        return
    scoped = ", ".join(map(quote, isolation.roles.scoped))
    tenant = "holdfast.signed_tenant()" if isolation.signed else "nullif(current_setting('holdfast.tenant', true), '')"
    for name in TABLES:
        table = TableName("holdfast", name)
        for policy, rest in (
            ("holdfast_tenant_everyone", "for all to public\n    using (true)"),
            ("holdfast_tenant_only", f"as restrictive for all to {scoped}\n    using (tenant = (select {tenant}))"),
        ):
            drop = f"drop policy if exists {policy} on holdfast.{name}"
            create = (
                drop,
                f"create policy {policy} on holdfast.{name} {rest}",
                f"alter table holdfast.{name} enable row level security",
                # Nobody is given the right before the policy is there.
                *(f"grant select on holdfast.{each} to {scoped}" for each in _RIGHTS[name, policy]),
            )
            yield DatabaseObject("policy", policy, table, "", create, (drop,))
