"""Legal holds: rows of which nothing is purged, dropped from the history or erased."""

from __future__ import annotations

from typing import Any

from holdfast.dialects.holds import Holds
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.sql import qualified, quote
from holdfast.dialects.sqlite.statement import NOW
from holdfast.dialects.sqlite.values import key_given, key_is, key_json, key_of, key_shown
from holdfast.objects import Protection

TABLES: dict[str, str] = {
    # Rows of which nothing is purged, dropped or erased. The key as holdfast_change keeps it.
    "holdfast_hold": """\
create table if not exists main.holdfast_hold (
    id integer primary key,
    relation integer not null,
    key not null,
    at text not null,
    actor text,
    reason text not null,
    -- The hold that somebody placed, where the same row had another key then.
    first integer,
    unique (relation, key, reason)
)""",
}

_KEY = """\
(select case when json_array_length(r.key_columns) > 1 then :several else :single end
    from main.holdfast_relation as r where r.id = :relation)"""


def _key(relation: int, key: str) -> dict[str, Any]:
    several, single = key_given(key)
    return {"relation": relation, "several": several, "single": single}


class SQLiteHolds(Holds):
    def place(self, relation: int, key: str, actor: str | None, reason: str, first: int | None = None) -> Query:
        return Query(
            "insert into main.holdfast_hold (relation, key, at, actor, reason, first)\n"
            f"values (:relation, {_KEY}, {NOW}, :actor, :reason, :first)\non conflict do nothing\nreturning id",
            {**_key(relation, key), "actor": actor, "reason": reason, "first": first},
        )

    def release(self, relation: int, key: str, reason: str | None) -> Query:
        return Query(
            "delete from main.holdfast_hold\nwhere coalesce(first, id) in (\n"
            "    select coalesce(g.first, g.id) from main.holdfast_hold as g\n"
            f"    where g.relation = :relation and g.key is {_KEY} and (:reason is null or g.reason = :reason))\n"
            "returning reason",
            {**_key(relation, key), "reason": reason},
        )

    def all(self) -> str:
        return (
            f"select h.relation, {key_shown('r', 'h.key')} as key, h.at, h.actor, h.reason,\n"
            "    coalesce(h.first, h.id) as first\n"
            "from main.holdfast_hold as h\njoin main.holdfast_relation as r on r.id = h.relation\norder by h.id"
        )

    def reasons(self, relation: int, key: str) -> Query:
        return Query(
            f"select h.reason from main.holdfast_hold as h\nwhere h.relation = :relation and h.key is {_KEY}\norder by h.id",
            _key(relation, key),
        )

    def relations(self) -> str:
        return "select distinct h.relation from main.holdfast_hold as h"

    def is_held(self, relation: int, key: str) -> str:
        return f"exists (select 1 from main.holdfast_hold as h where h.relation = {relation} and h.key is {key})"

    def known_key(self, protection: Protection | None, relation: int, key: str) -> Query:
        found = (
            "select :key as key where exists (\n    select 1 from main.holdfast_change as c\n"
            f"    where c.relation = :relation and c.key is {_KEY})"
        )
        parameters = _key(relation, key)
        if protection is not None:
            names = protection.table.key
            spelled = key_of("t", names) if len(names) > 1 else key_json(f"t.{quote(names[0])}")
            found = (
                f"select {spelled} as key from {qualified(protection.table.name)} as t where {key_is(protection, 't')}\n"
                f"union all\n{found}\nlimit 1"
            )
        return Query(found, {**parameters, "key": key})
