"""Undo, the rows: what a transaction did to each row in all, as a temporary table that every later step reads.

``holdfast_undo`` has one row for each row that the transaction touched: ``before`` is what it was, ``after`` what
the transaction left, as far as the journal has it; ``action`` is what takes it back; ``had`` and ``given`` are the
columns of the two images. Of one that is ``unclear`` nobody can say what the transaction did to it.
"""

from __future__ import annotations

ROWS = "pg_temp.holdfast_undo"


def _left_of(document: str) -> str:
    """An expression: the document without the values that were erased."""
    return f"""\
case when {document} is not null then (
        select '{{' || coalesce(string_agg(to_json(d.key)::text || ':' || d.value::text, ',' order by d.position), '') || '}}'
        from json_each({document}::json) with ordinality as d (key, value, position)
        where json_typeof(d.value) <> 'object') end"""


COLLECT = """\
create temporary table holdfast_undo on commit drop as
select t.*,
    case when t.came then 'delete' when t.went then 'insert' else 'update' end as action,
    -- A row that stands where the transaction left it in the way of another, and makes room for a moment.
    false as steps_aside,
    case when not t.came and not t.went then k.names end as had,
    case when t.came and t.after is null then '{}' when not t.went then k.names end as given,
    -- Columns of which values were erased from the journal.
    '{}'::text[] as erased
from (
    select c.relation, c.key, c.before, c.after, c.id as first_id, c.id as last_id,
        c.operation = 'I' or c.operation = 'U' and c.before is null as came,
        c.operation in ('D', 'T') or c.operation = 'U' and c.after is null as went
    from holdfast.change as c
    where c.xid = {xid} and c.at = {at} and c.relation = any (:relations) and c.key_last is null
    union all
    select c.relation, run.key::text, null, null, c.id, c.id, true, false
    from holdfast.change as c
    cross join lateral generate_series(c.key::bigint, c.key_last) as run (key)
    where c.xid = {xid} and c.at = {at} and c.relation = any (:relations) and c.key_last is not null
) as t
-- An update has the same columns before and after.
cross join lateral (
    select case when not t.went and t.after is not null then array(select json_object_keys(t.after::json)) end as names
) as k"""

# A row that was touched more than once: its first state and its last are what counts. The oldest value of each
# column is what it was; the newest, since the row last came, is what the transaction left.
#
# Where a trigger of the user's own writes rows of a statement that is not done yet, that is recorded before the
# statement is: a row may have been changed before it came. How often it came and went says what became of it.
MERGE = f"""\
with several as (
    select relation, key from {ROWS} group by relation, key having count(*) > 1
),
part as (
    delete from {ROWS} as u using several as s where u.relation = s.relation and u.key = s.key returning u.*
),
merged as (
    select c.relation, c.key, c.first_id, c.last_id, c.left_id,
        c.more > 0 or c.more = 0 and c.first_came as came,
        c.more < 0 or c.more = 0 and c.last_went as went,
        c.more = 0 and c.first_came <> c.last_went as unclear
    from (
        select p.relation, p.key, min(p.first_id) as first_id, max(p.last_id) as last_id,
            coalesce(max(p.last_id) filter (where p.went), 0) as left_id,
            sum(p.came::integer - p.went::integer) as more,
            (array_agg(p.came order by p.last_id))[1] as first_came,
            (array_agg(p.went order by p.last_id desc))[1] as last_went
        from part as p
        group by p.relation, p.key
    ) as c
),
-- All rows at once: to look the parts of each row up would take time in proportion to the square of their number.
found as (
    select d.relation, d.key, json_object_agg(d.id, d.value order by d.id)::text as before
    from (
        select distinct on (p.relation, p.key, v.key) p.relation, p.key, v.key as id, v.value
        from part as p
        cross join lateral json_each(p.before::json) as v
        order by p.relation, p.key, v.key, p.last_id
    ) as d
    group by d.relation, d.key
),
left_there as (
    select d.relation, d.key, json_object_agg(d.id, d.value order by d.id)::text as after
    from (
        select distinct on (p.relation, p.key, v.key) p.relation, p.key, v.key as id, v.value
        from part as p
        join merged as m on m.relation = p.relation and m.key = p.key and p.last_id > m.left_id
        cross join lateral json_each(p.after::json) as v
        -- What it came with is the oldest of all, whenever that was recorded.
        order by p.relation, p.key, v.key, p.came and m.left_id = 0, p.last_id desc
    ) as d
    group by d.relation, d.key
),
imaged as (
    select m.*, f.before, l.after
    from merged as m
    left join found as f on f.relation = m.relation and f.key = m.key
    left join left_there as l on l.relation = m.relation and l.key = m.key
    -- What came and went again within the transaction needs nothing.
    where m.unclear or not (m.came and m.went)
)
insert into {ROWS}
select relation, key, before, after, first_id, last_id, came, went,
    case when unclear then 'unclear' when came then 'delete' when went then 'insert' else 'update' end, false,
    case when not came and not went then array(select json_object_keys(before::json)) end,
    case when not went then array(select json_object_keys(after::json)) end, '{{}}'
from imaged"""

