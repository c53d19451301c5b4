"""Undo: the inverse of a transaction's net effect, compared first, then written, then looked at again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.dialects.postgresql import undo_conflicts as conflict
from holdfast.dialects.postgresql import undo_refusals as refusal
from holdfast.dialects.postgresql.interventions import SHARE
from holdfast.dialects.postgresql.sql import indent, literal, qualified, quote
from holdfast.dialects.postgresql.undo_late_keys import settle, unclear
from holdfast.dialects.postgresql.undo_rows import (
    COLLECT,
    COMPLETE,
    FORGET_ERASED,
    MERGE,
    ROWS,
    target,
    target_parameters,
)
from holdfast.dialects.postgresql.undo_table import TableUndo, matching
from holdfast.dialects.postgresql.undo_verify import verify
from holdfast.dialects.postgresql.undo_writes import apply
from holdfast.dialects.postgresql.values import all_settings
from holdfast.dialects.query import Query
from holdfast.dialects.undo import Undo, UndoStatements
from holdfast.objects import Protection, Protections
from holdfast.policies import SoftDelete

_SETTINGS = (
    *all_settings(),
    # The statements are long and run once: compiling them takes longer than running them.
    ("jit", "off"),
    # Enough to tell few rows from many, for an ANALYZE that takes a tenth of the time.
    ("default_statistics_target", "10"),
    ("holdfast.undo", "on"),
    ("holdfast.allow", "mass,hard_delete"),
)

# Whatever a hundred thousand rows need, so that their keys are not sorted on disk; more, if there is more.
_MEMORY = """\
select set_config('work_mem', '64MB', true) where pg_size_bytes(current_setting('work_mem')) < 64 * 1024 * 1024"""


def _prepare(transaction: str, parts: Sequence[TableUndo]) -> tuple[Query, ...]:
    xid, at = target(transaction)
    collect = COLLECT.replace("{xid}", xid).replace("{at}", at)
    relations = [part.relation for part in parts]
    return (
        *_queries((*(f"set local {quote(name)} = {literal(value)}" for name, value in _SETTINGS), _MEMORY, SHARE)),
        Query(collect, {**target_parameters(transaction), "relations": relations}),
        *_queries(
            (
                *settle(parts),
                MERGE,
                f"analyze {ROWS} (relation, key, action, last_id)",
                *(_lock(part) for part in parts),
                COMPLETE,
                FORGET_ERASED,
                *(_stand_aside(part) for part in parts if refusal.uniques(part)),
            )
        ),
    )


def _queries(texts: Iterable[str]) -> tuple[Query, ...]:
    return tuple(Query(text, {}) for text in texts)


def _lock(part: TableUndo) -> str:
    """From here on nobody changes the rows that are compared and then written."""
    return (
        f"select set_config('{part.locked}', count(*)::text, true) from (\n    select 1 from {part.rows} as t join {ROWS} as u\n"
        f"        on u.relation = {part.relation} and u.action <> 'insert' and {part.same_row('t', 'u.key')}\n"
        f"    for update of t\n) as locked"
    )


def _stand_aside(part: TableUndo) -> str:
    """A unique value is checked with every row, so the row that holds what another one gets leaves first and comes
    again; but not where a foreign key would act on its leaving."""
    exchanged = []
    for unique in refusal.uniques(part):
        match = " and ".join(f"o.{quote(name)} = w.{quote(name)}" for name in unique.columns)
        exchanged.append(
            f"exists (\n    select from (\n{indent(refusal.wanted(part, unique.columns), '    ')}\n    ) as w\n"
            f"    join {part.rows} as o on {match}\n    where w.key <> v.key and {part.same_row('o', 'v.key')}\n)"
        )
    acting = [
        f"\n    and not exists (select from {part.rows} as p join {qualified(key.children)} as c on {matching(key, 'c', 'p')}\n"
        f"        where {part.same_row('p', 'v.key')})"
        for key in part.referenced_by
        if key.on_delete != "NO ACTION"
    ]
    return (
        f"update {ROWS} as v set steps_aside = true\n"
        f"where v.relation = {part.relation} and v.action = 'update' and ({' or '.join(exchanged)}){''.join(acting)}"
    )


class PostgreSQLUndo(Undo):
    def statements(
        self,
        transaction: str,
        protections: Sequence[Protection],
        references: Protections,
        force: bool,
        counted: Sequence[Sequence[Any]] | None = None,
    ) -> UndoStatements:
        parts = [
            TableUndo(each, None if counted is None else tuple(row for row in counted if row[0] == each.relation.id))
            for each in protections
        ]
        blocking: list[str] = []
        refusing: list[str] = []
        for part in parts:
            blocking += [
                *unclear(part),
                *conflict.disordered(part),
                *conflict.gone(part),
                *conflict.referenced_since(part, references),
            ]
            if not force:
                blocking += [*conflict.changed_since(part), *conflict.not_kept(part), conflict.erased(part)]
                blocking += conflict.dropped(part)
            refusing += [
                *refusal.exists_again(part),
                *refusal.taken(part),
                *refusal.still_referenced(part, references),
                *refusal.parent_gone(part, references),
            ]
        return UndoStatements(
            prepare=_prepare(transaction, parts),
            counts=Query(
                f"select relation, action, count(*), had, given from {ROWS}\ngroup by relation, action, had, given order by 1, 2",
                {},
            ),
            preview=Query(
                "select u.relation, u.key, u.action, holdfast.named(u.relation, u.before)::text as before,\n"
                "    holdfast.named(u.relation, u.after)::text as after\n"
                f"from {ROWS} as u\norder by u.last_id desc, u.key",
                {},
            ),
            conflicts=_queries(blocking),
            refusals=_queries(refusing),
            apply=(apply(parts),),
            verify=_queries(query for part in parts for query in verify(part)),
        )

    def check_constraints_now(self) -> str:
        return "set constraints all immediate"

    def restore(self, protection: Protection) -> str:
        policy = protection.get(SoftDelete)
        assert policy is not None
        part = TableUndo(protection)
        column = quote(policy.column)
        return (
            f"update {part.rows} as t\nset {column} = null\n"
            f"where {part.same_row('t', ':key')} and t.{column} is not null\nreturning 1"
        )
