"""Undo, the comparison: what stands in the way, as queries of (relation, key, why, fields)."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.dialects.postgresql.sql import literal, qualified, quote
from holdfast.dialects.postgresql.undo_rows import ROWS, TableUndo, matching
from holdfast.dialects.postgresql.values import differs, json_text, key_text
from holdfast.objects import Protections
from holdfast.policies import Audit
from holdfast.tables import Action, ColumnInfo, ForeignKey, UniqueKey

_ACTING: tuple[Action, ...] = ("CASCADE", "SET NULL", "SET DEFAULT")


def gone(part: TableUndo) -> Iterator[str]:
    """A row that is to be changed is not there. Most often as many were locked as there are, and none is looked for."""
    if part.occurs("update", "delete"):
        yield f"""\
select u.relation, u.key,
    case u.action when 'update' then 'the row was deleted since' else 'the row is gone already' end, null::text
from {ROWS} as u
where current_setting('{part.locked}')::bigint <> {part.number("update", "delete")}
    and u.relation = {part.relation} and u.action <> 'insert'
    and not exists (select from {part.table} as t where {part.same_row("t", "u.key")})"""


def exists_again(part: TableUndo) -> Iterator[str]:
    """A row that is to come back is there already."""
    if part.occurs("insert"):
        yield f"""\
select u.relation, u.key, 'a row with this key exists again', null::text
from {ROWS} as u
where u.relation = {part.relation} and u.action = 'insert'
    and exists (select from {part.table} as t where {part.same_row("t", "u.key")})"""


def changed_since(part: TableUndo) -> Iterator[str]:
    """Field by field: what the transaction left, what stands there now, what the undo would write."""
    columns = part.left
    always = part.always(4, ("update", "delete"))
    changed = {
        c.name: ("" if always else f"{part.in_('u.given', c.name)} and ")
        + f"({differs([(c, f't.{quote(c.name)}', part.value(c, 'a'))])})"
        for c in columns
    }
    fields = ",\n        ".join(
        f"case when {changed[c.name]} then json_build_object({literal(c.name)}, json_build_array("
        f"{_json(part, c, 'a')}, {json_text(c, f't.{quote(c.name)}')}::json, {_json(part, c, 'b')})) end"
        for c in columns
    )
    unless = f"\n    and {part.written(columns, 't')} is distinct from u.after" if always and columns else ""
    if columns:
        yield f"""\
select u.relation, u.key, 'the row was changed since', (
    select array_to_json(array[
        {fields}])::text
    from {part.document("coalesce(u.before, '{}')", columns, "b")})
from {ROWS} as u
join {part.table} as t on {part.same_row("t", "u.key")}
cross join lateral {part.document("u.after", columns, "a")}
where u.relation = {part.relation} and u.action <> 'insert' and u.given <> '{{}}'{unless}
    and ({" or ".join(f"({each})" for each in changed.values())})"""
    hidden = [column.name for column in part.lost if column.name not in part.audit.exclude]
    if hidden and part.occurs("delete"):
        ids = ", ".join(literal(str(part.id(name))) for name in hidden)
        why = f"the row was changed since, in a column of which the journal keeps no values: {', '.join(hidden)}"
        yield f"""\
select u.relation, u.key, {literal(why)}, null::text
from {ROWS} as u
where u.relation = {part.relation} and u.action = 'delete'
    and exists (select from holdfast.change as c
                where c.relation = u.relation and c.key = u.key and c.id > u.last_id
                    and c.before::jsonb ?| array[{ids}])"""


def _json(part: TableUndo, column: ColumnInfo, alias: str) -> str:
    return f"{json_text(column, part.value(column, alias))}::json"


def not_kept(part: TableUndo) -> Iterator[str]:
    """What the journal does not have it cannot give back."""
    if part.lost and part.occurs("insert", "update"):
        names = [column.name for column in part.lost]
        yield f"""\
select u.relation, u.key, {literal(f"the journal does not keep the values of: {', '.join(names)}")}, null::text
from {ROWS} as u
where u.relation = {part.relation} and (u.action = 'insert' or u.action = 'update' and {part.any_in("u.had", names)})"""
    fixed = [column.name for column in part.columns if column.identity == "always"]
    if fixed and part.occurs("update"):
        why = f"PostgreSQL lets nobody give a GENERATED ALWAYS column a value by UPDATE: {', '.join(fixed)}"
        yield f"""\
select u.relation, u.key, {literal(why)}, null::text
from {ROWS} as u
where u.relation = {part.relation} and u.action = 'update' and {part.any_in("u.had", fixed)}"""


def erased(part: TableUndo) -> str:
    """What was erased nobody has any more."""
    return f"""\
