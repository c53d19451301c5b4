"""How a table was before its tenants were kept apart: written down when that begins, and given back when it ends."""

from __future__ import annotations

from typing import Literal

from holdfast.dialects.postgresql.sql import dollar, literal, qualified, quote
from holdfast.objects import InstalledObject, Protection
from holdfast.tables import TableName

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
}

# Writes down how something of the users' is before we change it; what is ours already was written down then.
KEEP = """\
declare
    v_statements text[];
begin
    case kind
    when 'policy' then
        -- Of a part that was renamed it was written down by its former name.
        select case when exists (select from pg_policy as p where p.polrelid = c.oid and p.polname ~ '^holdfast_(tenant|permit)')
            then (select o.statements from holdfast.original as o
                  where (o.relation, o.kind, o.name) = (keep.relation, keep.kind, keep.name)
                  order by (o.part = '') = (keep.part = '') desc limit 1)
            else array_remove(array[
                case when not c.relrowsecurity then 'alter table %s disable row level security' end,
                case when not c.relforcerowsecurity then 'alter table %s no force row level security' end], null) end
        into v_statements
        from pg_class as c
        where c.oid = target::regclass;
    when 'column' then
        -- A column, or a part, that was renamed, and a part that came since, have ours already.
        select case when pg_get_expr(d.adbin, d.adrelid) ~ 'holdfast[.]tenant'
            then (select array(select replace(s, format('alter column %I ', o.name), format('alter column %I ', keep.name))
                               from unnest(o.statements) as s)
                  from holdfast.original as o
                  where (o.relation, o.kind) = (keep.relation, keep.kind)
                  order by o.part = keep.part desc, o.part = '' desc limit 1)
            else array[
                'alter table %s ' || replace(concat_ws(', ',
                    case when not a.attnotnull then format('alter column %I drop not null', a.attname) end,
                    format('alter column %I %s', a.attname,
                        coalesce('set default ' || pg_get_expr(d.adbin, d.adrelid), 'drop default'))), '%', '%%')] end
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


def kept(
    what: Literal["keep", "put_back"], protection: Protection, kind: str, name: str, table: TableName, part: str = ""
) -> str:
    """Writes down how something of the users' is, or gives it back as it was; ``part`` is a child of the table."""
    return (
        f"select holdfast.{what}({protection.relation.id}, {literal(part)}, {literal(kind)}, {literal(name)}, "
        f"{literal(qualified(table))})"
    )


def put_back_key(protection: Protection, kind: str, name: str, table: TableName, anew: str) -> str:
    """Gives a key back as it was; ``anew`` makes it where the text that was written down no longer fits.

    Columns, tables and the key itself may have been renamed since, which the text did not follow.
    """
    relation, target = protection.relation.id, literal(qualified(table))
    of = f"(o.relation, o.part, o.kind, o.name) = ({relation}, '', {literal(kind)}, {literal(name)})"
    body = f"""\
begin
    if exists (select from holdfast.original as o where {of}) then
        begin
            perform holdfast.put_back({relation}, '', {literal(kind)}, {literal(name)}, {target});
            return;
        exception when undefined_column or undefined_table or invalid_schema_name then
            delete from holdfast.original as o where {of};
        end;
    end if;
    {anew};
end"""
    return f"do {dollar(body)}"


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
