"""Takes one row's values out of the table and out of all of its history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.dialects.erasure import Erasure, RowKey, Span
from holdfast.dialects.postgresql.interventions import LOCK, SHARE
from holdfast.dialects.postgresql.sql import quote
from holdfast.dialects.postgresql.undo_table import TableUndo
from holdfast.dialects.postgresql.values import covers, from_text, key_parts, key_spelled, key_text
from holdfast.dialects.query import Query
from holdfast.journal import Relation
from holdfast.objects import Protection
from holdfast.tables import ColumnInfo

TABLES: dict[str, str] = {}

# A row that is hidden from this role would be left as it is: better an error. The rest is how keys are spelled.
_SETTINGS = {"row_security": "off", "TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres"}

# The key was changed: the row left the one and came to the other. Several rows that one statement moved are told
# apart by the rest of their values.
_MOVES = """\
with own as materialized (
    select c.xid, c.at from holdfast.change as c
    where c.relation = {relation} and c.key = :key and c.operation = 'U' and (c.before is null or c.after is null)
),
moved as (
    select c.id, c.xid, c.at, c.before is null as came, c.key,
        coalesce(c.after, c.before)::jsonb - cast(cast(:moving as text) as text[]) as rest
    from holdfast.change as c
    where c.relation = {relation} and c.operation = 'U' and (c.before is null or c.after is null)
        and c.at = any (array(select k.at from own as k)) and (c.xid, c.at) in (select k.xid, k.at from own as k)
),
counted as (
    select m.*, count(*) over (partition by m.xid, m.at, m.came) as moves,
        count(*) over (partition by m.xid, m.at, m.came, m.rest) as alike
    from moved as m
)
select m.id, m.came, o.id as other_id, o.key as other_key, o.key as other_shown, case when o.id is null then (
        select json_agg(p.key order by p.id) from counted as p
        where p.xid = m.xid and p.at = m.at and p.came <> m.came and p.rest = m.rest
    )::text end as possible
from counted as m
left join counted as o on o.xid = m.xid and o.at = m.at and o.came <> m.came
    and (m.moves = 1 and o.moves = 1 or m.rest = o.rest and m.alike = 1 and o.alike = 1)
