"""Keys without the tenant again: as they were before it was put in front, or over what they are over by now."""

from __future__ import annotations

from holdfast.dialects.postgresql.sql import dollar, literal, qualified, quote
from holdfast.tables import TableName

# What made of the text that was written down tells that its names are no longer those of the same things.
_MISLED = """undefined_column or undefined_table or invalid_schema_name or wrong_object_type
        or invalid_foreign_key or datatype_mismatch or foreign_key_violation or unique_violation"""
_LISTED = """(
        select '(' || string_agg(quote_ident(a.attname), ', ' order by u.position) || ')'
        from unnest({numbers}) with ordinality as u (number, position)
        join pg_attribute as a on a.attrelid = {table} and a.attnum = u.number
        where u.position > {{beyond}}{only})"""
_UNIQUE = _LISTED.format(numbers="i.indkey::smallint[]", table="i.indrelid", only=" and u.position <= i.indnkeyatts")
_REFERENCE = (
    _LISTED.format(numbers="k.conkey", table="k.conrelid", only="")
    + " || ' references ' || k.confrelid::regclass || ' ' || "
    + _LISTED.format(numbers="k.confkey", table="k.confrelid", only="")
)
_DEFERRABLE = """coalesce((
        select concat(case when k.condeferrable then ' deferrable' end, case when k.condeferred then ' initially deferred' end)
        from pg_constraint as k where k.conindid = i.indexrelid and k.contype = 'u'), '')"""
_ACTION = (
    "case k.{} when 'a' then 'no action' when 'r' then 'restrict' when 'c' then 'cascade' when 'n' then 'set null'"
    " else 'set default' end"
)
# Ours says which columns are let go, for the tenant is not; where these are all others, nothing need be said.
_ACTIONS = f"""concat(' on update ', {_ACTION.format("confupdtype")},
        ' on delete ', {_ACTION.format("confdeltype")}, (
            select ' (' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || ')'
            from json_array_elements_text(case json_typeof(to_json(k) -> 'confdelsetcols')
                when 'array' then to_json(k) -> 'confdelsetcols' end) as s (number)
            join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = s.number::integer
            having count(*) < cardinality(k.conkey) - 1),
        case when k.condeferrable then ' deferrable' end, case when k.condeferred then ' initially deferred' end)"""


def drop_key(kind: str, name: str, table: TableName, relation: str) -> str:
    """Drops a key that has the tenant in front, and gives the users' own back, over what the tenant's is over now.

    ``relation`` is the number of the table's history, as SQL. What was written down is the key to the letter, but it
    names tables and columns as they were: where these were renamed, and others may bear their names by now, the key
    is made of what the catalog says.
    """
    target = literal(qualified(table))
    drop, make = _statements(kind, name, table)
    over, rest, where = _catalog(kind, name, target)
    body = f"""\
declare
    v_relation integer := {relation};
    v_over text;
    v_rest text;
begin
    select {over.format(beyond=1)}, {rest}
    into v_over, v_rest
    {where};
    {drop};
    if v_over is null then
        return;
    end if;
    begin
        perform holdfast.put_back(v_relation, '', {literal(kind)}, {literal(name)}, {target});
        if v_over = (
            select {over.format(beyond=0)}
            {where}
        ) then
            return;
        end if;
        raise undefined_column;
    exception when {_MISLED} then
        delete from holdfast.original as o
        where (o.relation, o.part, o.kind, o.name) = (v_relation, '', {literal(kind)}, {literal(name)});
    end;
    execute {literal(make)} || v_over || v_rest;
end"""
    return f"do {dollar(body)}"


def _statements(kind: str, name: str, table: TableName) -> tuple[str, str]:
    """What drops the key, and how what makes it begins."""
    if kind == "index":
        drop = f"drop index if exists {quote(table.schema)}.{quote(name)}"
        return drop, f"create unique index {quote(name)} on {qualified(table)} "
    alter = f"alter table {qualified(table)}"
    sort = "foreign key" if kind == "foreign key" else "unique"
    return f"{alter} drop constraint if exists {quote(name)}", f"{alter} add constraint {quote(name)} {sort} "


def _catalog(kind: str, name: str, target: str) -> tuple[str, str, str]:
    """Expressions: what the key is over, and what else is to be said of it; and where both are found."""
    if kind == "foreign key":
        return (
            _REFERENCE,
            _ACTIONS,
            (
                "from pg_constraint as k\n"
                f"    where k.conrelid = {target}::regclass and k.conname = {literal(name)} and k.contype = 'f'"
            ),
        )
    return (
        _UNIQUE,
        _DEFERRABLE,
        (
            "from pg_index as i\n    join pg_class as x on x.oid = i.indexrelid\n"
            f"    where i.indrelid = {target}::regclass and x.relname = {literal(name)}"
        ),
    )