select u.relation, u.key, 'these values were erased: ' || (
        select string_agg(c.name, ', ' order by c.id) from holdfast.relation_column as c
        where c.relation = u.relation and c.id::text = any (u.erased)), null::text
from {ROWS} as u
where u.relation = {part.relation} and u.erased <> '{{}}'"""


def referenced_since(part: TableUndo, references: Protections) -> Iterator[str]:
    """A key that the undo takes away, and by which a foreign key would then change rows outside of the undo."""
    if not part.occurs("delete", "update"):
        return
    for key in part.protection.table.referenced_by:
        taken_away = []
        if key.on_delete in _ACTING:
            taken_away.append("u.action = 'delete'")
        if key.on_update in _ACTING:
            taken_away.append(_moves(part, key))
        if taken_away:
            yield _referenced(part, key, references, " or ".join(taken_away))


def still_referenced(part: TableUndo, references: Protections) -> Iterator[str]:
    """A key that the undo takes away and gives to no other row, and that rows outside of it refer to."""
    if not part.occurs("delete", "update"):
        return
    for key in part.protection.table.referenced_by:
        query = _referenced(part, key, references, f"u.action = 'delete' or {_moves(part, key)}")
        if set(key.target_columns) <= {column.name for column in part.columns}:
            same = " and ".join(f"w.{quote(name)} = t.{quote(name)}" for name in key.target_columns)
            query += (
                f"\n    and not exists (select from (\n{wanted(part, key.target_columns)}\n    ) as w where {same})"
            )
        yield query


def _referenced(part: TableUndo, key: ForeignKey, references: Protections, taken_away: str) -> str:
    child = references.get(key.table)
    own = ""
    if child is not None and child.get(Audit) is not None:
        theirs = TableUndo(child)
        own = (
            f"\n    and not exists (select from {ROWS} as v where v.relation = {theirs.relation}\n"
            f"        and {theirs.same_row('c', 'v.key')} and (v.action = 'delete' or {theirs.any_in('v.had', key.columns)}))"
        )
    return f"""\
select u.relation, u.key, {literal(f"rows of {key.table} refer to it now ({key.name})")}, null::text
from {ROWS} as u
join {part.table} as t on {part.same_row("t", "u.key")}
where u.relation = {part.relation} and ({taken_away})
    and exists (select from {qualified(key.table)} as c where {matching(key, "c", "t")}{own})"""


def _moves(part: TableUndo, key: ForeignKey) -> str:
    """A condition: the undo gives the referenced columns other values."""
    columns = [column for column in part.columns if column.name in key.target_columns]
    if not columns:
        return "false"
    other = differs([(column, f"t.{quote(column.name)}", part.value(column, "b")) for column in columns])
    return (
        f"u.action = 'update' and {part.any_in('u.had', [column.name for column in columns])}\n"
        f"        and exists (select from {part.document('u.before', columns, 'b')} where {other})"
    )


# ---------------------------------------------------------------------- why the database refused


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
    left join {part.table} as t on {part.same_row("t", "u.key")}
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
join {part.table} as o on {match}
where not exists (select from {ROWS} as v where v.relation = {part.relation} and {part.same_row("o", "v.key")}
    and (v.action = 'delete' or v.key = w.key or {part.any_in("v.had", unique.columns)}))"""


def parent_gone(part: TableUndo, references: Protections) -> Iterator[str]:
    """A row that would refer to a row which is not there, and which the undo does not bring back."""
    names = {column.name for column in part.columns}
    for key in part.protection.table.foreign_keys:
        if not set(key.columns) <= names:
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
    and not exists (select from {qualified(key.target)} as p where {matching(key, "w", "p")}){_coming(key, references)}"""


def _coming(key: ForeignKey, references: Protections) -> str:
    parent = references.get(key.target)
    if parent is None or parent.get(Audit) is None:
        return ""
    part = TableUndo(parent)
    by_name = {column.name: column for column in part.columns}
    if not set(key.target_columns) <= set(by_name):
        return ""
    same = " and ".join(
        f"w.{quote(column)} = {part.value(by_name[target], 'b')}"
        for column, target in zip(key.columns, key.target_columns, strict=True)
    )
    columns = [by_name[name] for name in key.target_columns]
    return f"""
    and not exists (select from {ROWS} as v cross join lateral {part.document("v.before", columns, "b")}
                    where v.relation = {part.relation} and v.action <> 'delete' and {same})"""
