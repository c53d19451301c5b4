"""Tenants: row security for each role of the application, keys that carry the tenant, and a column that never changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from holdfast.dialects.postgresql.sql import dollar, function, literal, qualified, quote, trigger
from holdfast.dialects.postgresql.tenant_keys import (
    check_distributed,
    check_letting_go,
    foreign_keys,
    kept,
    tenant_index,
    unique_keys,
)
from holdfast.errors import DeclarationError
from holdfast.objects import DatabaseObject, InstalledObject, Protection, Protections
from holdfast.policies import Tenant
from holdfast.roles import Roles
from holdfast.tables import ColumnInfo, TableName

TABLES = {
    # What gives a table back as it was; %s stands for its name, which may change meanwhile.
    "original": """\
create table if not exists holdfast.original (
    relation integer not null,
    -- A partition or a child of the table; empty for the table itself.
    part text not null,
    kind text not null,
    name text not null,
    statements text[] not null,
    primary key (relation, part, kind, name)
)""",
    "role": """\
create table if not exists holdfast.role (
    duty text primary key,
    name name not null
)""",
}

# Writes down how something of the users' is before we change it; what is ours already was written down then.
KEEP = """\
declare
    v_statements text[];
begin
    case kind
    when 'policy' then
        select array_remove(array[
            case when not c.relrowsecurity then 'alter table %s disable row level security' end,
            case when not c.relforcerowsecurity then 'alter table %s no force row level security' end], null)
        into v_statements
        from pg_class as c
        where c.oid = target::regclass;
    when 'column' then
        select array[
            'alter table %s ' || replace(concat_ws(', ',
                case when not a.attnotnull then format('alter column %I drop not null', a.attname) end,
                format('alter column %I %s', a.attname,
                    coalesce('set default ' || pg_get_expr(d.adbin, d.adrelid), 'drop default'))), '%', '%%')]
        into v_statements
        from pg_attribute as a
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = target::regclass and a.attname = keep.name;
    when 'index' then
        select array_remove(array[
            replace(pg_get_indexdef(i.indexrelid), '%', '%%'),
            replace(format('comment on index %s is %L', i.indexrelid::regclass, d.said), '%', '%%')], null)
        into v_statements
        from pg_index as i
        join pg_class as x on x.oid = i.indexrelid
        cross join lateral (select obj_description(x.oid, 'pg_class') as said) as d
        where i.indrelid = target::regclass and x.relname = keep.name and d.said not like 'holdfast:%' is not false;
    else
        select array_remove(array[
            'alter table %s ' || replace(format('add constraint %I %s', k.conname, pg_get_constraintdef(k.oid)), '%', '%%'),
            case when d.said is not null
                 then replace(format('comment on constraint %I on ', k.conname), '%', '%%') || '%s is '
                     || replace(quote_literal(d.said), '%', '%%') end], null)
        into v_statements
        from pg_constraint as k
        cross join lateral (select obj_description(k.oid, 'pg_constraint') as said) as d
        where k.conrelid = target::regclass and k.conname = keep.name and d.said not like 'holdfast:%' is not false;
    end case;
    if v_statements is not null then
        insert into holdfast.original (relation, part, kind, name, statements)
        values (keep.relation, keep.part, keep.kind, keep.name, v_statements)
        on conflict do nothing;
    end if;
end"""

PUT_BACK = """\
declare
    v_statements text[];
    v_each text;
begin
    delete from holdfast.original as o
    where o.relation = put_back.relation and o.part = put_back.part and o.kind = put_back.kind and o.name = put_back.name
    returning o.statements into v_statements;
    foreach v_each in array coalesce(v_statements, '{}') loop
        execute format(v_each, target);
    end loop;
end"""

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

_CLAIMED = "nullif(current_setting('holdfast.tenant', true), '')"

# Types whose = tells nothing by its errors: the index on the column may then be used before row security.
_TYPES = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "uuid": "uuid",
    "text": "text",
    "varchar": "text",
    "bpchar": "text",
}


@dataclass(frozen=True, slots=True)
class Isolation:
    """What of the database decides how its tenants are kept apart."""

    roles: Roles = field(default_factory=Roles)
    signed: bool = False
    """Whether a context counts only with a signature."""
    distributed: bool = False
    """Whether the tables may be spread over several servers, which refuses subqueries in policies."""
    keys: bool = False
    """Whether there is a table of keys to sign contexts with."""
    lets_go_of_one: bool = True
    """Whether ON DELETE SET NULL can name its columns: the tenant's must stay."""

    @property
    def tenant(self) -> str:
        """An expression: the tenant of the present transaction, as text; NULL where there is none."""
        return "holdfast.signed_tenant()" if self.signed else _CLAIMED

    def present(self, column: ColumnInfo) -> str:
        """The same as a value of the column."""
        return _cast(self.tenant, column)

    def claimed(self, column: ColumnInfo) -> str:
        """The tenant that the transaction says it is of. Cheap enough to be asked for each row; the policies check it."""
        return _cast(_CLAIMED, column)

    def is_own(self, column: ColumnInfo) -> str:
        """A condition: the row is the present tenant's. Asked once for a statement, where subqueries are allowed."""
        present = self.present(column)
        return f"{quote(column.name)} = " + (present if self.distributed else f"(select {present})")


def _cast(expression: str, column: ColumnInfo) -> str:
    kind = _TYPES[column.base_type]
    return expression if kind == "text" else f"{expression}::{kind}"


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
    if column.base_type not in _TYPES or column.generated or column.identity:
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


def drop_tenant_object(each: InstalledObject) -> tuple[str, ...]:
    """Drops a policy or a key that nothing declares any more, and gives back what was in its place."""
    assert each.table is not None
    table = qualified(each.table)
    match each.kind:
        case "policy":
            drop = f"drop policy if exists {quote(each.name)} on {table}"
        case "index":
            drop = f"drop index if exists {quote(each.table.schema)}.{quote(each.name)}"
        case _:
            drop = f"alter table {table} drop constraint if exists {quote(each.name)}"
    back = f"""\
select holdfast.put_back(o.relation, o.part, o.kind, o.name, {literal(table)})
from holdfast.original as o
join holdfast.relation as r on r.id = o.relation
where (o.part = {literal(str(each.table))}
        or o.part = '' and (r.schema_name, r.table_name) = ({literal(each.table.schema)}, {literal(each.table.name)}))
    and (o.kind = {literal(each.kind)} and o.name = {literal(each.name)}
        or o.kind = 'column' and {literal(each.name)} = 'holdfast_tenant')"""
    return (drop, back)


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
