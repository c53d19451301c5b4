"""What happened: the journal's changes, newest first, and one transaction with all of its changes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.declaration import protections_of
from holdfast.dialects.base import Dialect
from holdfast.dialects.log import LogFilter
from holdfast.dialects.query import Query
from holdfast.errors import UnsupportedError
from holdfast.inventory import Inventory
from holdfast.journal import OPERATIONS, Change, Transaction
from holdfast.objects import Protection
from holdfast.policies import Timestamps, Version
from holdfast.tables import TableName

if TYPE_CHECKING:
    from holdfast.database import AnyRow

_WINDOWS = (1_000, 30_000, 900_000)
"""How many of the last transactions to look through before looking further back."""
_MOMENT = timedelta(microseconds=1)
"""Times of the journal differ by this at least."""
_AT_ONCE = 1_000
"""Of how many inserted rows to read the values at a time."""
_BYTE = re.compile(r"[\udc80-\udcff]")
"""A byte that is no UTF-8, as ``database.read_any_text`` reads it."""


def log(connection: Connection, dialect: Dialect, inventory: Inventory, wanted: LogFilter) -> list[Change]:
    """The changes that the filter wants, newest first, inserted rows with the values that they were given.

    Reads the recent past first and widens the view only while there are too few changes.
    """
    if wanted.table is not None and wanted.relations is None:
        numbers = tuple(each.id for each in inventory.relations.values() if each.table == wanted.table)
        wanted = replace(wanted, relations=numbers)
    wanted = replace(wanted, since=_aware(wanted.since), until=_aware(wanted.until), before=journal_end(inventory))
    few = wanted.limit is not None and wanted.key is None and wanted.transaction is None
    rows = _newest(connection, dialect, wanted) if few else execute(connection, dialect.log.changes(wanted))
    names = names_of(connection, dialect, {row.relation for row in rows})
    changes = [change_of(row, names.get(row.relation)) for row in rows]
    fill_in(connection, dialect, inventory, rows, changes, names)
    return changes


def journal_end(inventory: Inventory) -> datetime | None:
    """After all changes that there were when the inventory was read; None where that is not known."""
    end = inventory.state.get("journal_end")
    return moment(end) if end is not None else None


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _newest(connection: Connection, dialect: Dialect, wanted: LogFilter) -> list[AnyRow]:
    """The newest of these changes, looked for in the recent past first and then further back."""
    assert wanted.limit is not None
    rows: list[AnyRow] = []
    part = wanted
    for (at,) in execute(connection, dialect.log.windows(wanted.until, _WINDOWS)):
        since = moment(at) if at is not None else None
        if since is None or (wanted.since is not None and since <= wanted.since):
            break
        if part.until is not None and since > part.until:
            # The clock was set back.
            continue
        rows += execute(connection, dialect.log.changes(replace(part, since=since)))
        part = replace(wanted, until=since - _MOMENT)
        if len(rows) >= wanted.limit:
            # What began before may have gone on writing.
            part = replace(part, above=_newest_of(rows, wanted.limit)[-1].id)
            break
    rows += execute(connection, dialect.log.changes(part))
    return _newest_of(rows, wanted.limit)


def _newest_of(rows: Iterable[AnyRow], limit: int) -> list[AnyRow]:
    return sorted(rows, key=lambda row: row.id, reverse=True)[:limit]


def names_of(connection: Connection, dialect: Dialect, relations: Collection[int]) -> dict[int, Mapping[str, str]]:
    """The names of the columns that the journal calls by numbers, by relation; none where it calls them by names."""
    query = dialect.log.names(relations) if relations else None
    if query is None:
        return {}
    known = {row.relation: loads(row.names) for row in execute(connection, query)}
    return {relation: known.get(relation, {}) for relation in relations}


def fill_in(
    connection: Connection,
    dialect: Dialect,
    inventory: Inventory,
    rows: Sequence[Any],
    changes: list[Change],
    names: Mapping[int, Mapping[str, str]] | None = None,
) -> None:
    """Gives the inserted rows the values that they were given, as far as the journal has their key alone."""
    bare: dict[int, list[int]] = {}
    for position, row in enumerate(rows):
        if row.operation == "I" and row.after is None:
            bare.setdefault(row.relation, []).append(position)
    _leave_out_unknown(connection, dialect, inventory, rows, bare)
    if not bare:
        return
    known = names_of(connection, dialect, set(bare)) if names is None else names
    for protection in protections_of(inventory).values():
        positions = bare.get(protection.relation.id, [])
        for start in range(0, len(positions), _AT_ONCE):
            chunk = positions[start : start + _AT_ONCE]
            inserted = [rows[position] for position in chunk]
            images = _inserted_values(connection, dialect, protection, inserted, known.get(protection.relation.id))
            for position, image in zip(chunk, images, strict=True):
                changes[position] = replace(changes[position], after=image)


def _leave_out_unknown(
    connection: Connection, dialect: Dialect, inventory: Inventory, rows: Sequence[AnyRow], bare: dict[int, list[int]]
) -> None:
    """Of inserts before the table's history begins, changes that followed may be gone; all are there of a held row."""
    held: set[tuple[int, str]] | None = None
    for relation, positions in bare.items():
        since = inventory.relations[relation].since
        if inventory.begun_anew(inventory.relations[relation]) is not None:
            # By a key of then another row may be found, and other columns.
            bare[relation] = []
            continue
        older = {each for each in positions if since is None or moment(rows[each].committed) < since}
        if older and held is None:
            readable = "hold" in (inventory.state.get("readable") or ())
            rows_held = execute(connection, dialect.holds.all()) if readable else []
            held = {(row.relation, row.key) for row in rows_held}
        bare[relation] = [each for each in positions if each not in older or (relation, rows[each].key) in (held or ())]


