"""A row's versions, what differs between two of them, the way back to one; a table as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError

from holdfast.database import Database, execute
from holdfast.declaration import protections_of
from holdfast.dialects.base import Dialect, LogFilter, Query
from holdfast.errors import HistoryError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.inventory import Inventory, StoredRelation
from holdfast.journal import OPERATIONS, Operation
from holdfast.objects import Protection
from holdfast.policies import Audit, Timestamps
from holdfast.policies import Version as Counted
from holdfast.tables import TableName
from holdfast.timeline import find, moment, shown

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


@dataclass(frozen=True, slots=True)
class Reverted:
    """The outcome of a revert: its transaction (None where nothing was written), and what it changed, now to then."""

    transaction: str | None
    version: Version
    fields: Mapping[str, tuple[Any, Any]]
    not_kept: tuple[str, ...] = ()
    """Columns of which the journal keeps no values; these stay as they are."""


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
        dialect, inventory = _inspected(connection, database)
        return versions_of(connection, dialect, inventory, inventory.recorded(table), json.dumps(key, default=str))


def versions_of(
    connection: Connection, dialect: Dialect, inventory: Inventory, stored: StoredRelation, key: str
) -> list[Version]:
    """``versions``, within a connection and for a key as JSON."""
    wanted = LogFilter(table=stored.table, key=key, limit=None)
    rows = [row for row in execute(connection, dialect.log(wanted)) if row.relation == stored.id]
    present = inventory.find(stored)
    protection = protections_of(inventory).get(present.name) if present is not None else None
    names = _present_names(stored, protection) if protection is not None else {}
    state = _present(connection, dialect, protection, key) if protection is not None else None
    state = _renamed(state, names)
    if not rows and state is not None:
        # Nobody has changed it since it is recorded.
        return [Version(0, None, None, None, None, None, None, json.loads(key, parse_float=Decimal), state)]
    if not rows:
        raise HistoryError(
            "HF436",
            f"The journal has no change of {shown(stored.table)} {key}.",
            "See the keys with: holdfast log " + shown(stored.table) + ".",
        )
    steps = [_Step(row, _renamed(_document(row.before), names), _renamed(_document(row.after), names)) for row in rows]
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


def _present(connection: Connection, dialect: Dialect, protection: Protection, key: str) -> dict[str, Any] | None:
    past = dialect.past
    select = past.documents(protection, past.present(protection))
    images = execute(connection, Query(select, past.parameters(protection, key)))
    return _document(images[0][0]) if images else None


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
            key = json.loads(step.row.key, parse_float=Decimal)
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
        key=json.loads(row.key, parse_float=Decimal),
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


def check_writable(stored: StoredRelation, known: Sequence[Version], wanted: Version) -> None:
    """HF437 where the version is the row's absence, HF435 where not all of it is known."""
    name = f"Version {wanted.number} of {shown(stored.table)} {wanted.key}"
    if wanted.values is None or wanted.operation == "delete":
        raise HistoryError("HF437", f"{name} is its delete.", "Delete the row, or choose a version in which it lived.")
    # Number 0 is what the first change found.
    at = next((each.at for each in (wanted, *known) if each.at is not None), None)
    if at is not None and (stored.since is None or at < stored.since):
        raise HistoryError(
            "HF435",
            f"{name} is from a time since which changes may have gone unrecorded, so not all of it is known.",
            "What is known of it is shown by: holdfast versions. Write that by hand.",
        )