where m.key = :key
order by m.id"""


class PostgreSQLErasure(Erasure):
    def share(self) -> tuple[Query, ...]:
        return (Query(SHARE, {}),)

    def begin(self) -> tuple[Query, ...]:
        kept = (f"set_config('holdfast.{name}', current_setting('{name}'), true)" for name in _SETTINGS)
        given = (f"set_config('{name}', '{value}', true)" for name, value in _SETTINGS.items())
        return (
            Query(f"select {', '.join(kept)}", {}),
            Query(f"select {', '.join(given)}", {}),
            Query(f"select pg_advisory_xact_lock({LOCK})", {}),
        )

    def end(self) -> tuple[Query, ...]:
        back = (f"set_config('{name}', current_setting('holdfast.{name}'), true)" for name in _SETTINGS)
        return (Query(f"select {', '.join(back)}", {}),)

    def columns(self, relation: int) -> Query:
        return Query(f"select c.id, c.name from holdfast.relation_column as c where c.relation = {relation}", {})

    def key(self, relation: Relation, key: str) -> RowKey:
        spelled = key_spelled(key)
        return RowKey(spelled, spelled)

    def spelling(self, protection: Protection, key: RowKey) -> Query:
        columns = TableUndo(protection).key_columns
        return Query(f"select {key_text(columns, key_parts(columns, ':key'))}", {"key": key.shown})

    def lock(self, protection: Protection, key: RowKey) -> Query:
        part = TableUndo(protection)
        return Query(
            f"select 1 from {part.table} as t where {part.same_row('t', ':key')} for update", {"key": key.shown}
        )

    def moves(self, relation: Relation, key: RowKey, moving: Sequence[int]) -> Query:
        return Query(
            _MOVES.format(relation=relation.id),
            {"key": key.kept, "moving": "{" + ",".join(map(str, moving)) + "}"},
        )

    def last(self) -> Query:
        return Query("select nextval('holdfast.change_id')", {})

    def known(self, relation: int, span: Span) -> Query:
        within = ""
        if span.key.kept.removeprefix("-").isdecimal():
            within = f" or {covers('cast(:key as text)')}"
        return Query(
            f"select 1 from holdfast.change as c where c.relation = {relation} and (c.key = :key{within})\n"
            "    and c.id > cast(:later as bigint) and c.id <= cast(:until as bigint) limit 1",
            {"key": span.key.kept, "later": span.after, "until": span.until},
        )

    def changes(self, relation: int, span: Span, columns: Sequence[int]) -> Query:
        return Query(
            f"select c.id from holdfast.change as c\nwhere {_chosen(relation)}\norder by c.id", _given(span, columns)
        )

    def scrub(self, relation: int, span: Span, columns: Sequence[int], *, after: bool) -> tuple[Query, ...]:
        written = f"before = {_without('c.before')}" + (f",\n    after = {_without('c.after')}" if after else "")
        return (
            Query(
                f"update holdfast.change as c\nset {written}\nwhere {_chosen(relation)}",
                _given(span, columns),
            ),
        )

    def overwrite(self, protection: Protection, key: RowKey, values: Mapping[str, Any]) -> Query:
        part = TableUndo(protection)
        assignments, parameters = [], {"key": key.shown}
        for number, (name, value) in enumerate(values.items()):
            column = protection.table.column(name)
            assert column is not None
            given = "null"
            if value is not None:
                given = from_text(column, f"cast(:v{_letters(number)} as text)")
                parameters[f"v{_letters(number)}"] = _text(column, value)
            assignments.append(f"{quote(name)} = {given}")
        return Query(
            f"update {part.table} as t\nset {', '.join(assignments)}\nwhere {part.same_row('t', ':key')}", parameters
        )

    def still_there(self, protection: Protection, key: RowKey, columns: Sequence[str]) -> Query:
        part = TableUndo(protection)
        filled = " or ".join(f"t.{quote(name)} is not null" for name in columns) or "false"
        return Query(
            f"select 1 from {part.table} as t where {part.same_row('t', ':key')} and ({filled})", {"key": key.shown}
        )

    def interventions(self) -> Query:
        return Query(
            "select i.at, i.actor, i.reason, i.details::text as details from holdfast.intervention as i\n"
            "where i.kind = 'erasure' order by i.id desc",
            {},
        )


def _given(span: Span, columns: Sequence[int]) -> dict[str, Any]:
    listed = "{" + ",".join(map(str, columns)) + "}"
    return {"key": span.key.kept, "later": span.after, "until": span.until, "columns": listed}


def _chosen(relation: int) -> str:
    """A condition: the change is of the span, and has a value of one of the columns."""
    has = " or ".join(
        f"exists (select from json_each(c.{side}::json) as e\n"
        "            where e.key = any (cast(cast(:columns as text) as text[])) and json_typeof(e.value) <> 'object')"
        for side in ("before", "after")
    )
    return (
        f"c.relation = {relation} and c.key = :key and c.key_last is null and c.id > cast(:later as bigint)\n"
        f"    and c.id <= cast(:until as bigint)\n    and ({has})"
    )


def _without(document: str) -> str:
    """An expression: the document with a mark in place of each value; the text of the others stays as it is."""
    return f"""\
case when {document} is not null then (
        select '{{' || coalesce(string_agg(to_json(e.key)::text || ':' ||
            case when e.key = any (cast(cast(:columns as text) as text[])) then '{{"erased":true}}' else e.value::text end,
            ',' order by e.position), '') || '}}'
        from json_each({document}::json) with ordinality as e (key, value, position)
    ) end"""


def _letters(number: int) -> str:
    """A parameter's name has no digits."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def _text(column: ColumnInfo, value: Any) -> str:
    """A Python value as the text that PostgreSQL reads it from."""
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            return "\\x" + value.hex()
        case list() if column.type_kind == "array":
            return "{" + ",".join("null" if each is None else json.dumps(_text(column, each)) for each in value) + "}"
        case dict() | list():
            return json.dumps(value, default=str)
    return str(value)
