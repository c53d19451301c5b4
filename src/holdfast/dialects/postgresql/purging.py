"""Rows that were marked long ago, and are really deleted now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from holdfast.dialects.postgresql.holds import PostgreSQLHolds
from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.sql import qualified, quote
from holdfast.dialects.postgresql.undo_table import TableUndo, matching
from holdfast.dialects.postgresql.values import all_settings, key_parts
from holdfast.dialects.purging import Purging
from holdfast.dialects.query import Query
from holdfast.objects import Protection
from holdfast.policies import Audit, SoftDelete
from holdfast.tables import ForeignKey

_GIVEN = "json_array_elements_text(cast(:keys as json)) as g (key)"


class PostgreSQLPurging(Purging):
    def settings(self) -> Query:
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in all_settings())
        return Query(f"select {calls}", {})

    def count(self, protection: Protection, before: datetime) -> Query:
        return Query(
            f"select count(*), count(*) filter (where {_held(protection, 't')})\n"
            f"from {qualified(protection.table.name)} as t where {_dead(protection, 't')}",
            {"before": before},
        )

    def candidates(self, protection: Protection, before: datetime, after: Sequence[Any] | None, limit: int) -> Query:
        part = TableUndo(protection)
        columns = ", ".join(f"t.{quote(column.name)}" for column in part.key_columns)
        parameters: dict[str, Any] = {"before": before, "limit": limit}
        beyond = ""
        if after is not None:
            places = ", ".join(key_parts(part.key_columns, "cast(:after as text)"))
            beyond = f" and ({columns}) > ({places})"
            parameters["after"] = after[0]
        return Query(
            f"select {_key(protection, 't')} as key\nfrom {part.table} as t\n"
            f"where {_dead(protection, 't')}{beyond} and not {_held(protection, 't')}\n"
            f"order by {columns}\nlimit :limit\nfor update of t skip locked",
            parameters,
        )

    def referring(
        self, key: ForeignKey, parent: Protection, child: Protection | None, before: datetime, parents: Sequence[str]
    ) -> Query:
        joined = (
            f"from {_GIVEN}\njoin {qualified(parent.table.name)} as p on {TableUndo(parent).same_row('p', 'g.key')}\n"
            f"join {qualified(key.children)} as c on {matching(key, 'c', 'p')}"
        )
        parameters: dict[str, Any] = {"keys": json.dumps(list(parents))}
        if child is None:
            return Query(f"select distinct g.key as parent\n{joined}", parameters)
        return Query(
            f"select g.key as parent, {_key(child, 'c')} as key, ({_dead(child, 'c')}) is true as expired,\n"
            f"    {_held(child, 'c')} as held\n{joined}\nfor update of c",
            {**parameters, "before": before},
        )

    def delete(self, protection: Protection, before: datetime, keys: Sequence[str]) -> Query:
        return Query(
            f"delete from {qualified(protection.table.name)} as t\nusing {_GIVEN}\n"
            f"where {TableUndo(protection).same_row('t', 'g.key')} and {_dead(protection, 't')}\nreturning g.key",
            {"keys": json.dumps(list(keys)), "before": before},
        )


def _key(protection: Protection, row: str) -> str:
    return Recorder(protection, protection.get(Audit) or Audit()).key(row)


def _held(protection: Protection, row: str) -> str:
    return PostgreSQLHolds().is_held(protection.relation.id, _key(protection, row))


def _dead(protection: Protection, row: str) -> str:
    policy = protection.get(SoftDelete)
    if policy is None:
        # The rest of a row whose mark is elsewhere.
        return "true"
    return f"{row}.{quote(policy.column)} < :before"
