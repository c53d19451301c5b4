"""Undo, keys that are checked late: within the transaction several rows may have had one key at once.

The journal knows a row by its key alone. Where a twin came to a key before the row that had it left, the order of what
came and went does not say what the transaction found there and what it left. How many came and went does; and whoever
came and went again as the very same image only passed by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.dialects.postgresql.undo_rows import ROWS
from holdfast.dialects.postgresql.undo_table import TableUndo

_CROWDED = "pg_temp.holdfast_crowded"

_CREATE = """\
create temporary table holdfast_crowded (
    relation integer,
    key text,
    -- Whether a row had the key before the transaction, and whether one has it after.
    found boolean,
    remains boolean,
    -- It cannot be told which of the rows is meant.
    unclear boolean
) on commit drop"""


def _crowd(part: TableUndo) -> str:
    """The keys that more than one row had at once, by counting."""
    return f"""\
insert into {_CROWDED} (relation, key, found, remains, unclear)
with several as (
    select u.relation, u.key, max(u.last_id) as last_id,
        count(*) filter (where u.came) - count(*) filter (where u.went) as more,
        (array_agg(u.came order by u.last_id))[1] as first_came,
        (array_agg(u.went order by u.last_id desc))[1] as last_went
    from {ROWS} as u
    where u.relation = {part.relation}
    group by u.relation, u.key
    having count(*) > 1 and bool_or(u.came or u.went)
),
begun as (
    select s.relation, s.key, s.more,
        case
            when s.more <> 0 then s.more < 0
            when not s.first_came or not s.last_went then true
            -- As many came as went: it was held before if it was after. That is what is there now, less what came since.
            else exists (select from {part.rows} as t where {part.same_row("t", "s.key")})::integer > (
                select count(*) filter (where c.operation = 'I' or c.operation = 'U' and c.before is null)
                    - count(*) filter (where c.operation in ('D', 'T') or c.operation = 'U' and c.after is null)
                from holdfast.change as c
                where c.relation = s.relation and c.key = s.key and c.id > s.last_id)
        end as found
    from several as s
),
counted as (
    select b.relation, b.key, b.found, b.found::integer + b.more as remaining, u.came, u.went, u.before, u.after,
        b.found::integer + sum(u.came::integer - u.went::integer) over (partition by b.key order by u.last_id) as holders
    from begun as b
    join {ROWS} as u on u.relation = b.relation and u.key = b.key
)
select c.relation, c.key, c.found, c.remaining = 1,
    min(c.holders) < 0 or c.remaining not in (0, 1) or bool_or(
        -- A change of one of several, and an image that says nothing.
        c.holders > 1 and not c.came and not c.went
        or c.came and c.after is null
        or strpos(concat(c.before, c.after), '"erased":true') > 0)
from counted as c
group by c.relation, c.key, c.found, c.remaining
having max(c.holders) > 1 or min(c.holders) < 0 or c.remaining not in (0, 1)"""


# Of one image, what came is paired with what went later, as brackets are: an open one and the next that closes it.
_PASS_BY = f"""\
delete from {ROWS} as u
using (
    select i.relation, i.key, i.last_id,
        case when i.came then min(i.depth) over later < i.depth
            else i.depth >= least(0, min(i.depth) over earlier) end as paired
    from (
        select v.relation, v.key, v.last_id, v.came, coalesce(v.before, v.after) as image,
            sum(v.came::integer - v.went::integer) over (
                partition by v.relation, v.key, coalesce(v.before, v.after) order by v.last_id) as depth
        from {ROWS} as v
        join {_CROWDED} as c on c.relation = v.relation and c.key = v.key
        where v.came or v.went
    ) as i
    window
        earlier as (partition by i.relation, i.key, i.image order by i.last_id
                    rows between unbounded preceding and 1 preceding),
        later as (partition by i.relation, i.key, i.image order by i.last_id
                  rows between 1 following and unbounded following)
) as p
where u.relation = p.relation and u.key = p.key and u.last_id = p.last_id and p.paired"""

# What is merged next takes a row for new by the first of these, and for gone by the last.
_ENDS = f"""\
update {ROWS} as u
set came = not c.found, went = not c.remains, before = case when c.found then u.before end
from {_CROWDED} as c
where u.relation = c.relation and u.key = c.key"""


def settle(parts: Sequence[TableUndo]) -> tuple[str, ...]:
    """What puts the changes of such keys right, before the changes of one key are merged; for no other table anything."""
    late = [part for part in parts if part.protection.table.key_is_deferrable]
    return (_CREATE, *(_crowd(part) for part in late), _PASS_BY, _ENDS) if late else ()


def unclear(part: TableUndo) -> Iterator[str]:
    """Several rows had the key, and the journal does not say of which it speaks."""
    if part.protection.table.key_is_deferrable:
        yield f"""\
select c.relation, c.key,
    'several rows had this key at once within the transaction, and the journal does not tell them apart', null::text
from {_CROWDED} as c
where c.relation = {part.relation} and c.unclear"""
