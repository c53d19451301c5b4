"""Undo: the inverse of a transaction's net effect, compared first, then written set by set.

Foreign keys are off while it runs (``outside``): no order of tables is needed, and no foreign-key action writes what
the undo itself brings back. What the keys demand is asked for afterwards, of the rows that were written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.log import transaction_number
from holdfast.dialects.sqlite.sql import qualified, quote, refusing
from holdfast.dialects.sqlite.undo_conflicts import Checks
from holdfast.dialects.sqlite.undo_table import TableUndo
from holdfast.dialects.sqlite.undo_verify import Proof
from holdfast.dialects.sqlite.values import json_text, key_is
from holdfast.dialects.undo import Undo, UndoStatements
from holdfast.objects import Protection, Protections
from holdfast.policies import SoftDelete

# A late change was overtaken by others that were recorded before it.
_ORDER = "coalesce(c.place, c.id), c.late desc, c.id"
_REVERSED = "coalesce(c.place, c.id) desc, c.late, c.id desc"

# One row for each row that the transaction touched: whether it was there before, and after.
COLLECT = f"""\
insert into temp.holdfast_undo (relation, key, action, since, last_id, changes)
select w.relation, w.key,
    case when w.first_side = 2 then 'delete' when w.last_side = 1 then 'insert' else 'update' end,
    max(case when w.side = 2 then w.place end), max(w.id), count(*)
from (
    select c.id, c.relation, c.key, c.side, coalesce(c.place, c.id) as place,
        first_value(c.side) over known as first_side, last_value(c.side) over known as last_side
    from main.holdfast_change as c
    where c.transaction_id = :transaction and c.relation in ({{relations}})
    window known as (
        partition by c.relation, typeof(c.key), c.key order by {_ORDER}
        rows between unbounded preceding and unbounded following
    )
) as w
where w.first_side <> 2 or w.last_side <> 1
group by w.relation, typeof(w.key), w.key
order by max(w.id) desc"""

# Most rows were touched once, and need no merging.
COLLECT_SINGLE = """\
insert into temp.holdfast_undo_value (row, column_id, before, had, after, given, masked)
select u.id, v.column_id, case when v.masked is null then v.before end, c.side & 1 and v.masked is null,
    case when v.masked is null then v.after end, c.side & 2 and v.masked is null,
    coalesce(v.masked, 0)
from temp.holdfast_undo as u
join main.holdfast_change as c on c.id = u.last_id
join main.holdfast_value as v on v.change = u.last_id
where u.changes = 1"""

# The oldest value of each column is what it was; the newest is what the transaction left. What was left before the
# row came (again) says nothing of how it came.
COLLECT_VALUES = f"""\
insert into temp.holdfast_undo_value (row, column_id, before, had, after, given, masked)
select m.row, m.column_id,
    max(case when m.from_start = 1 and m.side & 1 then m.before end),
    max(m.from_start = 1 and m.side & 1 and m.masked is null),
    max(case when m.from_end = 1 and m.side & 2 and m.place >= coalesce(m.since, 0) then m.after end),
    max(m.from_end = 1 and m.side & 2 and m.place >= coalesce(m.since, 0) and m.masked is null),
    max(coalesce(m.masked, 0))
