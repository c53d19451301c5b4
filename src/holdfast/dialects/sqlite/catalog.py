"""What is there: the catalog queries, each answering JSON documents or plain rows."""

from __future__ import annotations

from holdfast.dialects.catalog import Catalog
from holdfast.dialects.sqlite.live_view import MARKER

_ACTION = "case {} when 'RESTRICT' then 'r' when 'CASCADE' then 'c' when 'SET NULL' then 'n' when 'SET DEFAULT' then 'd' else 'a' end"

EXPAND = "holdfast-expand "
"""What stands before an expansion's text in the triggers that keep two columns the same."""
EXPANSION = (
    f"substr({{0}}, instr({{0}}, '-- {EXPAND}') + {len(EXPAND) + 3},\n"
    f"        instr(substr({{0}}, instr({{0}}, '-- {EXPAND}')), char(10)) - {len(EXPAND) + 4})"
)
WRITTEN = "holdfast_written"
"""The table of when retired columns were last written; it is there while there are some."""

# One document for each table, in the shape that the inspector reads. A foreign key may spell names in another case,
# and may leave out the columns it points at: those are the target's primary key then.
TABLES = f"""\
with listed as (
    select l.schema, l.name, l.type, l.wr as without_rowid, l.strict, s.sql
    from pragma_table_list as l
    left join sqlite_schema as s on l.schema = 'main' and s.type = 'table' and s.name = l.name
    where l.schema in ('main', 'temp') and l.type in ('table', 'virtual', 'shadow')
        and l.name not glob 'sqlite_*' and l.name not glob 'holdfast_*'
),
fields as (
    select l.schema, l.name as table_name, x.cid, x.name, x.type, x."notnull" as not_null, x.dflt_value, x.pk, x.hidden
    from listed as l, pragma_table_xinfo(l.name, l.schema) as x
    where x.hidden <> 1
),
keys as (
    select f.schema, f.table_name, json_group_array(f.name) as columns, count(*) as width,
        max(upper(f.type)) = 'INTEGER' as of_integer
    from (select * from fields where pk > 0 order by schema, table_name, pk) as f
    group by f.schema, f.table_name
),
indexes as (
    select l.schema, l.name as table_name, i.name, i.origin, i.partial,
        (select json_group_array(x.name) from (
            select x.name from pragma_index_xinfo(i.name, l.schema) as x where x.key order by x.seqno) as x) as columns,
        (select json_group_array(upper(x.coll)) from (
            select x.coll from pragma_index_xinfo(i.name, l.schema) as x where x.key order by x.seqno) as x) as collations,
        exists (select 1 from pragma_index_xinfo(i.name, l.schema) as x where x.key and x.cid < 0) as computed
    from listed as l, pragma_index_list(l.name, l.schema) as i
    where i."unique"
),
uniques as (
    select k.schema, k.table_name, 'PRIMARY KEY' as name, true as is_primary, false as partial, k.columns, (
            -- A key may name a column twice.
            select json_group_array(upper(x.coll)) from (
                select x.coll, min(x.seqno) as first
                from indexes as i, pragma_index_xinfo(i.name, i.schema) as x
                where i.schema = k.schema and i.table_name = k.table_name and i.origin = 'pk' and x.key
                group by x.cid order by first) as x) as collations
    from keys as k
    union all
    select i.schema, i.table_name, i.name, false, i.partial or i.computed, i.columns, i.collations
    from indexes as i
    where i.origin <> 'pk'
),
foreign_fields as (
    select l.schema, l.name as table_name, f.id, f.seq, f."from" as field, t.name as target,
        coalesce(
            (select p.name from fields as p
             where p.schema = l.schema and p.table_name = t.name and p.name = f."to" collate nocase),
            (select p.name from fields as p
             where f."to" is null and p.schema = l.schema and p.table_name = t.name and p.pk = f.seq + 1),
            f."to") as target_field,
        f.on_delete, f.on_update
    from listed as l, pragma_foreign_key_list(l.name, l.schema) as f
    left join listed as t on t.schema = l.schema and t.name = f."table" collate nocase
),
foreign_keys as (
    select f.schema, f.table_name, f.id, max(f.target) as target, max(f.on_delete) as on_delete,
        max(f.on_update) as on_update, group_concat(f.field, '_') as field_names,
        json_group_array(f.field) as columns, json_group_array(f.target_field) as target_columns
    from (select * from foreign_fields order by schema, table_name, id, seq) as f
    group by f.schema, f.table_name, f.id
    having max(f.target) is not null
)
select json_object(
    'schema', l.schema,
    'name', l.name,
    'oid', 0,
    'owner', '',
    'kind', case when l.schema = 'temp' then 'temporary' when l.type = 'table' then 'ordinary' else 'virtual' end,
    'inherits', json('false'),
    'partitions', null,
    'partition_columns', null,
    'without_rowid', json(case when l.without_rowid then 'true' else 'false' end),
    'autoincrement', json(case when instr(lower(l.sql), 'autoincrement') then 'true' else 'false' end),
    'conflict_clauses', json(case when instr(lower(l.sql), 'conflict') then 'true' else 'false' end),
    'expansions', (
        select json_group_array(json({EXPANSION.format("s.sql")}))
        from sqlite_schema as s
        where l.schema = 'main' and s.type = 'trigger' and s.tbl_name = l.name
            and s.name glob 'hf_expand_*_update' and instr(s.sql, '-- {EXPAND}')),
    'columns', (
        select json_group_array(json_object(
            'name', f.name,
            'type', f.type,
            'base_type', lower(trim(case when instr(f.type, '(') then substr(f.type, 1, instr(f.type, '(') - 1) else f.type end)),
            'type_kind', 'base',
            'position', f.cid + 1,
            -- An INTEGER PRIMARY KEY is the rowid, and a table without rowid needs its key: neither is ever null.
            'nullable', json(case when f.not_null or f.pk and (
                l.without_rowid or k.width = 1 and k.of_integer and not exists (
                    select 1 from indexes as i
                    where i.schema = l.schema and i.table_name = l.name and i.origin = 'pk')
                ) then 'false' else 'true' end),
            'default', f.dflt_value,
            'generated', json(case when f.hidden in (2, 3) then 'true' else 'false' end),
            'identity', ''))
        from (select * from fields as f where f.schema = l.schema and f.table_name = l.name order by f.cid) as f),
    'uniques', (
        select json_group_array(json_object(
            'name', u.name,
            'primary', json(case when u.is_primary then 'true' else 'false' end),
            'partial', json(case when u.partial then 'true' else 'false' end),
            'columns', json(u.columns),
            'collations', json(u.collations)))
        from (select * from uniques as u where u.schema = l.schema and u.table_name = l.name
              order by u.is_primary desc, u.name) as u),
    'foreign_keys', (
        select json_group_array(json_object(
            'name', f.table_name || '_' || f.field_names || '_fkey',
            'columns', json(f.columns),
            'target_schema', f.schema,
            'target', f.target,
            'target_columns', json(f.target_columns),
            'on_delete', {_ACTION.format("f.on_delete")},
            'on_update', {_ACTION.format("f.on_update")}))
        from (select * from foreign_keys as f where f.schema = l.schema and f.table_name = l.name order by f.id) as f)
) as document
from listed as l
left join keys as k on k.schema = l.schema and k.table_name = l.name
order by l.schema, l.name"""

