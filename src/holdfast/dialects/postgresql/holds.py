"""Legal holds: rows of which nothing is purged, dropped from the history or erased."""

from __future__ import annotations

from typing import Any

from holdfast.dialects.holds import Holds
from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.undo_table import TableUndo
from holdfast.dialects.postgresql.values import covers, key_spelled
from holdfast.dialects.query import Query
from holdfast.objects import Protection

TABLES: dict[str, str] = {
    # Rows of which nothing is purged, dropped or erased. A row may be held for several reasons.
    "hold": """\
create table if not exists holdfast.hold (
    id bigint generated always as identity primary key,
    relation integer not null references holdfast.relation,
    key text collate "C" not null,
    at timestamptz not null default clock_timestamp(),
    actor text,
    reason text not null,
    session_user_name text not null default session_user,
    -- The hold that somebody placed, where the same row had another key then.
    first bigint,
    unique (relation, key, reason)
)""",
}


class PostgreSQLHolds(Holds):
    def place(self, relation: int, key: str, actor: str | None, reason: str, first: int | None = None) -> Query:
        return Query(
            "insert into holdfast.hold (relation, key, actor, reason, first)\n"
            "values (:relation, :key, :actor, :reason, :first)\non conflict do nothing\nreturning id",
            {"relation": relation, "key": key_spelled(key), "actor": actor, "reason": reason, "first": first},
        )

    def release(self, relation: int, key: str, reason: str | None) -> Query:
        return Query(
            "with ended as (\n    delete from holdfast.hold as h\n    where coalesce(h.first, h.id) in (\n"
            "        select coalesce(g.first, g.id) from holdfast.hold as g\n"
            "        where g.relation = :relation and g.key = :key\n"
            "            and (cast(:reason as text) is null or g.reason = :reason))\n    returning h.id, h.reason\n)\n"
            "select e.reason from ended as e group by e.reason order by min(e.id)",
            {"relation": relation, "key": key_spelled(key), "reason": reason},
        )

    def all(self) -> str:
        return "select h.relation, h.key, h.at, h.actor, h.reason, coalesce(h.first, h.id) as first from holdfast.hold as h order by h.id"

    def reasons(self, relation: int, key: str) -> Query:
        return Query(
            "select h.reason from holdfast.hold as h where h.relation = :relation and h.key = :key order by h.id",
            {"relation": relation, "key": key_spelled(key)},
        )

    def relations(self) -> str:
        return "select distinct h.relation from holdfast.hold as h"

    def is_held(self, relation: int, key: str) -> str:
        return f"exists (select from holdfast.hold as h where h.relation = {relation} and h.key = {key})"

    def freeze(self) -> str:
        return "lock table holdfast.hold in share mode"

    def known_key(self, protection: Protection | None, relation: int, key: str) -> Query:
        parameters: dict[str, Any] = {"relation": relation, "key": key_spelled(key)}
        run = ""
        if parameters["key"].removeprefix("-").isdecimal():
            run = f" or {covers('cast(:key as text)')}"
        found = (
            "select cast(:key as text) as key where exists (\n"
            f"    select from holdfast.change as c where c.relation = :relation and (c.key = cast(:key as text){run}))"
        )
        if protection is not None:
            part = TableUndo(protection)
            spelled = Recorder(protection, part.audit).key("t")
            found = (
                f"select {spelled} as key from {part.table} as t where {part.same_row('t', 'cast(:key as text)')}\n"
                f"union all\n{found}\nlimit 1"
            )
        return Query(found, parameters)
