"""What the journal recorded of the tested code, and what it did not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from unittest.mock import ANY

import sqlalchemy
from sqlalchemy import Connection, Table
from sqlalchemy.orm import Mapper, Session, scoped_session

from holdfast.database import explained
from holdfast.declaration import protections_of
from holdfast.dialects import dialect_for
from holdfast.dialects.log import LogFilter
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.journal import Change, Operation
from holdfast.policies import Audit
from holdfast.tables import TableInfo
from holdfast.testing.binding import binding_of
from holdfast.testing.comparing import same
from holdfast.timeline import log, shown

Within = Session | scoped_session[Any] | Connection
_SHOWN = 20


def assert_audited(
    within: Within,
    what: object,
    key: object = None,
    *,
    operation: Operation | None = None,
    actor: object = ANY,
    tenant: object = ANY,
    reason: object = ANY,
    changes: Mapping[str, object] | None = None,
) -> Change:
    """The newest recorded change that is as described; if there is none, fails and says what was recorded instead.

    ``what`` is a table's name, a Table, a model, or one object of a model, which gives its ``key`` too; a key of
    several columns is a sequence. ``changes`` names columns and what the row has after the change (of a deleted
    row: had before it), or a pair: before, after; other columns may have changed as well. Values are compared as
    Python has them: a datetime, a Decimal, an enum member, a UUID. It reads in the session's own transaction, and
    flushes first. In a rolled-back session only what was recorded since it began counts, elsewhere all that the
    journal has. Asynchronous: ``await session.run_sync(assert_audited, Order, 1, operation="update")``.
    """
    wanted = _Wanted(operation, {"actor": actor, "tenant": tenant, "reason": reason}, changes or {})
    table, recorded = _recorded(within, what, key)
    for change in recorded:
        if wanted.matches(change):
            return change
    raise AssertionError(f"The journal has no {wanted} of {_named(table, what, key)}.\n{_listed(recorded)}")


def assert_not_audited(
    within: Within,
    what: object,
    key: object = None,
    *,
    operation: Operation | None = None,
    actor: object = ANY,
    tenant: object = ANY,
    reason: object = ANY,
    changes: Mapping[str, object] | None = None,
) -> None:
    """Nothing that is as described was recorded, of a table that is audited; described as for ``assert_audited``."""
    wanted = _Wanted(operation, {"actor": actor, "tenant": tenant, "reason": reason}, changes or {})
    table, recorded = _recorded(within, what, key)
    found = [change for change in recorded if wanted.matches(change)]
    if found:
        raise AssertionError(f"The journal has a {wanted} of {_named(table, what, key)}.\n{_listed(found)}")


class _Wanted:
    """What a change is to be like."""

    def __init__(self, operation: Operation | None, who: Mapping[str, object], changes: Mapping[str, object]) -> None:
        self.operation = operation
        self.who = {name: value for name, value in who.items() if value is not ANY}
        self.changes = changes

    def matches(self, change: Change) -> bool:
        return (
            self.operation in (None, change.operation)
            and all(same(getattr(change, name), value) for name, value in self.who.items())
            and all(_changed(change, column, value) for column, value in self.changes.items())
        )

    def __str__(self) -> str:
        parts = [self.operation or "change", *(f"{name} {value!r}" for name, value in self.who.items())]
        if self.changes:
            parts.append(", ".join(f"{name}: {value!r}" for name, value in self.changes.items()))
        return " with ".join(parts)


def _changed(change: Change, column: str, wanted: object) -> bool:
    before, after = change.before or {}, change.after or {}
    if isinstance(wanted, tuple) and len(wanted) == 2:
        sides = (before, wanted[0]), (after, wanted[1])
        return (column in before or column in after) and all(same(side.get(column), value) for side, value in sides)
    image = before if change.after is None else after
    return column in image and same(image[column], wanted)


def _recorded(within: Within, what: object, key: object) -> tuple[TableInfo, list[Change]]:
    """The changes of the table, or of one row, newest first."""
    connection = _connection(within)
    binding = binding_of(connection)
    with explained(dialect_for(connection.dialect.name)):
        dialect, inventory = inspect(connection, dialect_for(connection.dialect.name), objects=False)
        table = _audited_table(inventory, what)
        key = _key(what) if key is None else key
        parts = _parts(key, table)
        # A key of another type is spelled as its driver does, and looked for here.
        plain = all(isinstance(part, (int, str)) for part in parts)
        asked = json.dumps(parts if len(parts) > 1 else parts[0]) if parts and plain else None
        changes = log(connection, dialect, inventory, LogFilter(table=table.name, key=asked, limit=None))
    if not plain:
        changes = [change for change in changes if all(map(same, _columns_of(change.key), parts))]
    if binding is not None:
        changes = [binding.as_it_was(change) for change in changes if change.id > binding.first]
    return table, changes


def _connection(within: Within) -> Connection:
    if isinstance(within, Connection):
        return within
    within.flush()
    return within.connection()


def _audited_table(inventory: Inventory, what: object) -> TableInfo:
    """Of a table that is not audited nothing can be asserted, not even that nothing was recorded."""
    table = inventory.resolve(_name(what))
    protection = protections_of(inventory).get(table.name) if inventory.has_journal else None
    if protection is None or protection.get(Audit) is None:
        raise AssertionError(f"The table {shown(table.name)} is not audited here, so nothing of it is ever recorded.")
    return table


def _name(what: object) -> str:
    if isinstance(what, str):
        return what
    if isinstance(what, Table):
        return what.fullname
    mapper: Mapper[Any] = sqlalchemy.inspect(what if isinstance(what, type) else type(what)).mapper
    table = mapper.local_table
    assert isinstance(table, Table)
    return table.fullname


def _key(what: object) -> object:
    """That of an object, and of anything else none: all rows are meant."""
    if isinstance(what, (str, Table, type)):
        return None
    return sqlalchemy.inspect(type(what)).mapper.primary_key_from_instance(what)


def _parts(key: object, table: TableInfo) -> list[object]:
    """The value of each column of the key; none where all rows are meant."""
    if key is None:
        return []
    parts = _columns_of(key)
    if len(parts) != len(table.key):
        raise AssertionError(f"The key of {shown(table.name)} is {', '.join(table.key)}; given was {key!r}.")
    return parts


def _columns_of(key: object) -> list[object]:
    return list(key) if isinstance(key, (list, tuple)) else [key]


def _named(table: TableInfo, what: object, key: object) -> str:
    key = _key(what) if key is None else key
    if key is None:
        return shown(table.name)
    return f"{shown(table.name)} {', '.join(map(str, _columns_of(key)))}"


def _listed(changes: list[Change]) -> str:
    if not changes:
        return "Nothing was recorded of it."
    lines = ["Recorded, newest first:", *map(_described, changes[:_SHOWN])]
    if len(changes) > _SHOWN:
        lines.append(f"  … and {len(changes) - _SHOWN} more")
    return "\n".join(lines)


def _described(change: Change) -> str:
    before, after = change.before or {}, change.after or {}
    columns = []
    for name in {**before, **after}:
        if change.operation == "update":
            columns.append(f"{name}: {before.get(name)!r} → {after.get(name)!r}")
        else:
            columns.append(f"{name}: {(after if change.after is not None else before).get(name)!r}")
    by = change.actor if change.actor is not None else "nobody named"
    return f"  {change.operation} {change.table} {change.key} by {by}; {', '.join(columns)}".rstrip("; ")
