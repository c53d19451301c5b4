"""Takes one row's values out of the table and out of all of its history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from holdfast.dialects.erasure import Erasure, RowKey, Span
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.digests import make
from holdfast.dialects.sqlite.sql import any_of, qualified, quote, refusing
from holdfast.dialects.sqlite.statement import MAINTAIN, MAINTAINED
from holdfast.dialects.sqlite.values import ERASED, ERASED_BEFORE, key_given, key_is, key_json
from holdfast.journal import Relation
from holdfast.objects import Protection

TABLES: dict[str, str] = {}


class SQLiteErasure(Erasure):
    def share(self) -> tuple[Query, ...]:
        # One connection writes at a time.
        return ()

    def begin(self) -> tuple[Query, ...]:
        # What was deleted is overwritten in the file.
        return (Query("pragma secure_delete = on", {}),)

    def end(self) -> tuple[Query, ...]:
        return ()

    def columns(self, relation: int) -> Query:
        return Query(f"select c.id, c.name from main.holdfast_column as c where c.relation = {relation}", {})

    def key(self, relation: Relation, key: str) -> RowKey:
        several, single = key_given(key)
        return RowKey(key, several if len(relation.key) > 1 else single)

    def lock(self, protection: Protection, key: RowKey) -> Query:
        # The transaction has written already, so that nobody else can.
        return Query(
            f"select 1 from {qualified(protection.table.name)} as t where {key_is(protection, 't')}", {"key": key.shown}
        )

    def moves(self, relation: Relation, key: RowKey, moving: Sequence[int]) -> Query:
        # Row by row: the one change follows the other.
        shown = key_json("o.key") if len(relation.key) == 1 else "o.key"
        return Query(
            f"""\
select c.id, c.side = 2 as came, o.id as other_id, o.key as other_key,
    case when o.id is not null then {shown} end as other_shown, null as possible
from main.holdfast_change as c
left join main.holdfast_change as o on o.id = c.id + case c.side when 1 then 1 else -1 end
    and o.relation = c.relation and o.transaction_id = c.transaction_id and o.operation = 'U' and o.side = 3 - c.side
where c.relation = {relation.id} and c.key is :kept and typeof(c.key) = typeof(:kept)
    and c.operation = 'U' and c.side in (1, 2)
order by c.id""",
            {"kept": key.kept},
        )

    def last(self) -> Query:
        return Query("select coalesce(max(id), 0) from main.holdfast_change", {})

    def known(self, relation: int, span: Span) -> Query:
        return Query(f"select 1 from main.holdfast_change as c\nwhere {_of_span(relation)}\nlimit 1", _given(span))

    def changes(self, relation: int, span: Span, columns: Sequence[int]) -> Query:
        return Query(
            f"select c.id from main.holdfast_change as c\nwhere {_of_span(relation)}\n    and exists (\n"
            f"        select 1 from main.holdfast_value as v where v.change = c.id and {_whole(columns)})\norder by c.id",
            _given(span),
        )

    def scrub(self, relation: int, span: Span, columns: Sequence[int], *, after: bool) -> tuple[Query, ...]:
        given = _given(span)
        changes = f"select c.id from main.holdfast_change as c where {_of_span(relation)}"
        of_key = f"where relation = {relation} and key is :kept and typeof(key) = typeof(:kept)"
        return (
            Query(MAINTAIN, {}),
            # One side of it may stay.
            Query(make(f"{_whole(columns)}\n    and v.change in ({changes})"), given),
            Query(
                f"update main.holdfast_value as v\nset before = null, {'after = null, ' if after else ''}"
                f"masked = {ERASED if after else ERASED_BEFORE}\nwhere {_whole(columns)}\n"
                f"    and v.change in ({changes})",
                given,
            ),
            # What other statements left behind.
            Query(f"delete from main.holdfast_replaced\n{of_key}", {"kept": span.key.kept}),
            Query(f"delete from main.holdfast_started\n{of_key}", {"kept": span.key.kept}),
            *(Query(statement, {}) for statement in MAINTAINED),
        )

    def overwrite(self, protection: Protection, key: RowKey, values: Mapping[str, Any]) -> Query:
        names = {name: f"v{'x' * number}" for number, name in enumerate(values)}
        assignments = ", ".join(f"{quote(name)} = :{parameter}" for name, parameter in names.items())
        return Query(
            f"{refusing('update', protection.table)} {qualified(protection.table.name)} as t\n"
            f"set {assignments}\nwhere {key_is(protection, 't')}",
            {"key": key.shown, **{names[name]: _native(value) for name, value in values.items()}},
        )

    def still_there(self, protection: Protection, key: RowKey, columns: Sequence[str]) -> Query:
        filled = any_of(f"t.{quote(name)} is not null" for name in columns)
        return Query(
            f"select 1 from {qualified(protection.table.name)} as t\nwhere {key_is(protection, 't')} and {filled}",
            {"key": key.shown},
        )

    def interventions(self) -> Query:
        return Query(
            "select i.at, i.actor, i.reason, i.details from main.holdfast_intervention as i\n"
            "where i.kind = 'erasure' order by i.id desc",
            {},
        )


def _given(span: Span) -> dict[str, Any]:
    return {"kept": span.key.kept, "later": span.after, "until": span.until}


def _of_span(relation: int) -> str:
    return (
        f"c.relation = {relation} and c.key is :kept and typeof(c.key) = typeof(:kept)\n"
        "    and c.id > :later and c.id <= :until"
    )


def _whole(columns: Sequence[int]) -> str:
    """A condition: the value is of one of the columns, and was not erased before."""
    return f"v.column_id in ({', '.join(map(str, columns))}) and coalesce(v.masked, 0) <> {ERASED}"


def _native(value: Any) -> Any:
    """A Python value as SQLite keeps it."""
    match value:
        case None | int() | float() | str() | bytes():
            return value
        case datetime() | date() | time():
            return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
        case dict() | list():
            return json.dumps(value, default=str)
    return str(value)
