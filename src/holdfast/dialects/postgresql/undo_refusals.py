"""Undo, the refusals: why the database did not take what was written, as queries of (relation, key, why, fields)."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.dialects.postgresql.sql import literal, qualified, quote
from holdfast.dialects.postgresql.undo_conflicts import moves, referenced
from holdfast.dialects.postgresql.undo_rows import ROWS
from holdfast.dialects.postgresql.undo_table import TableUndo, matching
from holdfast.dialects.postgresql.values import key_text
from holdfast.objects import Protections
from holdfast.policies import Audit
from holdfast.tables import ForeignKey, UniqueKey


def wanted(part: TableUndo, columns: tuple[str, ...]) -> str:
    """The rows to which the undo gives these columns a value, with all their values as they will be."""
    by_name = {column.name: column for column in part.columns}
    listed = ", ".join(
        f"case when u.action = 'insert' or {part.in_('u.had', name)} then {part.value(by_name[name], 'b')} "
        f"else t.{quote(name)} end as {quote(name)}"
        for name in columns
    )
    return f"""\
    select u.relation, u.key, {listed}
    from {ROWS} as u
    left join {part.rows} as t on {part.same_row("t", "u.key")}
    cross join lateral {part.document("u.before", [by_name[name] for name in columns], "b")}
    where u.relation = {part.relation} and (u.action = 'insert' or u.action = 'update' and {part.any_in("u.had", columns)})"""


def uniques(part: TableUndo) -> list[UniqueKey]:
    """The unique keys beside the one that names the row, checked with every row, and of which all is known."""
    names = {column.name for column in part.columns}
    return [
        each
        for each in part.protection.table.uniques
        if not (each.partial or each.deferrable or each.columns == part.protection.table.key)
        and each.columns
        and set(each.columns) <= names
    ]


def exists_again(part: TableUndo) -> Iterator[str]:
    """A row that is to come back is there already."""
    if part.occurs("insert"):
        yield f"""\
select u.relation, u.key, 'a row with this key exists again', null::text
from {ROWS} as u
where u.relation = {part.relation} and u.action = 'insert'
    and exists (select from {part.rows} as t where {part.same_row("t", "u.key")})"""


def taken(part: TableUndo) -> Iterator[str]:
    """A unique value that the undo would write, and that a row outside of it holds now."""
    for unique in uniques(part):
        match = " and ".join(f"o.{quote(name)} = w.{quote(name)}" for name in unique.columns)
        shown = " || ', ' || ".join(f"w.{quote(name)}::text" for name in unique.columns)
        holder = key_text(part.key_columns, [f"o.{quote(column.name)}" for column in part.key_columns])
        yield f"""\
select w.relation, w.key,
    concat({literal(f"the value of {unique.name} ({', '.join(unique.columns)}) = (")}, {shown},
        ') is now taken by the row with key ', {holder}),
    null::text
from (
{wanted(part, unique.columns)}
) as w
join {part.rows} as o on {match}
where not exists (select from {ROWS} as v where v.relation = {part.relation} and {part.same_row("o", "v.key")}
    and (v.action = 'delete' or v.key = w.key or {part.any_in("v.had", unique.columns)}))"""


def still_referenced(part: TableUndo, references: Protections) -> Iterator[str]:
    """A key that the undo takes away and gives to no other row, and that rows outside of it refer to."""
    if not part.occurs("delete", "update"):
        return
    for key in part.referenced_by:
        query = referenced(part, key, references, f"u.action = 'delete' or {moves(part, key)}")
        if set(key.target_columns) <= {column.name for column in part.columns}:
            same = " and ".join(f"w.{quote(name)} = t.{quote(name)}" for name in key.target_columns)
            query += (
                f"\n    and not exists (select from (\n{wanted(part, key.target_columns)}\n    ) as w where {same})"
            )
        yield query


def parent_gone(part: TableUndo, references: Protections) -> Iterator[str]:
    """A row that would refer to a row which is not there, and which the undo does not bring back."""
    names = {column.name for column in part.columns}
    for key in part.foreign_keys:
        # Which partition a row comes back to is for the database to say.
        if key.partition is not None or not set(key.columns) <= names:
            continue
        given = " and ".join(f"w.{quote(name)} is not null" for name in key.columns)
        shown = " || ', ' || ".join(f"w.{quote(name)}::text" for name in key.columns)
        yield f"""\
select w.relation, w.key,
    concat({literal(f"it refers to a row of {key.target} that is gone: ({', '.join(key.target_columns)}) = (")}, {shown},
        {literal(f") ({key.name})")}),
    null::text
from (
{wanted(part, key.columns)}
) as w
where {given}
    and not {_there(key)}{_coming(key, references)}"""


def _there(key: ForeignKey) -> str:
    """A condition: what the row refers to is there; of a period, all of it."""
    parents = f"from {qualified(key.target)} as p where {matching(key, 'w', 'p')}"
    if key.period:
        own, theirs = quote(key.columns[-1]), quote(key.target_columns[-1])
        return f"coalesce((select range_agg(p.{theirs}) @> w.{own} {parents}), false)"
    return f"exists (select {parents})"


def _coming(key: ForeignKey, references: Protections) -> str:
    parent = references.get(key.target)
    if parent is None or parent.get(Audit) is None:
        return ""
    part = TableUndo(parent)
    by_name = {column.name: column for column in part.columns}
    if not set(key.target_columns) <= set(by_name):
        return ""
    same = " and ".join(
        f"w.{quote(column)} {'&&' if key.period and column == key.columns[-1] else '='} {part.value(by_name[target], 'b')}"
        for column, target in zip(key.columns, key.target_columns, strict=True)
    )
    columns = [by_name[name] for name in key.target_columns]
    return f"""
    and not exists (select from {ROWS} as v cross join lateral {part.document("v.before", columns, "b")}
                    where v.relation = {part.relation} and v.action <> 'delete' and {same})"""