# An insert is recorded by its key alone, so what the transaction left is not known from its own changes. The
# first change since has it: what that one found.
COMPLETE = f"""\
with wanting as materialized (
    select relation, key, last_id, given
    from {ROWS}
    where action = 'delete' or action = 'update' and not had <@ given
),
later as (
    select distinct on (u.relation, u.key, d.key) u.relation, u.key, d.key as id, d.value
    from wanting as u
    join holdfast.change as c
        on c.relation = u.relation and c.key = u.key and c.id > u.last_id and c.before is not null
    cross join lateral json_each(c.before::json) as d
    where exists (select from wanting)
    order by u.relation, u.key, d.key, c.id
)
update {ROWS} as u
set after = case when u.given = '{{}}' then s.document else left(u.after, -1) || ',' || substr(s.document, 2) end,
    given = u.given || s.ids
from (
    select l.relation, l.key, json_object_agg(l.id, l.value)::text as document, array_agg(l.id) as ids
    from later as l
    join wanting as u on u.relation = l.relation and u.key = l.key and l.id <> all (u.given)
    group by l.relation, l.key
) as s
where u.relation = s.relation and u.key = s.key"""


# What was erased is known to nobody: it is taken out of the images, and noted.
FORGET_ERASED = f"""\
update {ROWS} as u
set before = {_left_of("u.before")}, after = {_left_of("u.after")}, erased = e.erased,
    had = case when u.had is not null then array(select unnest(u.had) except select unnest(e.erased)) end,
    given = case when u.given is not null then array(select unnest(u.given) except select unnest(e.erased)) end
from (
    select r.relation, r.key, array_agg(distinct v.key) as erased
    from {ROWS} as r
    cross join lateral (
        select b.key, b.value from json_each(r.before::json) as b
        union all
        select a.key, a.value from json_each(r.after::json) as a
    ) as v
    where exists (select from holdfast.intervention where kind = 'erasure')
        and strpos(concat(r.before, r.after), '"erased":true') > 0 and json_typeof(v.value) = 'object'
    group by r.relation, r.key
) as e
where u.relation = e.relation and u.key = e.key"""


def target(transaction: str) -> tuple[str, str]:
    """The transaction's xid and time, as expressions over the parameter ``:transaction``."""
    if transaction.startswith("x"):
        # Its own record was kept from being written; it is known by its xid alone.
        found = "from holdfast.change as c where c.xid = cast(:transaction as xid8) order by c.at desc limit 1"
        return "cast(:transaction as xid8)", f"(select c.at {found})"
    found = "from holdfast.transaction as t where t.id = cast(:transaction as bigint)"
    return f"(select t.xid {found})", f"(select t.at {found})"


def target_parameters(transaction: str) -> dict[str, str]:
    return {"transaction": transaction.removeprefix("x")}
