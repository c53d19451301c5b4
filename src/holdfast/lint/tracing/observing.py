"""What is there at one moment, read from the server's own catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from holdfast.dialects.tracing import Tracing
from holdfast.lint.locks import Lock
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class SeenTable:
    name: TableName
    kind: str
    file: int
    """Another number: the rows were written anew."""
    empty: bool


@dataclass(frozen=True, slots=True)
class SeenColumn:
    name: str
    type: str
    not_null: bool
    filled_by: str


@dataclass(frozen=True, slots=True)
class SeenIndex:
    table: int
    file: int
    name: str
    constraint: str
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SeenConstraint:
    name: str
    kind: str
    table: int
    """0: it is a domain's."""
    target: int
    valid: bool
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """Tables by their number in the catalog, and so everything else."""

    tables: Mapping[int, SeenTable] = field(default_factory=dict)
    columns: Mapping[tuple[int, int], SeenColumn] = field(default_factory=dict)
    indexes: Mapping[int, SeenIndex] = field(default_factory=dict)
    constraints: Mapping[int, SeenConstraint] = field(default_factory=dict)
    partitions: frozenset[tuple[int, int]] = frozenset()
    """Of each the partition and its parent."""
    locks: Mapping[int, Lock] = field(default_factory=dict)
    """The strongest that the transaction holds on each table."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Since some moment before the transaction: only differences mean something."""

    scans: Mapping[int, int]
    changes: Mapping[int, int]

    def since(self, before: Counters) -> Counters:
        return Counters(_grown(before.scans, self.scans), _grown(before.changes, self.changes))


def observe(connection: Connection, tracing: Tracing) -> Moment:
    """What is there, and which locks the session has."""

    def rows(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]

    # First: looking takes locks as well, if weak ones.
    locks: dict[int, Lock] = {}
    for table, mode in rows(tracing.locks()):
        locks[table] = max(_LOCKS[mode], locks.get(table, _LOCKS[mode]))
    return Moment(
        tables={
            number: SeenTable(TableName(schema, name), kind, file, empty)
            for number, schema, name, kind, file, empty in rows(tracing.tables())
        },
        columns={(table, number): SeenColumn(*rest) for table, number, *rest in rows(tracing.columns())},
        indexes={
            number: SeenIndex(table, file, name, constraint, _numbers(columns))
            for number, table, file, name, constraint, columns in rows(tracing.indexes())
        },
        constraints={
            number: SeenConstraint(name, kind, table, target, valid, _numbers(columns or ""))
            for number, name, kind, table, target, valid, columns in rows(tracing.constraints())
        },
        partitions=frozenset((partition, parent) for partition, parent in rows(tracing.partitions())),
        locks=locks,
    )


def count(connection: Connection, tracing: Tracing) -> Counters:
    """How often tables were read from end to end, and rows were changed."""
    rows = [tuple(row) for row in connection.exec_driver_sql(tracing.counters())]
    return Counters({table: scans for table, scans, _ in rows}, {table: int(changes) for table, _, changes in rows})


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split())


def _grown(before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    grown = {table: number - before.get(table, 0) for table, number in after.items()}
    return {table: number for table, number in grown.items() if number > 0}


_LOCKS = {
    "ShareUpdateExclusiveLock": Lock.SHARE_UPDATE_EXCLUSIVE,
    "ShareLock": Lock.SHARE,
    "ShareRowExclusiveLock": Lock.SHARE_ROW_EXCLUSIVE,
    "ExclusiveLock": Lock.EXCLUSIVE,
    "AccessExclusiveLock": Lock.ACCESS_EXCLUSIVE,
}
