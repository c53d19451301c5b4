"""Inserting rows, and updating those that are there already, in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, null, select, true, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from holdfast.dialects import dialect_for
from holdfast.errors import RowsError, UniqueError
from holdfast.sqlalchemy.bulk.batch import Duplicates, in_order
from holdfast.sqlalchemy.bulk.conflicts import ConflictTarget, conflict_target, has_rivals
from holdfast.sqlalchemy.bulk.defaults import completed, in_sql, left_out, on_update
from holdfast.sqlalchemy.bulk.refreshing import Held
from holdfast.sqlalchemy.bulk.rows import Chunk, Row, Values
from holdfast.sqlalchemy.bulk.sources import rows_at_once, source
from holdfast.sqlalchemy.bulk.targets import Target, target_of
from holdfast.sqlalchemy.bulk.updating import refuse_stale
from holdfast.sqlalchemy.bulk.writing import Allow, Count, Progress, listed, naming, writing

Expression = Callable[[Any, Any], Any]
"""What to set, from the row that is there and the row that is given: ``lambda row, given: row.hits + given.hits``."""
Update = Iterable[str] | Mapping[str, Expression] | None

__all__ = ["Duplicates", "Update", "upsert"]

_BATCH = 500
_ATTEMPTS = 3
_INSERT: Mapping[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def upsert(
    session: Session,
    model: type[Any],
    rows: Iterable[Row],
    *,
    on: Iterable[str] | str,
    update: Update,
    duplicates: Duplicates = "refuse",
    allow: Allow | None = None,
    chunk: int = 5_000,
    progress: Progress | None = None,
) -> int:
    """Inserts the rows, and updates those that are there already: all or none, one statement a chunk.

    ``on`` are the attributes of a unique key of the model, or its name; with ``unique_live`` a deleted row is in
    nobody's way. ``update`` are the attributes that a row that is there takes from the row given, or a mapping of them
    to expressions; None leaves such a row as it is. Keys, times and version are never taken over. Where the rows have
    the version that they were read at (None: not there yet), a row that is at another one raises StaleVersionError
    (HF202), with the keys. Rows that say the same key twice are refused (HF653), or the first or last of them is
    taken. Gives how many rows were written. Instances that the session holds get the new values.

    The rows are held in memory, and written in the order of the key: two upserts never wait for each other.

    Raises HF650 and HF651 as ``bulk_insert``, HF652 for None in the key, HF654 where no unique key fits ``on``, HF655
    where a deleted row has the key, and what the database refuses.
    """
    target = target_of(model)
    with writing(session, target, allow) as connection:
        held, done = Held(session, target), 0
        conflict = conflict_target(target, on, connection.dialect.name)
        matched = tuple(target.attribute(column) for column in conflict.columns)
        upserting = _Upsert(connection, target, conflict, matched, _assignments(target, update), held)
        count = Count(connection, target, "UPSERT")
        size = rows_at_once(len(target.table.columns) + len(matched) + 1, chunk)
        for each in in_order(rows, target, matched, duplicates, size):
            with naming(each, connection):
                number, written = upserting.write(each)
            upserting.judge(each, written)
            if update is not None:
                count.add(number)
            held.changed(key for key, _ in written)
            done += number
            if progress is not None:
                progress(done)
        held.refresh(connection)
    return done


def _assignments(target: Target, update: Update) -> dict[str, Expression | None] | None:
    """The attributes to set, each with its expression; None in its place takes the value of the row given."""
    if update is None:
        return None
    chosen = dict(update) if isinstance(update, Mapping) else dict.fromkeys(update)
    if not chosen or isinstance(update, str):
        raise ValueError("update names the attributes to take over; None leaves a row that is there as it is.")
    target.check(chosen)
    for name in chosen:
        if name in (*target.key, *target.kept, target.version):
            raise RowsError(
                "HF650",
                f"{target.name}.{name} is not taken over from a row that is given.",
                "A key stays what it is, and times and version are the database's: leave it out of update.",
            )
    return chosen


class _Upsert:
    """One upsert on one connection."""

    def __init__(
        self,
        connection: Connection,
        target: Target,
        conflict: ConflictTarget,
        matched: tuple[str, ...],
        assignments: Mapping[str, Expression | None] | None,
        held: Held,
    ) -> None:
        self.connection, self.target, self.conflict, self.matched = connection, target, conflict, matched
        self.assignments, self.held = assignments, held
        # A deleted row is in the way of a key that is not over the living alone.
        self.dead = target.mark if conflict.where is None else None
        self.rivals = has_rivals(target, conflict)

    def write(self, chunk: Chunk) -> tuple[int, list[tuple[Values, Values]]]:
        """How many rows were written; and, where that is asked for, the key of each and what it was matched by.

        A statement can wait for one unique key alone. A row that another writer makes at the same moment may be met
        under another one first; once it is committed, the statement finds it under its own.
        """
        attempts = _ATTEMPTS if self.rivals else 1
        for _ in range(1, attempts):
            try:
                with self.connection.begin_nested():
                    return self._write(chunk)
            except IntegrityError as error:
                ours = dialect_for(self.connection.dialect.name).error(error.orig or error)
                if not isinstance(ours, UniqueError):
                    raise
        return self._write(chunk)

    def _write(self, chunk: Chunk) -> tuple[int, list[tuple[Values, Values]]]:
        statement, parameters = self._statement(chunk)
        if not self._says_which(chunk):
            counted = {"preserve_rowcount": True}
            return self.connection.execute(statement, parameters, execution_options=counted).rowcount, []
        width = len(self.target.key)
        returning = statement.returning(*self.target.table.primary_key, *self.conflict.columns)
        written = [(tuple(row[:width]), tuple(row[width:])) for row in self.connection.execute(returning, parameters)]
        if len({key for key, _ in written}) < len(written):
            raise RowsError(
                "HF653",
                f"Among {chunk} two are the same to the database, though not to Python.",
                "Give each key once.",
            )
        return len(written), written

    def _says_which(self, chunk: Chunk) -> bool:
        """To send each key back is a good part of the work, and of use to few."""
        once = dialect_for(self.connection.dialect.name).refuses_second_update
        return bool(self.held) or self.dead is not None or self.target.version in chunk.names or not once

    # ------------------------------------------------------------------ the statement

    def _statement(self, chunk: Chunk) -> tuple[Any, dict[str, Any]]:
        target, table = self.target, self.target.table
        columns, values = completed(self.connection, target, chunk)
        rows, found, parameters = source(self.connection, columns, values, "given")
        given = dict(zip(columns, found, strict=True))
        expected = given.pop(target.columns[target.version], None) if target.version else None
        for column in left_out(target, chunk.names):
            if in_sql(column):
                default: Any = column.default
                given[column] = default.arg if default.is_clause_element else default.next_value()
        # SQLite takes ON CONFLICT for the condition of a join where there is no WHERE.
        query = select(*given.values()).select_from(rows).where(true())
        if expected is not None and self.assignments is not None:
            query = query.where(expected.is_(None) | self._is_there(dict(zip(columns, found, strict=True))))
        statement = _INSERT[self.connection.dialect.name](table).from_select(list(given), query, include_defaults=False)
        key: dict[str, Any] = {"index_elements": self.conflict.elements, "index_where": self.conflict.where}
        if self.assignments is None:
            statement = statement.on_conflict_do_nothing(**key)
        else:
            conditions, more = self._conditions(chunk)
            statement = statement.on_conflict_do_update(**key, set_=self._set(statement, chunk), where=conditions)
            parameters.update(more)
        return statement, parameters

    def _is_there(self, given: Mapping[Any, Any]) -> ColumnElement[bool]:
        """A row that was read is there to be updated; gone meanwhile, it is not to be made anew."""
        table = self.target.table.alias("present")
        found = exists().select_from(table).where(*(table.c[c.name] == given[c] for c in self.conflict.columns))
        return found if self.target.mark is None else found.where(table.c[self.target.mark.name].is_(None))

    def _set(self, statement: Any, chunk: Chunk) -> dict[Any, Any]:
        target = self.target
        assert self.assignments is not None
        lacking = [name for name, made in self.assignments.items() if made is None and name not in chunk.names]
        if lacking:
            raise RowsError(
                "HF651", f"The rows have no {', '.join(lacking)}, which update takes over.", "Give it in every row."
            )
        row = SimpleNamespace(**target.columns)
        given = SimpleNamespace(**{name: statement.excluded[column.key] for name, column in target.columns.items()})
        assigned = {
            target.columns[name]: getattr(given, name) if made is None else made(row, given)
            for name, made in self.assignments.items()
        }
        return {**on_update(self.connection, target, self.assignments), **assigned}

    def _conditions(self, chunk: Chunk) -> tuple[Any, dict[str, Any]]:
        """What a row that is there must fulfil to be updated, and the parameters of that."""
        target, parameters = self.target, dict[str, Any]()
        conditions: list[Any] = [] if self.dead is None else [self.dead.is_(None)]
        if target.version is not None and target.version in chunk.names:
            # Not by "excluded": a trigger may have set the version of the row given to 1 by then.
            names = (*self.matched, target.version)
            places = [chunk.names.index(name) for name in names]
            values = [[row[place] for row in chunk.values] for place in places]
            _, found, parameters = source(self.connection, target.of(names), values, "expected")
            conditions.append(tuple_(*target.of(names)).in_(select(*found)))
        return (and_(*conditions) if conditions else None), parameters

    # ------------------------------------------------------------------ rows that were not written

    def judge(self, chunk: Chunk, written: list[tuple[Values, Values]]) -> None:
        """HF655 where a deleted row has the key, HF202 where one is at another version than the one given."""
        if len(written) == len(chunk.values) or not self._says_which(chunk):
            return
        target, there = self.target, {key for _, key in written}
        by_version = self.assignments is not None and target.version in chunk.names
        if self.dead is None and not by_version:
            return
        places = [chunk.names.index(name) for name in self.matched]
        lost = {key: row for row in chunk.values if (key := tuple(row[place] for place in places)) not in there}
        present = self._present(list(lost))
        dead = [key for key, (_, mark) in present.items() if mark is not None]
        if dead:
            raise RowsError(
                "HF655",
                f"A deleted row of {target.table.name} has the key: {listed(dead)}.",
                "Restore it; or make the key one of the rows that live, with unique_live.",
            )
        if by_version and target.version is not None:
            at = chunk.names.index(target.version)
            refuse_stale(target, {key: (row[at], present.get(key, (None, None))[0]) for key, row in lost.items()})

    def _present(self, keys: list[Values]) -> dict[Values, tuple[Any, Any]]:
        """Version and mark of the rows that are in the way of these."""
        width, found = len(self.conflict.columns), dict[Values, tuple[Any, Any]]()
        version = self.target.columns[self.target.version] if self.target.version else null()
        mark = null() if self.dead is None else self.dead
        for start in range(0, len(keys), _BATCH):
            query = select(*self.conflict.columns, version, mark).where(
                tuple_(*self.conflict.columns).in_(keys[start : start + _BATCH])
            )
            if self.conflict.where is not None:
                query = query.where(self.conflict.where)
            for row in self.connection.execute(query):
                found[tuple(row[:width])] = (row[width], row[width + 1])
        return found
