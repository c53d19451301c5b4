"""A row's versions, and what differs between two of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from holdfast.database import Database, execute
from holdfast.declaration import protections_of
from holdfast.dialects.base import Dialect
from holdfast.dialects.log import LogFilter
from holdfast.errors import HistoryError
from holdfast.history.reading import inspected, present_row
from holdfast.inventory import Inventory
from holdfast.journal import OPERATIONS, Operation
from holdfast.objects import Protection
from holdfast.policies import Timestamps
from holdfast.policies import Version as Counted
from holdfast.stored import StoredRelation
from holdfast.timeline import document, journal_end, loads, moment, names_of, shown

if TYPE_CHECKING:
    from holdfast.database import AnyRow


@dataclass(frozen=True, slots=True)
class Version:
    """A row as one transaction left it. Number 0 is what was there before the first change that the journal has."""

    number: int
    transaction: str | None
    at: datetime | None
    """When the transaction began to commit (on SQLite: when it first wrote)."""
    actor: str | None
    tenant: str | None
    reason: str | None
    operation: Operation | None
    key: Any
    values: Mapping[str, Any] | None
    """The whole row, values as the journal spells them; None where it is gone."""
    change: int = field(default=0, repr=False)
    """The journal's last change of the row up to here."""

    def as_json(self) -> dict[str, Any]:
        return {
            "version": self.number,
            "transaction": self.transaction,
            "at": self.at.astimezone(UTC).isoformat() if self.at else None,
            "actor": self.actor,
            "tenant": self.tenant,
            "reason": self.reason,
            "operation": self.operation,
            "key": self.key,
            "values": self.values,
        }


def diff(a: Version, b: Version) -> dict[str, tuple[Any, Any]]:
    """The columns that differ, each with its value in ``a`` and in ``b``; a missing row has no values.

    >>> from holdfast.history import Version, diff
    >>> one = Version(1, "7", None, None, None, None, "insert", 42, {"id": 42, "status": "pending"})
    >>> two = Version(2, "9", None, "bob", None, None, "update", 42, {"id": 42, "status": "shipped"})
    >>> diff(one, two)
    {'status': ('pending', 'shipped')}
    """
    before, after = a.values or {}, b.values or {}
    names = [*before, *(name for name in after if name not in before)]
    return {
        name: (before.get(name), after.get(name))
        for name in names
        if name not in before or name not in after or before[name] != after[name]
    }


def versions(database: Database, table: str, key: Any) -> list[Version]:
    """Every version of the row that the journal knows, the oldest first; the row need not be there any more.

    ``key`` is a value, or a list of values for a key of several columns. HF436 where the journal has never seen it.
    """
    with database.snapshot() as connection:
        dialect, inventory = inspected(connection, database)
        return versions_of(connection, dialect, inventory, inventory.recorded(table), json.dumps(key, default=str))


def versions_of(
    connection: Connection, dialect: Dialect, inventory: Inventory, stored: StoredRelation, key: str
) -> list[Version]:
    """``versions``, within a connection and for a key as JSON."""
    before = journal_end(inventory)
    wanted = LogFilter(table=stored.table, relations=(stored.id,), key=key, limit=None, before=before)
    rows = [row for row in execute(connection, dialect.log.changes(wanted)) if row.relation == stored.id]
    called = names_of(connection, dialect, {stored.id}).get(stored.id)
    present = inventory.find(stored)
    protection = protections_of(inventory).get(present.name) if present is not None else None
    names = _present_names(stored, protection) if protection is not None else {}
    state = present_row(connection, dialect, protection, key) if protection is not None else None
    state = _renamed(state, names)
    if not rows and state is not None:
        # Nobody has changed it since it is recorded.
        return [Version(0, None, None, None, None, None, None, loads(key), state)]
    if not rows:
        raise HistoryError(
            "HF436",
            f"The journal has no change of {shown(stored.table)} {key}.",
            "See the keys with: holdfast log " + shown(stored.table) + ".",
        )
    steps = [
        _Step(row, _renamed(document(row.before, called), names), _renamed(document(row.after, called), names))
        for row in rows
    ]
    _leave_out_gap(steps, stored)
    return _walked_back(steps, state, protection, dialect.past.time_text)


