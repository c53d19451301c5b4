"""Evidence, the facts: what is installed to protect the tables, as one document that is sealed with the rows."""

from __future__ import annotations

from holdfast.dialects.sqlite.catalog import INSTALLED, PRESENT_NAME

# An object that was dropped and made again comes last in the catalog's order, which VACUUM keeps.
FACTS = f"""\
select json_object(
    'place', '',
    'version', 3,
    'relations', (
        select json_group_object(r.id, json_object('schema', 'main', 'name', r.name, 'key', json(r.key_columns),
            'policies', json(r.policies), 'added', json(r.added_columns), 'protected', r.protected, 'since', r.since,
            'there', json(case when exists (
                select 1 from main.sqlite_schema as s where s.type = 'table' and s.name = {PRESENT_NAME} collate nocase)
                then 'true' else 'false' end)))
        from main.holdfast_relation as r),
    'columns', (
        select json_group_object(c.relation || '.' || c.id,
            json_object('name', c.name, 'position', c.position, 'type', c.type, 'dropped', c.dropped))
        from main.holdfast_column as c),
    'live', (
        select json_group_object(l.id, json_object('name', l.name, 'columns', (
            select json_group_array(x.name) from pragma_table_xinfo(l.name, 'main') as x where x.hidden <> 1)))
        from (select r.id, {PRESENT_NAME} as name from main.holdfast_relation as r where r.protected) as l),
    'objects', (
        select json_group_array(json_object(
            'kind', o.kind, 'name', o.name, 'schema', o.schema_name, 'table', o.table_name,
            'state', case when o.altered then 'altered' else 'current' end,
            'definition', o.sql, 'order', o.place))
        from (
            select i.kind, i.name, i.schema_name, i.table_name, i.altered, s.sql, s.rowid as place
            from (
{INSTALLED}
            ) as i
            join main.sqlite_schema as s on s.type = i.kind and s.name = i.name
            union all
            select s.type, s.name, 'main', s.tbl_name, false, s.sql, s.rowid
            from main.sqlite_schema as s
            where s.type = 'trigger' and s.name glob 'holdfast_*_no_*' and s.tbl_name glob 'holdfast_*'
            order by 7
        ) as o)
) as document"""
