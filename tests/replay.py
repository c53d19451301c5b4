"""The journal read backwards: from the rows as they are to the rows as they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.journal import Change
from tests.harness import Protected

Row = dict[str, Any]
Rows = dict[tuple[str, Any], list[Row]]
"""(table, key) to the rows there: more than one only where a deferred key allows it for a moment."""


@dataclass(frozen=True)
class Watched:
    """A table whose rows are compared: its columns and its key, as a test wrote them."""

    name: str
    columns: Sequence[str]
    key: Sequence[str]


def snapshot(protected: Protected, tables: Iterable[Watched]) -> Rows:
    """Every row of the tables, by table and key."""
    found: Rows = {}
    for table in tables:
        for values in protected.rows(f"select {', '.join(table.columns)} from {table.name}"):
            row = dict(zip(table.columns, values, strict=True))
            key = tuple(row[name] for name in table.key)
            found.setdefault((table.name, key[0] if len(key) == 1 else key), []).append(row)
    return found


def replayed(changes: Sequence[Change], rows: Rows) -> Rows:
    """The rows before the changes (oldest first). Each change must fit what the later ones left of the rows."""
    state: Rows = {place: [dict(row) for row in there] for place, there in rows.items()}
    for change in reversed(changes):
        place = (change.table, tuple(change.key) if isinstance(change.key, list) else change.key)
        there = state.setdefault(place, [])
        came = change.operation == "insert" or (change.operation == "update" and change.before is None)
        went = change.operation in ("delete", "truncate") or (change.operation == "update" and change.after is None)
        if came:
            there.remove(_fitting(there, change))
        elif went:
            assert change.before is not None, change
            there.append(dict(change.before))
        else:
            assert change.before is not None, change
            _fitting(there, change).update(change.before)
    return {place: there for place, there in state.items() if there}


def _fitting(there: Sequence[Row], change: Change) -> Row:
    after: Mapping[str, Any] = change.after or {}
    fitting = [row for row in there if all(row[name] == value for name, value in after.items())]
    assert fitting, f"{change} does not fit {there}"
    return fitting[0]