def _present_names(stored: StoredRelation, protection: Protection) -> dict[str, str]:
    """The names that the journal has of columns that were renamed, or added, since the table was protected last."""
    written = {each.id: each.name for each in stored.columns}
    names = {written.get(number, f"?{number}"): name for name, number in protection.relation.columns.items()}
    return {name: present for name, present in names.items() if name != present}


def _renamed(document: dict[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any] | None:
    if document is None or not names:
        return document
    return {names.get(name, name): value for name, value in document.items()}


@dataclass(slots=True)
class _Step:
    """A change of the row, on the way back."""

    row: AnyRow
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    beyond: bool = False
    """Whether the row may have changed unrecorded since: then of what it left only its own words are known."""

    @property
    def came(self) -> bool:
        return self.row.operation == "I" or (self.row.operation == "U" and self.before is None)

    @property
    def went(self) -> bool:
        return self.row.operation in "DT" or (not self.came and self.row.after is None)


def _leave_out_gap(steps: Sequence[_Step], stored: StoredRelation) -> None:
    """The newest change before the time from which on the table is recorded without a gap."""
    for step in steps:
        if stored.since is None or moment(step.row.committed) < stored.since:
            step.beyond = True
            key = loads(step.row.key)
            values = key if isinstance(key, list) and len(stored.key) > 1 else [key]
            step.after = {**dict(zip(stored.key, values, strict=False)), **(step.after or {})}
            return


def _walked_back(
    steps: Sequence[_Step],
    state: dict[str, Any] | None,
    protection: Protection | None,
    time_text: Callable[[datetime], str],
) -> list[Version]:
    """From what is there now, back over each change, the newest first."""
    counted = protection.get(Counted) if protection else None
    timestamps = protection.get(Timestamps) if protection else None
    found: list[Version] = []
    newest: str | None = None
    for step in steps:
        row, before = step.row, step.before
        if step.beyond:
            state = None if step.went else step.after
        if row.transaction != newest:
            newest = row.transaction
            values = dict(state) if state is not None else None
            if values is not None and timestamps and values.get(timestamps.updated, "") is None:
                values[timestamps.updated] = time_text(moment(row.at))
            found.append(_version(row, values))
        if step.came:
            state = None
        elif step.went:
            state = before
        else:
            state = {**(state or {}), **(before or {})}
            if counted and isinstance(state.get(counted.column), int):
                state[counted.column] -= 1
            if timestamps and timestamps.updated in state:
                # It is the time of the change before, which is not known yet.
                state[timestamps.updated] = None
    if state is not None:
        found.append(Version(0, None, None, None, None, None, None, found[-1].key, state))
    last = len(found) - (state is not None)
    return [replace(each, number=last - position) for position, each in enumerate(found)][::-1]


def _version(row: AnyRow, values: dict[str, Any] | None) -> Version:
    return Version(
        number=0,
        transaction=str(row.transaction),
        at=moment(row.committed),
        actor=row.actor,
        tenant=row.tenant,
        reason=row.reason,
        operation=OPERATIONS[row.operation],
        key=loads(row.key),
        values=values,
        change=row.id,
    )


def version_at(known: Sequence[Version], *, number: int | None = None, at: datetime | None = None) -> Version:
    """The version of that number, or the one that counted at that time; HF436 where there is none."""
    if number is not None:
        found = next((each for each in known if each.number == number), None)
    else:
        assert at is not None
        found = next((each for each in reversed(known) if each.at is None or each.at <= at), None)
    if found is None:
        asked = f"version {number}" if number is not None else f"row at {at}"
        raise HistoryError(
            "HF436",
            f"There is no {asked}; the row has the versions {known[0].number} to {known[-1].number}.",
            "See them with: holdfast versions.",
        )
    return found
