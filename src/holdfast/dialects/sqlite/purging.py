"""Rows that were marked long ago, and are really deleted now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from holdfast.dialects.purging import Purging
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.holds import SQLiteHolds
from holdfast.dialects.sqlite.sql import matching, qualified, quote
from holdfast.dialects.sqlite.values import key_is, key_json, key_of
from holdfast.objects import Protection
from holdfast.policies import SoftDelete
from holdfast.tables import ForeignKey


class SQLitePurging(Purging):
    def count(self, protection: Protection, before: datetime) -> Query:
        return Query(
            f"select count(*), count(*) filter (where {_held(protection, 't')})\n"
            f"from {qualified(protection.table.name)} as t where {_dead(protection, 't')}",
            {"before": _mark(before)},
        )

    def candidates(self, protection: Protection, before: datetime, after: Sequence[Any] | None, limit: int) -> Query:
        columns = ", ".join(f"t.{quote(name)}" for name in protection.table.key)
        parameters: dict[str, Any] = {"before": _mark(before), "limit": limit}
        beyond = ""
        if after is not None:
            # The values themselves follow the key.
            places = {f"after_{letter}": value for letter, value in zip(_LETTERS, after[1:], strict=False)}
            parameters |= places
            beyond = f" and ({columns}) > ({', '.join(f':{name}' for name in places)})"
        return Query(
            f"select {_key(protection, 't')} as key, {columns}\nfrom {qualified(protection.table.name)} as t\n"
            f"where {_dead(protection, 't')}{beyond} and not {_held(protection, 't')}\norder by {columns}\nlimit :limit",
            parameters,
        )

    def referring(
        self, key: ForeignKey, parent: Protection, child: Protection | None, before: datetime, parents: Sequence[str]
    ) -> Query:
        joined = (
            f"from json_each(:keys) as g\ncross join {qualified(parent.table.name)} as p on {key_is(parent, 'p', 'g.value')}\n"
            f"join {qualified(key.table)} as c on {matching(key, 'c', 'p')}"
        )
        parameters: dict[str, Any] = {"keys": _listed(parents)}
        if child is None:
            return Query(f"select distinct g.value as parent\n{joined}", parameters)
        return Query(
            f"select g.value as parent, {_key(child, 'c')} as key, ({_dead(child, 'c')}) is true as expired,\n"
            f"    {_held(child, 'c')} as held\n{joined}",
            {**parameters, "before": _mark(before)},
        )

    def delete(self, protection: Protection, before: datetime, keys: Sequence[str]) -> Query:
        table = qualified(protection.table.name)
        listed = ", ".join(f"k.{quote(name)}" for name in protection.table.key)
        columns = ", ".join(quote(name) for name in protection.table.key)
        return Query(
            f"delete from {table}\nwhere ({columns}) in (\n    select {listed} from json_each(:keys) as g\n"
            f"    cross join {table} as k on {key_is(protection, 'k', 'g.value')}\n    where {_dead(protection, 'k')})\n"
            f"returning {_shown(protection)}",
            {"keys": _listed(keys), "before": _mark(before)},
        )


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _listed(keys: Sequence[str]) -> str:
    """Not in ASCII: a key that is no valid Unicode is to be refused, and not taken for another."""
    return json.dumps(list(keys), ensure_ascii=False)


def _mark(value: datetime) -> str:
    """As the marks are written: UTC, to the microsecond."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _shown(protection: Protection) -> str:
    names = protection.table.key
    if len(names) == 1:
        return key_json(quote(names[0]))
    return "'[' || " + " || ',' || ".join(key_json(quote(name)) for name in names) + " || ']'"


def _key(protection: Protection, row: str) -> str:
    """As JSON, also where the key is of one column."""
    names = protection.table.key
    return key_of(row, names) if len(names) > 1 else key_json(f"{row}.{quote(names[0])}")


def _held(protection: Protection, row: str) -> str:
    return SQLiteHolds().is_held(protection.relation.id, key_of(row, protection.table.key))


def _dead(protection: Protection, row: str) -> str:
    policy = protection.get(SoftDelete)
    if policy is None:
        # The rest of a row whose mark is elsewhere.
        return "true"
    return f"{row}.{quote(policy.column)} < :before"
