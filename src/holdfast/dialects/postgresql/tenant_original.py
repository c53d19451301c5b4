"""How a table was before its tenants were kept apart: written down when that begins, and given back when it ends."""

from __future__ import annotations

from typing import Literal

from holdfast.dialects.postgresql.sql import literal, qualified, quote
from holdfast.dialects.postgresql.tenant_bare import drop_key
from holdfast.objects import InstalledObject, Protection
from holdfast.tables import TableName

OWN_INDEX = "holdfast_tenant_"
"""How the names of the indexes begin that are in no index's place."""

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

# A condition: what a part was called is what some table is called.
_IS_THERE = """exists (
                 select from pg_class as g join pg_namespace as s on s.oid = g.relnamespace
                 where s.nspname || '.' || g.relname = o.part)"""

# Writes down how something of the users' is before we change it; what is ours already was written down then.
KEEP = f"""\
declare
    v_statements text[];
begin
    case kind
    when 'policy' then
        -- A part that was renamed has ours already: what it was before is noted by its former name.
        select coalesce(
            (select o.statements
             from holdfast.original as o
             where exists (select from pg_policy as p where p.polrelid = c.oid and p.polname ~ '^holdfast_(tenant|permit)')
                 and (o.relation, o.kind, o.name) = (keep.relation, keep.kind, keep.name)
                 and (o.part = '') = (keep.part = '')
             order by {_IS_THERE} limit 1),
            array_remove(array[
                case when not c.relrowsecurity then 'alter table %s disable row level security' end,
                case when not c.relforcerowsecurity then 'alter table %s no force row level security' end], null))
        into v_statements
        from pg_class as c
        where c.oid = target::regclass;
    when 'column' then
        -- A column, or a part, that was renamed, and a part that came since, have ours already. The first two are noted
        -- by their former names; the last would have what the table had.
        select coalesce(
            (select array(select replace(s, format('alter column %I ', o.name), format('alter column %I ', keep.name))
                          from unnest(o.statements) as s)
             from holdfast.original as o
             where pg_get_expr(d.adbin, d.adrelid) ~ 'holdfast[.]tenant'
                 and (o.relation, o.kind) = (keep.relation, keep.kind)
                 and (o.part in ('', keep.part) or not {_IS_THERE})
             order by o.part = keep.part desc, o.part <> '' and keep.part <> '' desc, o.part = '' desc limit 1),
            array[
                'alter table %s ' || replace(concat_ws(', ',
                    case when not a.attnotnull then format('alter column %I drop not null', a.attname) end,
                    format('alter column %I %s', a.attname,
                        coalesce('set default ' || pg_get_expr(d.adbin, d.adrelid), 'drop default'))), '%', '%%')])
        into v_statements
        from pg_attribute as a
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = target::regclass and a.attname = keep.name;
        delete from holdfast.original as o
        where (o.relation, o.part, o.kind) = (keep.relation, keep.part, keep.kind) and not exists (
            select from pg_attribute as a
            where a.attrelid = target::regclass and a.attname = o.name and not a.attisdropped);
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
        -- What has ours was written down before that; a key is told by its marker, and this one is the users' own again.
        on conflict on constraint original_pkey do update set statements = excluded.statements
        where keep.kind not in ('policy', 'column');
    end if;
end"""

PUT_BACK = f"""\
declare
    v_part text;
    v_column name;
    v_statements text[];
    v_each text;
begin
    -- A part that was renamed since is noted by its former name.
    select o.part into v_part
    from holdfast.original as o
    where (o.relation, o.kind, o.name) = (put_back.relation, put_back.kind, put_back.name)
        and (o.part = put_back.part or o.part <> '' and put_back.part <> '' and not {_IS_THERE})
    order by o.part = put_back.part desc, o.part
    limit 1;
    delete from holdfast.original as o
    where (o.relation, o.part, o.kind, o.name) = (put_back.relation, v_part, put_back.kind, put_back.name)
    returning o.statements into v_statements;
    if kind = 'column' then
        -- What the column that was called so is called now.
        select a.attname into v_column
        from holdfast.relation as r
        join holdfast.relation_column as c on c.relation = r.id and not c.dropped
        join pg_attribute as a on a.attrelid = r.oid and a.attnum = c.position
        where r.id = put_back.relation and c.name = put_back.name
            and r.journal_oid = 'holdfast.relation'::regclass
            and r.system = (select s.system_identifier from pg_control_system() as s);
    end if;
    foreach v_each in array coalesce(v_statements, '{{}}') loop
        v_each := replace(v_each, format('alter column %I ', name), format('alter column %I ', coalesce(v_column, name)));
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


def drop_tenant_object(each: InstalledObject) -> tuple[str, ...]:
    """Drops a policy or a key that nothing declares any more, and gives back what was in its place."""
    assert each.table is not None
    if each.kind == "index" and each.name.startswith(OWN_INDEX):
        return (f"drop index if exists {quote(each.table.schema)}.{quote(each.name)}",)
    relation = f"""(
    select r.id
    from holdfast.relation as r
    cross join lateral (
        select r.oid = {literal(qualified(each.table))}::regclass and r.journal_oid = 'holdfast.relation'::regclass
            and r.system = (select c.system_identifier from pg_control_system() as c) as same
    ) as t
    where t.same or (r.schema_name, r.table_name) = ({literal(each.table.schema)}, {literal(each.table.name)})
    order by t.same desc limit 1)"""
    if each.kind != "policy":
        return (drop_key(each.kind, each.name, each.table, relation),)
    table = qualified(each.table)
    back = f"""\
select holdfast.put_back(o.relation, o.part, o.kind, o.name, {literal(table)})
from holdfast.original as o
where (o.part = {literal(str(each.table))} or o.part = '' and o.relation = {relation})
    and (o.kind = 'policy' and o.name = {literal(each.name)}
        or o.kind = 'column' and {literal(each.name)} = 'holdfast_tenant')"""
    return (f"drop policy if exists {quote(each.name)} on {table}", back)
