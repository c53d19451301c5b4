"""Tenants: row security for each role of the application, keys that carry the tenant, and a column that never changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.dialects.postgresql.isolation import TYPES, Isolation
from holdfast.dialects.postgresql.sql import dollar, function, literal, qualified, quote, trigger
from holdfast.dialects.postgresql.tenant_keys import (
    check_distributed,
    check_letting_go,
    foreign_keys,
    tenant_index,
    unique_keys,
)
from holdfast.dialects.postgresql.tenant_original import kept
from holdfast.errors import DeclarationError
from holdfast.objects import DatabaseObject, Protection, Protections
from holdfast.policies import Tenant
from holdfast.tables import ColumnInfo, TableName

TABLES = {
    "role": """\
create table if not exists holdfast.role (
    duty text primary key,
    name name not null
)""",
}

# Whether the transaction has said why it works across tenants. A setting could be forged; the record cannot.
ACROSS_TENANTS = """\
select exists (
    select from holdfast.intervention as i
    where i.at >= now() and i.kind = 'all_tenants' and i.details ->> 'xid' = pg_current_xact_id_if_assigned()::text
)"""

ALL_TENANTS = """\
begin
    if nullif(trim(reason), '') is null then
        raise exception using errcode = 'HF203',
            message = 'Work across tenants needs a reason.',
            hint = 'Say why: select holdfast.all_tenants(''…'').';
    end if;
    insert into holdfast.intervention (kind, actor, reason, details)
    values ('all_tenants', nullif(current_setting('holdfast.context', true), '')::jsonb ->> 'actor', reason,
        jsonb_build_object('xid', pg_current_xact_id()::text));
end"""

INDEXES = {
    "intervention_at": """\
create index if not exists intervention_at on holdfast.intervention (at)""",
}


def keeping_apart(
    policy: Tenant, protection: Protection, protections: Protections, isolation: Isolation
) -> tuple[DatabaseObject, ...]:
    column = _tenant_column(policy, protection)
    if isolation.distributed:
        check_distributed(policy, protection, protections)
    elif not isolation.lets_go_of_one:
        check_letting_go(protection, protections)
    return (
        *unique_keys(policy, protection, protections),
        *tenant_index(policy, protection, protections),
        *row_security(protection, column, isolation),
        *foreign_keys(policy, protection, protections),
        *(() if isolation.distributed else _unchanging(protection, column)),
    )


def _tenant_column(policy: Tenant, protection: Protection) -> ColumnInfo:
    table = protection.table
    column = table.column(policy.column)
    assert column is not None
    if column.base_type not in TYPES or column.generated or column.identity:
        what = "is computed" if column.generated or column.identity else f"is of type {column.type}"
        raise DeclarationError(
            "HF119",
            f"{table.name}.{column.name} {what}, and cannot say whose row it is.",
            "Use a plain column of type bigint, integer, uuid or text: an index on it serves row security.",
        )
    return column


def row_security(protection: Protection, column: ColumnInfo, isolation: Isolation) -> Iterator[DatabaseObject]:
    """For the table, and for each part of it that can be read by itself.

    Two policies say the same: one lets the tenant's rows through; the other, restrictive, keeps them the only ones
    whatever policies are added later.
    """
    own = isolation.is_own(column)
    scoped = ", ".join(map(quote, isolation.roles.scoped)) or "public"
    for table in (protection.table.name, *protection.table.children):
        first = () if _part(protection, table) else _column(protection, column, isolation)
        yield _policy("holdfast_tenant", protection, table, f"for all to {scoped}", own, first)
        yield _policy("holdfast_tenant_only", protection, table, f"as restrictive for all to {scoped}", own)
        if isolation.roles.all_tenants is not None:
            said = "holdfast.across_tenants()" if isolation.distributed else "(select holdfast.across_tenants())"
            whom = f"for all to {quote(isolation.roles.all_tenants)}"
            yield _policy("holdfast_all_tenants", protection, table, whom, said)
        if isolation.roles.scoped:
            yield _owners_policy(protection, table, isolation)


def _part(protection: Protection, table: TableName) -> str:
    """What ``holdfast.original`` calls a child of the table; empty for the table itself."""
    return "" if table == protection.table.name else str(table)


def _policy(
    name: str, protection: Protection, table: TableName, whom: str, condition: str, first: Sequence[str] = ()
) -> DatabaseObject:
    part = _part(protection, table)
    create = (
        *first,
        kept("keep", protection, "policy", name, table, part),
        f"drop policy if exists {quote(name)} on {qualified(table)}",
        f"create policy {quote(name)} on {qualified(table)} {whom}\n"
        f"    using ({condition})\n    with check ({condition})",
        f"alter table {qualified(table)} enable row level security, force row level security",
    )
    drop = [
        f"drop policy if exists {quote(name)} on {qualified(table)}",
        kept("put_back", protection, "policy", name, table, part),
    ]
    if name == "holdfast_tenant":
        policy = protection.get(Tenant)
        assert policy is not None
        drop.append(kept("put_back", protection, "column", policy.column, table, part))
    return DatabaseObject("policy", name, table, "Tenant", create, tuple(drop))


def _owners_policy(protection: Protection, table: TableName, isolation: Isolation) -> DatabaseObject:
    """What a trigger does with the owner's rights, such as to mark children, reaches the rows, whoever set it off."""
    within = "pg_trigger_depth() > 0" if isolation.distributed else "(select pg_trigger_depth() > 0)"
    statement = (
        f"create policy holdfast_tenant_owner on {qualified(table).replace('%', '%%')} for all to %I\n"
        f"    using ({within})\n    with check ({within})"
    )
    # The owner need not be called the same in every database.
    create = f"""\
do {
        dollar(f'''begin
    execute format({literal(statement)},
        (select pg_get_userbyid(c.relowner) from pg_class as c where c.oid = {literal(qualified(table))}::regclass));
end''')
    }"""
    drop = f"drop policy if exists holdfast_tenant_owner on {qualified(table)}"
    return DatabaseObject("policy", "holdfast_tenant_owner", table, "Tenant", (drop, create), (drop,))