def _inserted_values(
    connection: Connection,
    dialect: Dialect,
    protection: Protection,
    rows: Sequence[Any],
    names: Mapping[str, str] | None,
) -> list[dict[str, Any] | None]:
    """The values that each row was inserted with: of each column what the first change since found, else what it is."""
    given = {"changes": json.dumps([[row.id, row.key] for row in rows])}
    images: list[dict[str, Any]] = [{} for _ in rows]
    moved_on = set()
    # The rows first: what changes one after that is among the changes, whatever snapshot each statement has.
    present = execute(connection, Query(dialect.log.row_images(protection), given))
    later = execute(connection, Query(dialect.log.later_images(protection), given))
    for position, before in later:
        images[position] = {**(document(before, names) or {}), **images[position]}
        moved_on.add(position)
    for position, row in present:
        images[position] = {**(document(row, names) or {}), **images[position]}
    # These moved on with each change, and the journal leaves them out.
    version, timestamps = protection.get(Version), protection.get(Timestamps)
    for position in moved_on:
        images[position].pop(version.column if version else "", None)
        images[position].pop(timestamps.updated if timestamps else "", None)
    return [image or None for image in images]


def show(connection: Connection, dialect: Dialect, inventory: Inventory, name: str) -> tuple[Transaction, list[Change]]:
    """One transaction and all of its changes; HF410 where there is none of that name."""
    transaction = find(connection, dialect, name)
    changes = log(connection, dialect, inventory, LogFilter(transaction=name, at=transaction.at, limit=None))
    return transaction, changes


def find(connection: Connection, dialect: Dialect, name: str) -> Transaction:
    number = name.removeprefix("x")
    rows = execute(connection, dialect.log.transaction(name)) if re.fullmatch("[0-9]{1,18}", number) else []
    if not rows:
        raise UnknownTransactionError(
            "HF410", f"There is no transaction {name!r} in the journal.", "See the recent ones with: holdfast log."
        )
    row = rows[0]
    return Transaction(
        id=str(row.id),
        at=moment(row.at),
        actor=row.actor,
        tenant=row.tenant,
        reason=row.reason,
        context=document(row.context) or {},
        session_user=row.session_user_name,
        application=row.application_name,
        client=row.client_address,
    )


class UnknownTransactionError(UnsupportedError):
    """No such transaction."""


def dumps(value: Any, *, indent: int | None = 2) -> str:
    """JSON in which a number is a number only if nothing of it is lost; else it is its text."""
    return readable(json.dumps(value, default=_plain, ensure_ascii=False, indent=indent), in_json=True)


def readable(text: str, *, in_json: bool = False) -> str:
    """The text, with each byte of it that is no UTF-8 as ``\\xff``; ``in_json`` where the text is JSON itself."""
    escape = r"\\x" if in_json else r"\x"
    return text if text.isascii() else _BYTE.sub(lambda byte: f"{escape}{ord(byte[0]) - 0xDC00:02x}", text)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        approximate = float(value)
        return approximate if Decimal(repr(approximate)) == value else str(value)
    return str(value)


def change_of(row: Any, names: Mapping[str, str] | None = None) -> Change:
    """A row as ``Dialect.log`` gives it, as a change; ``names`` are those of its relation in ``names_of``."""
    table = TableName(row.schema_name, row.table_name)
    return Change(
        id=row.id,
        transaction=str(row.transaction),
        at=moment(row.at),
        actor=row.actor,
        tenant=row.tenant,
        reason=row.reason,
        table=shown(table),
        key=loads(row.key),
        operation=OPERATIONS[row.operation],
        before=document(row.before, names),
        after=document(row.after, names),
    )


def shown(table: TableName) -> str:
    """The table as people call it: without the schema that everything is in."""
    return table.name if table.schema in ("public", "main") else f"{table.schema}.{table.name}"


def moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def loads(text: str) -> Any:
    """What the journal wrote as JSON, with no digit of a number lost."""
    return json.loads(text, parse_float=Decimal)


def document(text: str | None, names: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """A change's values of one side, in the order of the numbers where they are to be named; None where it has none."""
    if text is None:
        return None
    values: dict[str, Any] = loads(text)
    if names is None:
        return values
    return {names.get(number, f"?{number}"): values[number] for number in sorted(values, key=int)}
