"""The view of the rows that live. It reads with the rights of its reader, so grants and row security hold as on the table."""

from __future__ import annotations

from holdfast.dialects.postgresql.sql import dollar, literal, qualified, quote
from holdfast.errors import DeclarationError
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import SoftDelete
from holdfast.tables import TableName

LONGEST_NAME = 63
"""Bytes; PostgreSQL cuts off the rest without a word."""


def live_view(policy: SoftDelete, protection: Protection) -> tuple[DatabaseObject, ...]:
    table = protection.table
    name = policy.live_view_of(table.name.name)
    if name is None:
        return ()
    if len(name.encode()) > LONGEST_NAME:
        raise DeclarationError(
            "HF111",
            f"The live view of {table.name} cannot be called {name!r}: the name is longer than {LONGEST_NAME} bytes.",
            "Give it a shorter one: SoftDelete(live_view='…').",
        )
    view = qualified(TableName(table.name.schema, name))
    create = (
        _view(view, policy, protection),
        _grants(view, table.name),
        # What it is the view of, however the two may be renamed; with the checksums once it is marked.
        f"comment on view {view} is 'holdfast: relation={protection.relation.id}'",
    )
    return (DatabaseObject("view", name, table.name, "SoftDelete", create, (f"drop view if exists {view}",)),)


def _view(view: str, policy: SoftDelete, protection: Protection) -> str:
    columns = ",\n            ".join(quote(column.name) for column in protection.table.columns)
    body = f"""\
begin
    loop
        begin
            create or replace view {view} with (security_invoker = true) as
            select
            {columns}
            from {qualified(protection.table.name)}
            where {quote(policy.column)} is null;
            exit;
        exception
            -- A column that it shows is gone or has another name. Without CASCADE nothing goes along.
            when invalid_table_definition then
                drop view {view};
        end;
    end loop;
end"""
    return f"do {dollar(body)}"


def _grants(view: str, table: TableName) -> str:
    """It belongs to the table's owner. Whoever may read the table may read the view; one who may read some columns alone is refused by both."""
    body = f"""\
declare
    v_each record;
begin
    execute format('alter view %s owner to %I', {literal(view)}, (
        select pg_get_userbyid(c.relowner) from pg_class as c
        where c.oid = {literal(qualified(table))}::regclass));
    for v_each in
        select coalesce(quote_ident(r.rolname), 'public') as grantee
        from ({granted(f"{literal(qualified(table))}::regclass")}) as g
        left join pg_roles as r on r.oid = g.grantee
    loop
        execute format('grant select on %s to %s', {literal(view)}, v_each.grantee);
    end loop;
end"""
    return f"do {dollar(body)}"


def granted(oid: str) -> str:
    """Who may read the table or the view; but for its owner, and the journal's."""
    return f"""\
select a.grantee
        from pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.oid = {oid} and a.privilege_type = 'SELECT' and a.grantee <> c.relowner
            and a.grantee <> (select n.nspowner from pg_namespace as n where n.nspname = 'holdfast')"""


# Every live view, with what was made of the rendered SQL: whose rows it shows, and to whom.
LIVE_VIEWS = f"""\
select v.oid, v.relname as name, n.nspname as schema_name, coalesce(t.relname, v.relname) as table_name,
    obj_description(v.oid, 'pg_class') as marker,
    concat_ws(' ',
        -- Neither a search_path nor another version of the server changes this.
        replace(replace(pg_get_viewdef(v.oid), quote_ident(n.nspname) || '.', ''), quote_ident(t.relname) || '.', ''),
        v.reloptions::text,
        -- Who may read the table and not the view. By name, for a copy has other numbers.
        (select string_agg(coalesce(p.rolname, 'public'), ',' order by p.rolname) from (
        {granted("t.oid")}
        except
        {granted("v.oid")}
        ) as g
        left join pg_roles as p on p.oid = g.grantee)
    ) as definition,
    -- Dropped and made anew, the view would lose triggers and rules that the users gave it.
    not exists (select from pg_trigger as g where g.tgrelid = v.oid and not g.tgisinternal)
        and not exists (select from pg_rewrite as w where w.ev_class = v.oid and w.rulename <> '_RETURN') as replaceable,
    -- What the users built upon it; a view depends by way of its rule.
    (select json_agg(distinct case when w.rulename = '_RETURN'
                                   then pg_describe_object('pg_class'::regclass, w.ev_class, 0)
                                   else pg_describe_object(d.classid, d.objid, 0) end)
     from pg_depend as d
     left join pg_rewrite as w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
     where d.deptype in ('n', 'a') and (w.ev_class is distinct from v.oid or w.rulename <> '_RETURN')
         and (d.refclassid = 'pg_class'::regclass and d.refobjid = v.oid
              or d.refclassid = 'pg_type'::regclass and d.refobjid = v.reltype)) as used_by
from pg_class as v
join pg_namespace as n on n.oid = v.relnamespace
left join holdfast.relation as r
    on r.id = substring(obj_description(v.oid, 'pg_class') from 'relation=([0-9]+)')::integer
left join pg_class as t on t.oid = case
    when r.journal_oid = 'holdfast.relation'::regclass
        and r.system = (select s.system_identifier from pg_control_system() as s)
        and exists (select from pg_class as o where o.oid = r.oid) then r.oid
    else to_regclass(format('%I.%I', r.schema_name, r.table_name)) end
-- The server's own views, of which there are many, have the numbers below.
where v.relkind = 'v' and v.oid >= 16384 and n.nspname <> 'holdfast' and obj_description(v.oid, 'pg_class') like 'holdfast:%relation=%'"""


def mark_live_view(each: DatabaseObject, version: str) -> str:
    """Marks a live view that was just made."""
    schema = each.table.schema if each.table else ""
    view = qualified(TableName(schema, each.name))
    body = f"""\
declare
    v_view record;
begin
    select o.* into strict v_view
    from (
{LIVE_VIEWS}
    ) as o
    where o.oid = {literal(view)}::regclass;
    execute format('comment on view %s is %L', v_view.oid::regclass, concat(
        'holdfast:', {literal(version)}, ' ', substring(v_view.marker from 'relation=[0-9]+'),
        ' src=', {literal(each.checksum)}, ' cat=', left(md5(v_view.definition), 12)));
end"""
    return f"do {dollar(body)}"