STATE = """\
select json_object(
    'version', sqlite_version(),
    'marker', m.marker,
    'schema_exists', json(case when m.marker is not null then 'true' else 'false' end),
    'schema_version', cast(substr(m.marker, instr(m.marker, 'schema=') + 7) as integer),
    'journal_owner', null,
    'role', null,
    'superuser', json('true'),
    'may_create_role', json('false'),
    'may_create_schema', json('true'),
    'may_read_journal', json('true'),
    'role_exists', json('false'),
    'role_usable', json('false'),
    'default_schema', 'main',
    'readable', (select json_group_array(substr(s.name, 10)) from main.sqlite_schema as s
                 where s.type = 'table' and s.name = 'holdfast_hold'),
    'columns', (select json_group_object(s.name, (select json_group_array(i.name) from pragma_table_info(s.name) as i))
                from main.sqlite_schema as s where s.type = 'table' and s.name glob 'holdfast_*'),
    -- What no new view can be called; A and a are the same name.
    'other_names', (select json_group_array(json_array('main', s.name)) from main.sqlite_schema as s
                    where s.type <> 'trigger'),
    'folds_names', json('true')
) as document
from (select 1) as one
left join (
    select substr(s.sql, instr(s.sql, 'holdfast:'), instr(s.sql, ''' as marker') - instr(s.sql, 'holdfast:')) as marker
    from main.sqlite_schema as s where s.type = 'view' and s.name = 'holdfast_version'
) as m"""

