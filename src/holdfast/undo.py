"""Undo: a new transaction that applies the inverse of an old one, after comparing; all of it or nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from holdfast.database import Database, execute
from holdfast.declaration import protections_of
from holdfast.dialects.base import Dialect
from holdfast.dialects.query import Query
from holdfast.dialects.undo import UndoStatements
from holdfast.errors import HoldfastError, RefusedError, UndoConflictError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.journal import Conflict
from holdfast.objects import Protection
from holdfast.policies import Audit, SoftDelete
from holdfast.stored import StoredRelation
from holdfast.tables import TableInfo, TableName
from holdfast.timeline import find, loads, shown

if TYPE_CHECKING:
    from holdfast.database import AnyRow

MAX_CONFLICTS = 1_000


@dataclass(frozen=True, slots=True)
class RowUndo:
    """What an undo does, or would do, to one row. ``restored`` are the values that it gives back."""

    table: str
    key: Any
    action: str
    restored: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Undone:
    """The outcome: the new transaction's id (None for a dry run), and how many rows of which table."""

    transaction: str | None
    counts: tuple[tuple[str, str, int], ...]
    """(table, what became of its rows: ``insert``, ``update`` or ``delete``, how many)"""
    conflicts: tuple[Conflict, ...] = ()
    preview: tuple[RowUndo, ...] = ()

    @property
    def rows(self) -> int:
        return sum(count for _, _, count in self.counts)


def undo(
    database: Database,
    transaction: str,
    *,
    tables: Sequence[str] = (),
    dry_run: bool = False,
    force: bool = False,
    actor: str | None = None,
    preview: int = 0,
) -> Undone:
    """Takes the transaction back, or only what it did to ``tables``.

    A dry run does everything and rolls it back, so that what it reports is exactly what would happen; it
    returns conflicts instead of raising them. Otherwise ``UndoConflictError`` (HF501) is raised, with a
    conflict for each row that somebody changed since or that cannot come back, and nothing was written.
    ``force`` overwrites later changes; it never breaks a key.
    """
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect, objects=False)
        inventory.check_journal()
        found = find(connection, dialect, transaction)
        chosen = _protections(connection, dialect, inventory, transaction, tables)
    references = protections_of(inventory)

    def rendered(counted: Sequence[AnyRow] | None = None) -> UndoStatements:
        return dialect.undo.statements(transaction, chosen, references, force, counted)

    statements = rendered()
    with database.connect() as connection:
        for statement in statements.outside:
            _autocommit(connection, statement)
        try:
            bound = {"actor": actor, "reason": f"undo of transaction {found.id}", "undoes": found.id}
            return _run(connection, dialect, rendered, chosen, bound, dry_run=dry_run, preview=preview)
        finally:
            for statement in statements.outside_after:
                _autocommit(connection, statement)


def _autocommit(connection: Connection, statement: str) -> None:
    """Some settings can only be changed between transactions; they are of this connection alone."""
    driver: Any = connection.connection.driver_connection
    driver.execute(statement)


def _run(
    connection: Connection,
    dialect: Dialect,
    rendered: Callable[[Sequence[AnyRow] | None], UndoStatements],
    chosen: Sequence[Protection],
    bound: dict[str, Any],
    *,
    dry_run: bool,
    preview: int,
) -> Undone:
    names = {protection.relation.id: protection.table.name for protection in chosen}
    statements = rendered(None)
    with connection.begin() as transaction:
        for query in (*dialect.bind_context(bound), *statements.prepare):
            execute(connection, query)
        counted = execute(connection, statements.counts)
        statements = rendered(counted)
        sums = Counter[tuple[int, str]]()
        for row in counted:
            sums[row[0], row[1]] += row[2]
        counts = tuple((shown(names[relation]), action, number) for (relation, action), number in sums.items())
        rows = _preview(connection, statements, names, preview) if preview else ()
        conflicts = _attempt(connection, dialect, statements, names)
        if dry_run or conflicts:
            transaction.rollback()
            if conflicts and not dry_run:
                raise _conflict_error(conflicts)
            return Undone(None, counts, conflicts, rows)
        for statement in statements.cleanup:
            execute(connection, statement)
        written = execute(connection, dialect.log.current_transaction())
        for query in dialect.unbind_context():
            execute(connection, query)
    return Undone(str(written[0][0]) if written else None, counts, (), rows)


def _protections(
    connection: Connection, dialect: Dialect, inventory: Inventory, transaction: str, tables: Sequence[str]
) -> list[Protection]:
    """The tables that the transaction changed, as they are now."""
    wanted = {inventory.resolve(name).name for name in tables}
    touched = execute(connection, dialect.log.tables(transaction))
    protections = protections_of(inventory)
    chosen = []
    for row in touched:
        stored = inventory.relations[row.relation]
        later = inventory.begun_anew(stored)
        table = later or inventory.matches.get(stored.id)
        if wanted and (table is None or table.name not in wanted):
            continue
        if table is None:
            raise UnsupportedError(
                "HF411",
                f"{shown(stored.table)} is gone, so what was done to it cannot be taken back.",
                "Create the table again and protect it, or undo the other tables with --table.",
            )
        if later is not None:
            raise UnsupportedError(
                "HF411",
                _ended(stored, later),
                f"See it with: holdfast show {transaction}; set the values by hand, or undo the other tables with "
                "--table.",
            )
        present = protections.get(table.name)
        if present is None or present.relation.id != stored.id or present.get(Audit) is None:
            present = Protection(table, stored.for_table(table), stored.policies, stored.added)
        chosen.append(present)
    unknown = wanted - {protection.table.name for protection in chosen}
    if unknown:
        raise UnsupportedError(
            "HF411",
            f"Transaction {transaction} did not change {shown(sorted(unknown)[0])}.",
            f"See what it changed with: holdfast show {transaction}.",
        )
    return chosen


