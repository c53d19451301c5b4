"""What hurts, by the difference of two moments: no statement is read here, only what the server did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.lint.locks import Lock
from holdfast.lint.tracing.effects import Effect
from holdfast.lint.tracing.observing import Counters, Moment, SeenIndex

_REWRITES = ("generated", "serial", "domain", "default")
_BUILT = {"": "index", "p": "index unique", "u": "index unique", "x": "index exclusion"}


@dataclass(frozen=True, slots=True)
class Deed:
    """One statement: what was there before and after, and what was there already when its transaction began."""

    start: Moment
    before: Moment
    after: Moment
    existing: frozenset[int]
    """The tables that somebody may be using."""
    counted: Counters
    checked_keys: bool = False
    """Whether the server checked the rows of a foreign key."""
    alone: bool = False
    """It refuses to run in a transaction: what it locks is not seen."""

    # ------------------------------------------------------------------ what is asked of it

    def effects(self) -> Iterator[Effect]:
        """All of them, but no scan that is a part of something larger."""
        larger = [*self._columns(), *self._tables(), *self._indexes(), *self._constraints(), *self._partitions()]
        yield from larger
        done = {each.table for each in larger}
        others = list(self._work(done))
        yield from others
        if not larger and not others:
            yield from self._locks()
        yield from self._second()

    def name(self, table: int) -> str:
        known = self.before.tables.get(table) or self.after.tables.get(table)
        return str(known.name) if known else str(table)

    def held(self, least: Lock) -> list[int]:
        """Where the transaction had such a lock before this statement: on no table that it made itself."""
        others = self.existing & self.start.tables.keys()
        return [each for each, lock in self.before.locks.items() if each in others and lock >= least]

    def strong(self, table: int) -> Lock | None:
        """The lock that now keeps others from the table."""
        lock = self.after.locks.get(table)
        if table not in self.existing or lock is None or not lock.strong:
            return None
        # Nobody but REFRESH writes a materialized view.
        reads_only = self.before.tables[table].kind == "m" if table in self.before.tables else False
        return None if reads_only and lock < Lock.ACCESS_EXCLUSIVE else lock

    def rewritten(self, table: int) -> bool:
        old, new = self.before.tables.get(table), self.after.tables.get(table)
        return old is not None and new is not None and old.file != new.file

    def new_columns(self, table: int) -> dict[int, str]:
        """Their numbers, and what fills them."""
        return {
            number: column.filled_by
            for (owner, number), column in self.after.columns.items()
            if owner == table and (owner, number) not in self.before.columns
        }

    # ------------------------------------------------------------------ rewritten, emptied, dropped

    def _tables(self) -> Iterator[Effect]:
        for table in self.existing & self.before.tables.keys():
            old, new = self.before.tables[table], self.after.tables.get(table)
            if new is None:
                yield Effect("dropped", self.name(table))
            elif not self.rewritten(table):
                continue
            elif new.empty and not old.empty and not self.alone:
                yield Effect("emptied", self.name(table))
            else:
                yield Effect(self._rewrite(table), self.name(table))

    def _rewrite(self, table: int) -> str:
        if self.before.tables[table].kind == "m":
            return "rewrite view"
        if new := self.new_columns(table):
            return next((f"rewrite {each}" for each in _REWRITES if each in new.values()), "rewrite default")
        changed = [
            key
            for key, column in self.after.columns.items()
            if key[0] == table and key in self.before.columns and self.before.columns[key].type != column.type
        ]
        return "rewrite type" if changed else "rewrite table"

    def _columns(self) -> Iterator[Effect]:
        for (table, number), column in self.after.columns.items():
            new = table in self.existing and table in self.before.tables and (table, number) not in self.before.columns
            if new and column.not_null and not column.filled_by:
                yield Effect("no value", self.name(table), thing=column.name)

    # ------------------------------------------------------------------ indexes

    def _indexes(self) -> Iterator[Effect]:
        files = {each.file for each in self.before.indexes.values()}
        for number, index in self.after.indexes.items():
            if index.table not in self.existing or self.rewritten(index.table):
                continue
            if index.file in files:
                # The same index under another number, as a change of type may leave it.
                continue
            old = self.before.indexes.get(number)
            if old is not None and old.file != index.file:
                yield Effect("index rebuilt", self.name(index.table), self._lock(index), index.name)
            elif old is None and not self.alone:
                kind = _BUILT[index.constraint]
                if kind == "index unique" and self.new_columns(index.table).keys() & set(index.columns):
                    kind = "index column"
                yield Effect(kind, self.name(index.table), self._lock(index), index.name)
        if not self.alone:
            yield from self._dropped_indexes()

    def _dropped_indexes(self) -> Iterator[Effect]:
        files = {each.file for each in self.after.indexes.values()}
        for number in self.before.indexes.keys() - self.after.indexes.keys():
            index = self.before.indexes[number]
            if index.file in files:
                continue
            kept = all((index.table, column) in self.after.columns for column in index.columns if column)
            alone = not index.constraint and kept and not self.rewritten(index.table)
            if alone and index.table in self.existing & self.after.tables.keys():
                yield Effect("index dropped", self.name(index.table), self._lock(index), index.name)

    def _lock(self, index: SeenIndex) -> Lock:
        return self.strong(index.table) or Lock.SHARE

    # ------------------------------------------------------------------ scans for constraints

    def _constraints(self) -> Iterator[Effect]:
        for number, constraint in self.after.constraints.items():
            old = self.before.constraints.get(number)
            lock = self.strong(constraint.table)
            if old is not None and constraint.valid and not old.valid and lock:
                yield Effect("scan validated", self.name(constraint.table), lock, constraint.name)
            elif old is None and constraint.valid and constraint.kind == "f" and lock and self.checked_keys:
                new = self.new_columns(constraint.table).keys() & set(constraint.columns)
                yield Effect(
                    "scan column key" if new else "scan key", self.name(constraint.table), lock, constraint.name
                )
            elif old is None and constraint.valid and constraint.kind == "c":
                yield from self._check(constraint.table, constraint.name, constraint.columns)
        for table in self._scanned():
            if lock := self.strong(table):
                if self._newly_not_null(table):
                    yield Effect("scan not null", self.name(table), lock)
                if (table, True) in self._attached():
                    yield Effect("scan partition", self.name(table), lock)

    def _check(self, table: int, name: str, columns: tuple[int, ...]) -> Iterator[Effect]:
        for each in self._scanned():
            lock = self.strong(each)
            if lock and table in (0, each):
                new = table and self.new_columns(table).keys() & set(columns)
                kind = "scan domain" if not table else "scan column check" if new else "scan check"
                yield Effect(kind, self.name(each), lock, name)

    def _scanned(self) -> list[int]:
        return sorted(self.existing & self.counted.scans.keys())

    def _newly_not_null(self, table: int) -> bool:
        """For a primary key it is a part of building that."""
        keys = {
            column
            for number, index in self.after.indexes.items()
            if index.table == table and index.constraint == "p" and number not in self.before.indexes
            for column in index.columns
        }
        return any(
            column.not_null and number not in keys and not self.before.columns[owner, number].not_null
            for (owner, number), column in self.after.columns.items()
            if owner == table and (owner, number) in self.before.columns
        )

    def _attached(self) -> set[tuple[int, bool]]:
        """New partitions, and whether they had been tables before."""
        new = self.after.partitions - self.before.partitions
        return {(partition, partition in self.before.tables) for partition, _ in new}

    # ------------------------------------------------------------------ partitions

    def _partitions(self) -> Iterator[Effect]:
        for partition, parent in self.after.partitions - self.before.partitions:
            lock = self.strong(parent)
            if lock is Lock.ACCESS_EXCLUSIVE and partition not in self.before.tables:
                yield Effect("partition made", self.name(parent), lock, self.name(partition))
        for partition, parent in self.before.partitions - self.after.partitions:
            lock = self.strong(parent)
            if lock is Lock.ACCESS_EXCLUSIVE and partition in self.after.tables:
                yield Effect("partition detached", self.name(parent), lock, self.name(partition))

    # ------------------------------------------------------------------ other work, and locks

    def _work(self, done: set[str]) -> Iterator[Effect]:
        """What only takes long, while somebody waits for a lock that an earlier statement took, or this one."""
        closed = self.held(Lock.ACCESS_EXCLUSIVE)
        # The table that a new foreign key refers to is read for it.
        targets = {each.target for number, each in self.after.constraints.items() if each.target}
        for table in self._scanned():
            if self.name(table) in done or (self.checked_keys and table in targets):
                continue
            if table in self.counted.changes and (held := self.held(Lock.SHARE)):
                yield Effect("rows", self.name(table), self.before.locks[held[0]], other=self.name(held[0]))
            elif closed:
                yield Effect("scan", self.name(table), other=self.name(closed[0]))
            elif (lock := self.strong(table)) and table not in self.before.locks:
                yield Effect("scan", self.name(table), lock, other=self.name(table))

    def _locks(self) -> Iterator[Effect]:
        if self.counted.changes or self.counted.scans:
            return
        for table, lock in self.after.locks.items():
            if self.strong(table) and lock > self.before.locks.get(table, 0):
                yield Effect("lock", self.name(table), lock)

    def _second(self) -> Iterator[Effect]:
        first = self.held(Lock.ACCESS_EXCLUSIVE)
        for table, lock in self.after.locks.items():
            related = any({table, *first} <= {a, b} for a, b in self.before.partitions | self.after.partitions)
            new = table in self.existing and lock is Lock.ACCESS_EXCLUSIVE and table not in first
            if new and len(first) == 1 and not related:
                yield Effect("second lock", self.name(table), lock, other=self.name(first[0]))
                break
        keys = [(number, each) for number, each in self.after.constraints.items() if each.kind == "f"]
        made = [each for number, each in keys if number not in self.before.constraints and each.table in self.existing]
        earlier = [each for number, each in keys if number in self.before.constraints.keys() - self.start.constraints]
        targets = {each.target for each in earlier if each.table in self.existing}
        if made and targets - {made[0].target}:
            yield Effect("second key", self.name(made[0].table), thing=made[0].name)