# SQLite takes our triggers along when it renames a table.
PRESENT_NAME = """\
coalesce((
        select max(s.tbl_name) from main.sqlite_schema as s
        where s.type = 'trigger' and s.name glob 'holdfast_*_' || r.id and s.name not glob 'holdfast_living_*'), r.name)"""

RELATIONS = f"""\
select json_object(
    'id', r.id,
    'oid', 0,
    'schema', 'main',
    'name', {PRESENT_NAME},
    'key', json(r.key_columns),
    'policies', json(r.policies),
    'added', json(r.added_columns),
    'protected', json(case when r.protected then 'true' else 'false' end),
    'since', r.since,
    'columns', (
        select json_group_array(json_object('id', c.id, 'name', c.name, 'position', c.position, 'type', c.type))
        from (select * from main.holdfast_column as c where c.relation = r.id and not c.dropped order by c.id) as c),
    'next_column', (select coalesce(max(c.id), 0) + 1 from main.holdfast_column as c where c.relation = r.id)
) as document
from main.holdfast_relation as r
order by r.id"""

# What of the users' speaks of the view: its own triggers, and whatever has its name as a word of its text, for
# SQLite keeps no dependencies.
_USERS = """\
select u.type, u.name
        from main.sqlite_schema as u
        where u.name <> s.name and u.name not glob 'holdfast_*' and (
            u.type = 'trigger' and u.tbl_name = s.name collate nocase
            or u.type in ('view', 'trigger') and ' ' || lower(u.sql) || ' ' glob '*[^a-z0-9_]'
                || replace(replace(replace(lower(s.name), '[', '[[]'), '*', '[*]'), '?', '[?]') || '[^a-z0-9_]*')"""

# Of the users' tables. SQLite keeps the text of a trigger as it was given, and rewrites it itself when a table or
# column is renamed.
INSTALLED = f"""\
select 'trigger' as kind, o.name, 'main' as schema_name, s.tbl_name as table_name, o.source,
    s.sql is not o.definition as altered, true as enabled, true as replaceable, null as used_by
from main.holdfast_object as o
join main.sqlite_schema as s on s.type = 'trigger' and s.name = o.name and s.tbl_name not glob 'holdfast_*'
union all
select 'view', o.name, 'main',
    coalesce((
        select {PRESENT_NAME} from main.holdfast_relation as r
        where r.id = cast(substr(s.sql, instr(s.sql, '{MARKER}') + {len(MARKER)}) as integer)), s.name),
    o.source, s.sql is not o.definition, true,
    -- Dropped and made anew, the view would lose triggers that the users gave it.
    not exists (select 1 from main.sqlite_schema as u where u.type = 'trigger' and u.tbl_name = s.name collate nocase),
    (select json_group_array(u.type || ' ' || u.name) from (
        {_USERS}
        order by u.name) as u)
from main.holdfast_object as o
join main.sqlite_schema as s on s.type = 'view' and s.name = o.name and instr(s.sql, '{MARKER}')
order by 4, 2"""

# What is not written down was made before the journal's own objects were: it is outdated, and not altered.
JOURNAL_INSTALLED = f"""\
select s.type as kind, s.name, null as schema_name, null as table_name, o.source,
    o.name is not null and s.sql is not o.definition as altered, true as enabled,
    -- An index that is there is not replaced.
    s.type <> 'index' as replaceable, null as used_by, false as per_table
from main.sqlite_schema as s
left join main.holdfast_object as o on o.name = s.name
where s.tbl_name glob 'holdfast_*' and s.sql is not null and not instr(s.sql, '{MARKER}')"""

_ALL_INSTALLED = f"""\
select i.kind, i.name, i.schema_name, i.table_name, i.source, i.altered, i.enabled, i.replaceable, i.used_by,
    true as per_table
from (
{INSTALLED}
) as i
union all
{JOURNAL_INSTALLED}"""

CATALOG = Catalog(TABLES, STATE, RELATIONS, _ALL_INSTALLED)
