"""Undo, the conflicts: what stands in the way before anything is written, as queries of (relation, key, why, fields)."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.dialects.postgresql.sql import literal, qualified, quote
from holdfast.dialects.postgresql.undo_rows import ROWS
from holdfast.dialects.postgresql.undo_table import TableUndo, matching
from holdfast.dialects.postgresql.values import differs, json_text
from holdfast.objects import Protections
from holdfast.policies import Audit
from holdfast.tables import Action, ColumnInfo, ForeignKey

_ACTING: tuple[Action, ...] = ("CASCADE", "SET NULL", "SET DEFAULT")


def disordered(part: TableUndo) -> Iterator[str]:
    """The changes of a row cannot have happened in the order in which they were recorded, nor in one that is known."""
    if part.occurs("unclear"):
        yield f"""\
select u.relation, u.key,
    'a trigger of the database wrote the row while it was written, and the journal does not tell in which order', null::text
from {ROWS} as u
where u.relation = {part.relation} and u.action = 'unclear'"""


def gone(part: TableUndo) -> Iterator[str]:
    """A row that is to be changed is not there. Most often as many were locked as there are, and none is looked for."""
    if part.occurs("update", "delete"):
        yield f"""\
select u.relation, u.key,
    case u.action when 'update' then 'the row was deleted since' else 'the row is gone already' end, null::text
from {ROWS} as u
where current_setting('{part.locked}')::bigint <> {part.number("update", "delete")}
    and u.relation = {part.relation} and u.action <> 'insert'
    and not exists (select from {part.rows} as t where {part.same_row("t", "u.key")})"""


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
join {part.rows} as t on {part.same_row("t", "u.key")}
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


def dropped(part: TableUndo) -> Iterator[str]:
    """All that the transaction changed of a row was in columns that are gone: there is nothing to write."""
    if part.leaves_out:
        names = [column.name for column in part.protection.table.writable]
        yield f"""\
select u.relation, u.key, 'nothing is left of what was changed, for these columns were dropped since: ' || (
        select string_agg(c.name, ', ' order by c.id) from holdfast.relation_column as c
        where c.relation = u.relation and c.id::text = any (u.had)), null::text
from {ROWS} as u
where u.relation = {part.relation} and u.action = 'update' and u.had <> '{{}}' and not ({part.any_in("u.had", names)})"""


def erased(part: TableUndo) -> str:
    """What was erased nobody has any more."""
    return f"""\
select u.relation, u.key, 'these values were erased: ' || (
        select string_agg(c.name, ', ' order by c.id) from holdfast.relation_column as c
        where c.relation = u.relation and c.id::text = any (u.erased)), null::text
from {ROWS} as u
where exists (select from holdfast.intervention where kind = 'erasure')
    and u.relation = {part.relation} and u.erased <> '{{}}'"""


def referenced_since(part: TableUndo, references: Protections) -> Iterator[str]:
    """A key that the undo takes away, and by which a foreign key would then change rows outside of the undo."""
    if not part.occurs("delete", "update"):
        return
    for key in part.referenced_by:
        taken_away = []
        if key.on_delete in _ACTING:
            taken_away.append("u.action = 'delete'")
        if key.on_update in _ACTING:
            taken_away.append(moves(part, key))
        if taken_away:
            yield referenced(part, key, references, " or ".join(taken_away))


def referenced(part: TableUndo, key: ForeignKey, references: Protections, taken_away: str) -> str:
    """Rows whose key is taken away, and that rows outside of the undo refer to."""
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
join {part.rows} as t on {part.same_row("t", "u.key")}
where u.relation = {part.relation} and ({taken_away})
    and exists (select from {qualified(key.children)} as c where {matching(key, "c", "t")}{own})"""


def moves(part: TableUndo, key: ForeignKey) -> str:
    """A condition: the undo gives the referenced columns other values."""
    columns = [column for column in part.columns if column.name in key.target_columns]
    if not columns:
        return "false"
    other = differs([(column, f"t.{quote(column.name)}", part.value(column, "b")) for column in columns])
    return (
        f"u.action = 'update' and {part.any_in('u.had', [column.name for column in columns])}\n"
        f"        and exists (select from {part.document('u.before', columns, 'b')} where {other})"
    )