def _ended(stored: StoredRelation, table: TableInfo) -> str:
    ending = stored.ending(table)
    if ending is not None:
        return ending.undoable_no_more(shown(table.name))
    # What ended it is as it was again.
    return f"{shown(table.name)} has begun a new history since: which rows and columns it was done to is not known."


def _preview(
    connection: Connection, statements: UndoStatements, names: dict[int, TableName], limit: int
) -> tuple[RowUndo, ...]:
    query = Query(f"{statements.preview.sql}\nlimit {limit}", statements.preview.parameters)
    return tuple(
        RowUndo(
            shown(names[row[0]]),
            loads(row[1]),
            row[2],
            loads(row[3]) if row[3] else None,
        )
        for row in execute(connection, query)
    )


def _conflicts(connection: Connection, queries: Sequence[Query], names: dict[int, TableName]) -> tuple[Conflict, ...]:
    found: dict[tuple[str, str, str], Conflict] = {}
    for query in queries:
        limited = Query(f"select * from (\n{query.sql}\n) as conflict\nlimit {MAX_CONFLICTS}", query.parameters)
        for relation, key, why, fields in execute(connection, limited):
            table = shown(names[relation])
            conflict = Conflict(table, loads(key), why, _fields(fields))
            # The same row may be found twice, with its fields and without: keep the one that says more.
            if not found.get((table, key, why)) or conflict.fields:
                found[table, key, why] = conflict
    return tuple(found.values())


def _fields(text: str | None) -> dict[str, tuple[Any, Any, Any]]:
    if not text:
        return {}
    document = loads(text)
    parts = document if isinstance(document, list) else [document]
    return {name: (base, theirs, ours) for part in parts if part for name, (base, theirs, ours) in part.items()}


def _attempt(
    connection: Connection, dialect: Dialect, statements: UndoStatements, names: dict[int, TableName]
) -> tuple[Conflict, ...]:
    """Compares, writes and proves what was written; gives what stands in the way, named row by row."""
    try:
        if found := _conflicts(connection, statements.conflicts, names):
            others = _conflicts(connection, statements.refusals, names)
            return found + tuple(each for each in others if each not in found)
        writing = connection.begin_nested()
        try:
            for statement in statements.apply:
                execute(connection, statement)
            execute(connection, dialect.undo.check_constraints_now())
        except IntegrityError as error:
            writing.rollback()
            return _conflicts(connection, statements.refusals, names) or (_refused(error),)
        return _conflicts(connection, statements.verify, names)
    except DataError as error:
        return (_refused(error, "what was recorded does not fit the table as it is now: "),)
    except DBAPIError as error:
        ours = dialect.error(error.orig) if error.orig is not None else None
        if isinstance(ours, RefusedError):
            return (Conflict("", None, f"{ours.message} {ours.hint}".strip()),)
        raise


def _refused(error: DBAPIError, reason: str = "") -> Conflict:
    # The detail of the message is left out: it shows whole rows, also what the journal is not to keep.
    original = error.orig
    said = getattr(original, "diag", None)
    table = getattr(said, "table_name", None) or ""
    return Conflict(table, None, reason + (getattr(said, "message_primary", None) or str(original).strip()))


def _conflict_error(conflicts: Sequence[Conflict]) -> HoldfastError:
    first = conflicts[0]
    where = f"{first.table} {json.dumps(first.key, default=str)}: " if first.key is not None else ""
    more = f" (and {len(conflicts) - 1} more)" if len(conflicts) > 1 else ""
    return UndoConflictError(
        "HF501",
        f"Nothing was undone: {where}{first.why}{more}.",
        f"Look at them with --dry-run; {way_out(conflicts)}",
        conflicts,
    )


def way_out(conflicts: Sequence[Conflict]) -> str:
    """What can be done about them, as a sentence."""
    if any(each.key is not None for each in conflicts):
        return "--force overwrites what others changed since."
    # The server refused the statement: no row of now stands in its way.
    return "--force does not help, for it breaks no key, check or type: change what refuses it, and undo it again."


def restore(database: Database, table: str, key: Any, *, actor: str | None = None, reason: str | None = None) -> int:
    """Brings a soft-deleted row back, with exactly the children that its delete took; gives 1, or 0 if it lives."""
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect, objects=False)
    info = inventory.resolve(table)
    protection = protections_of(inventory).get(info.name)
    if protection is None or protection.get(SoftDelete) is None:
        raise UnsupportedError(
            "HF412", f"{shown(info.name)} is not soft-deleted.", "Undo the transaction instead: holdfast undo."
        )
    with database.begin() as connection:
        for query in dialect.bind_context({"actor": actor, "reason": reason or "restore"}):
            execute(connection, query)
        query = Query(dialect.undo.restore(protection), {"key": json.dumps(key, default=str)})
        rows = execute(connection, query)
        for each in dialect.unbind_context():
            execute(connection, each)
        return len(rows)