from (
    select u.id as row, u.since, coalesce(c.place, c.id) as place, c.side, v.column_id, v.masked,
        case when v.masked is null then v.before end as before, case when v.masked is null then v.after end as after,
        row_number() over (partition by u.id, v.column_id order by c.side & 1 desc, {_ORDER}) as from_start,
        row_number() over (partition by u.id, v.column_id order by c.side & 2 desc, {_REVERSED}) as from_end
    from main.holdfast_change as c
    join temp.holdfast_undo as u
        on u.relation = c.relation and u.key is c.key and typeof(u.key) = typeof(c.key)
    join main.holdfast_value as v on v.change = c.id
    where c.transaction_id = :transaction and c.relation in ({{relations}}) and u.changes > 1
) as m
group by m.row, m.column_id"""

# An insert may be recorded by its key alone. What it left is what the first later change of each column found.
COLLECT_LEFT = f"""\
insert into temp.holdfast_undo_value (row, column_id, before, had, after, given, masked)
select m.row, m.column_id, null, 0, m.before, 2, 0
from (
    select u.id as row, v.column_id, v.before,
        row_number() over (partition by u.id, v.column_id order by {_ORDER}) as place
    from temp.holdfast_undo as u
    join main.holdfast_change as c
        on c.relation = u.relation and c.key is u.key and typeof(c.key) = typeof(u.key) and c.id > u.last_id and c.side & 1
    join main.holdfast_value as v on v.change = c.id and v.masked is null
    where u.since is not null and u.action <> 'insert'
) as m
where m.place = 1
on conflict (row, column_id) do update set after = excluded.after, given = 2 where not given"""


def _document(side: str, known: str) -> str:
    return (
        # Of no values it is NULL, as group_concat is.
        "(\n    select '{' || group_concat(json_quote(coalesce(n.name, '?' || v.column_id)) || ':' || "
        f"{json_text(f'v.{side}')}) || '}}'\n"
        "    from temp.holdfast_undo_value as v\n"
        "    left join main.holdfast_column as n on n.relation = u.relation and n.id = v.column_id\n"
        f"    where v.row = u.id and v.{known} = 1\n)"
    )


def _prepare(transaction: str, parts: Sequence[TableUndo], width: int) -> tuple[Query, ...]:
    """The temporary set of rows to take back; ``width`` is of how many columns the longest key is."""
    longest = max((len(key.columns) for part in parts for key in part.protection.table.referenced_by), default=1)
    referring = ", ".join(f"r{position}" for position in range(longest))
    keys = ", ".join(f"k{position}" for position in range(width))
    listed = ", ".join(str(part.relation) for part in parts) or "null"
    parameters = {"transaction": transaction_number(transaction)}
    return (
        Query("insert into main.holdfast_context (id, undo) values (1, 1) on conflict (id) do update set undo = 1", {}),
        Query("drop table if exists temp.holdfast_undo", {}),
        Query("drop table if exists temp.holdfast_undo_value", {}),
        Query("drop table if exists temp.holdfast_undo_referred", {}),
        Query(
            "create temporary table holdfast_undo (\n    id integer primary key, relation integer, key, shown text, "
            f"action text, since integer, last_id integer, changes integer,\n    rewrite integer default 0, {keys}\n)",
            {},
        ),
        Query(
            "create temporary table holdfast_undo_value (\n    row integer, column_id integer, before, had integer, "
            "after, given integer, masked integer,\n    primary key (row, column_id)\n) without rowid",
            {},
        ),
        Query(f"create temporary table holdfast_undo_referred (row integer, reference integer, {referring})", {}),
        Query(COLLECT.format(relations=listed), parameters),
        Query("create index temp.holdfast_undo_key on holdfast_undo (relation, key)", {}),
        Query(COLLECT_SINGLE, {}),
        Query(COLLECT_VALUES.format(relations=listed), parameters),
        Query(COLLECT_LEFT, {}),
        *(Query(text, {}) for part in parts for text in part.find_keys()),
        Query(
            f"create index temp.holdfast_undo_keys on holdfast_undo (relation, {keys})",
            {},
        ),
    )


class SQLiteUndo(Undo):
    def statements(
        self,
        transaction: str,
        protections: Sequence[Protection],
        references: Protections,
        force: bool,
        counted: Sequence[Sequence[Any]] | None = None,
    ) -> UndoStatements:
        parts = [TableUndo(protection) for protection in protections]
        proofs = [Proof(part, references) for part in parts]
        width = max((len(each.table.key) for each in (*protections, *references.values())), default=1)
        conflicts: list[str] = []
        for part in parts:
            conflicts += Checks(part, references).queries(force=force)
        return UndoStatements(
            prepare=_prepare(transaction, parts, width),
            counts=Query(
                "select relation, action, count(*) as changes\nfrom temp.holdfast_undo\n"
                "group by relation, action\norder by relation, action",
                {},
            ),
            preview=Query(
                f"select u.relation, u.shown as key, u.action, {_document('before', 'had')} as before,\n"
                f"    {_document('after', 'given')} as after\nfrom temp.holdfast_undo as u\norder by u.last_id desc",
                {},
            ),
            conflicts=tuple(Query(text, {}) for text in conflicts if text),
            apply=(
                *(text for proof in proofs for text in proof.remember()),
                *(text for part in parts for text in part.set_aside()),
                *(part.delete() for part in parts),
                *(text for part in parts for text in part.update()),
                *(text for part in parts for text in part.insert()),
            ),
            verify=tuple(Query(text, {}) for proof in proofs for text in proof.queries() if text),
            cleanup=(
                "drop table temp.holdfast_undo_referred",
                "drop table temp.holdfast_undo_value",
                "drop table temp.holdfast_undo",
                "update main.holdfast_context set undo = 0",
            ),
            outside=("pragma foreign_keys = off",),
            outside_after=("pragma foreign_keys = on",),
        )

    def restore(self, protection: Protection) -> str:
        policy = protection.get(SoftDelete)
        assert policy is not None
        mark = quote(policy.column)
        return (
            f"{refusing('update', protection.table)} {qualified(protection.table.name)} as t\nset {mark} = null\n"
            f"where {key_is(protection, 't')} and t.{mark} is not null\nreturning 1"
        )