def revert(
    database: Database,
    table: str,
    key: Any,
    *,
    version: int | None = None,
    at: datetime | None = None,
    actor: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> Reverted:
    """Writes a new version of the row with the values of an old one, be it there or gone; the old ones stay.

    Columns that a policy keeps move on, and columns that the journal does not keep stay as they are. A dry run does
    all of it and rolls it back. HF437 where that version is the row's absence, HF436 where there is none of that
    number, and the database's own refusal where a key or a rule forbids it.
    """
    with database.snapshot() as connection:
        dialect, inventory = _inspected(connection, database)
        stored = inventory.recorded(table)
        known = versions_of(connection, dialect, inventory, stored, json.dumps(key, default=str))
    wanted = version_at(known, number=version, at=at)
    protection = _protected(inventory, stored)
    check_writable(stored, known, wanted)
    fields = diff(known[-1], wanted)
    bound = {
        "actor": actor,
        "reason": reason or f"revert to version {wanted.number}",
        "reverts": wanted.number,
    }
    with database.connect() as connection, _fitting(protection), connection.begin() as transaction:
        written = _write(connection, dialect, protection, wanted, bound)
        if dry_run:
            transaction.rollback()
            written = None
    audit = protection.get(Audit) or Audit()
    hidden = sorted(audit.exclude | audit.mask | audit.large)
    stamps = protection.stamps
    return Reverted(
        written, wanted, {name: values for name, values in fields.items() if name not in stamps}, tuple(hidden)
    )


def _write(
    connection: Connection, dialect: Dialect, protection: Protection, wanted: Version, bound: Mapping[str, Any]
) -> str | None:
    for query in dialect.bind_context(bound):
        execute(connection, query)
    write_back(connection, dialect, protection, wanted)
    written = execute(connection, dialect.current_transaction())
    for query in dialect.unbind_context():
        execute(connection, query)
    return str(written[0][0]) if written else None


def write_back(connection: Connection, dialect: Dialect, protection: Protection, wanted: Version) -> None:
    """Gives the row the values of that version, within the transaction in hand; inserts it where it is gone."""
    past = dialect.past
    key = json.dumps(wanted.key, default=str)
    lock_row(connection, dialect, protection, key)
    given = {**past.parameters(protection, key), "change": wanted.change}
    if not execute(connection, Query(past.update(protection), given)):
        execute(connection, Query(past.insert(protection), given))


def lock_row(connection: Connection, dialect: Dialect, protection: Protection, key: str) -> None:
    """What a version does not say is taken from the row, which nobody may change meanwhile."""
    for query in dialect.erasure.share():
        execute(connection, query)
    locking = dialect.past.lock(protection)
    if locking is not None:
        execute(connection, Query(locking, dialect.past.parameters(protection, key)))


@dataclass(frozen=True, slots=True)
class AsOf:
    """A table at one moment: the SELECT that reads it, by which it can be joined and made a view of."""

    table: TableName
    at: datetime
    select: str
    protection: Protection
    not_kept: tuple[str, ...]
    """Columns whose values the journal does not keep: NULL, or, where it only knows that they changed, NULL if so."""


def as_of(
    connection: Connection,
    dialect: Dialect,
    inventory: Inventory,
    table: str,
    *,
    at: datetime | None = None,
    transaction: str | None = None,
) -> AsOf:
    """The table as it was at a time, or right after a transaction.

    A transaction counts from the moment at which it began to commit, not from its start: what others could see at
    that time. HF435 where the journal does not reach back so far.
    """
    stored = inventory.recorded(table)
    protection = _protected(inventory, stored)
    return table_as_of(dialect, stored, protection, moment_of(connection, dialect, at=at, transaction=transaction))


def moment_of(
    connection: Connection, dialect: Dialect, *, at: datetime | None = None, transaction: str | None = None
) -> datetime:
    """The time that is meant, in UTC where it has no zone; HF435 where it has not come yet."""
    [(value,)] = execute(connection, dialect.past.now())
    if transaction is not None:
        name = find(connection, dialect, transaction).id
        at = moment(execute(connection, dialect.past.committed(name))[0][0])
    if at is None:
        raise TypeError("as_of() needs at= or transaction=")
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    if at > moment(value):
        raise HistoryError("HF435", f"{at.isoformat()} has not come yet.", "Ask for a time in the past.")
    return at


def table_as_of(dialect: Dialect, stored: StoredRelation, protection: Protection, at: datetime) -> AsOf:
    """The table at that moment; HF435 where the journal does not reach back so far."""
    if stored.since is None or at < stored.since:
        since = stored.since.isoformat() if stored.since else "no time"
        raise HistoryError(
            "HF435",
            f"{shown(stored.table)} is recorded without a gap since {since}; what it was before is not known.",
            "Ask for a later time.",
        )
    audit = protection.get(Audit) or Audit()
    hidden = tuple(sorted(audit.exclude | audit.mask | audit.large))
    return AsOf(protection.table.name, at, dialect.past.table(protection, at), protection, hidden)


def rows_as_of(connection: Connection, dialect: Dialect, past: AsOf) -> Iterator[dict[str, Any]]:
    """The rows of that moment in the order of their keys, values as the journal spells them."""
    with _fitting(past.protection):
        rows = execute(connection, dialect.past.documents(past.protection, past.select))
    for (document,) in rows:
        yield json.loads(document, parse_float=Decimal)


@contextmanager
def _fitting(protection: Protection) -> Iterator[None]:
    """HF439 where a value of then is none of the column's type of now."""
    try:
        yield
    except DataError as error:
        said = next(iter(str(error.orig).splitlines()), "")
        raise HistoryError(
            "HF439",
            f"A value that {shown(protection.table.name)} had then does not fit its column now: {said}.",
            "See the rows' own versions: holdfast versions.",
        ) from error


def row_as_of(
    connection: Connection, dialect: Dialect, inventory: Inventory, past: AsOf, key: str
) -> dict[str, Any] | None:
    """The one row of that moment, its key as JSON; None where there was none."""
    stored = inventory.recorded(str(past.table))
    try:
        known = versions_of(connection, dialect, inventory, stored, key)
    except HistoryError:
        # Never changed since the table is recorded.
        return _present(connection, dialect, past.protection, key)
    values = next((each.values for each in reversed(known) if each.at is None or each.at <= past.at), None)
    return dict(values) if values is not None else None


def copy_as_of(
    database: Database, table: str, into: str, *, at: datetime | None = None, transaction: str | None = None
) -> int:
    """Makes a new table of the rows as they were; gives their number. HF438 where there is something of that name."""
    with database.connect() as connection, connection.begin():
        dialect, inventory = _inspected(connection, database)
        past = as_of(connection, dialect, inventory, table, at=at, transaction=transaction)
        schema, _, name = into.rpartition(".")
        target = TableName(schema or past.table.schema, name)
        if inventory.is_taken(target):
            raise HistoryError("HF438", f"There is a {target} already.", "Give the copy a name of its own.")
        with _fitting(past.protection):
            for statement in dialect.past.copy(past.select, dialect.qualified(target)):
                execute(connection, statement)
        [(count,)] = execute(connection, f"select count(*) from {dialect.qualified(target)}")
    return int(count)


def _inspected(connection: Connection, database: Database) -> tuple[Dialect, Inventory]:
    dialect, inventory = inspect(connection, database.dialect, objects=False)
    if not inventory.has_journal:
        raise UnsupportedError("HF303", "Nothing is protected in this database.", "Start with: holdfast protect.")
    return dialect, inventory


def _protected(inventory: Inventory, stored: StoredRelation) -> Protection:
    present = inventory.find(stored)
    protection = protections_of(inventory).get(present.name) if present is not None else None
    if protection is None or protection.get(Audit) is None:
        raise UnsupportedError(
            "HF303",
            f"{shown(stored.table)} is not recorded now, so what it was cannot be told from what it is.",
            f"Its changes are still there: holdfast log {shown(stored.table)}.",
        )
    return protection


def _document(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    document: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return document