def _column(protection: Protection, column: ColumnInfo, isolation: Isolation) -> tuple[str, ...]:
    """A row that does not say whose it is is the present tenant's; one of nobody there is none. The children inherit it."""
    table, name = protection.table, quote(column.name)
    complaint = f"Rows of {table.name} belong to nobody: {column.name} is NULL."
    owned = f"""begin
    if exists (select from {qualified(table.name)} as t where t.{name} is null) then
        raise exception using errcode = 'HF203', message = {literal(complaint)},
            hint = 'Fill the column first: each row is of one tenant.';
    end if;
end"""
    return (
        f"do {dollar(owned)}",
        *(
            kept("keep", protection, "column", column.name, each, _part(protection, each))
            for each in (table.name, *table.children)
        ),
        f"alter table {qualified(table.name)}\n"
        f"    alter column {name} set default {isolation.claimed(column)},\n"
        f"    alter column {name} set not null",
    )


def _unchanging(protection: Protection, column: ColumnInfo) -> tuple[DatabaseObject, ...]:
    table = protection.table
    name = f"tenant_{protection.relation.id}"
    tenant = quote(column.name)
    body = f"""\
begin
    raise exception using errcode = 'HF203',
        message = 'A row of {_quoted(table.name.name)} cannot go from one tenant to another.',
        schema = {literal(table.name.schema)}, table = {literal(table.name.name)},
        hint = 'Insert it for the other tenant, and delete it here.';
end"""
    return (
        function(
            name,
            body,
            policy="Tenant",
            purpose=f"Refuses to give a row of {table.name} to another tenant.",
            owner=None,
            definer=False,
        ),
        trigger(
            "holdfast_tenant",
            table.name,
            name,
            "before update",
            "row",
            when=f"old.{tenant} is distinct from new.{tenant}",
            policy="Tenant",
        ),
    )


def _quoted(name: str) -> str:
    return name.replace("'", "''").replace("\\", "")
