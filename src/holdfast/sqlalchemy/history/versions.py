"""The versions of a row, from all the tables that hold a part of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar, overload

from sqlalchemy import Connection, Table, bindparam, column, text
from sqlalchemy.orm import Mapper, Session

from holdfast.declaration import protections_of
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.dialects.query import Query
from holdfast.errors import UnsupportedError
from holdfast.history import Version, versions_of
from holdfast.inspector import inspect as read_inventory
from holdfast.inventory import Inventory
from holdfast.journal import ERASED
from holdfast.objects import Protection
from holdfast.policies import Audit
from holdfast.sqlalchemy.history.row_version import RowVersion
from holdfast.sqlalchemy.restoring import identity_of
from holdfast.sqlalchemy.tables import table_in
from holdfast.stored import StoredRelation
from holdfast.tables import ColumnInfo

_T = TypeVar("_T")
_PARAMETERS = 30_000
"""How many values one statement may be given; SQLite takes 32,766."""


@overload
def versions(session: Session, entity: type[_T], key: Any, *, limit: int | None = None) -> list[RowVersion[_T]]: ...
@overload
def versions(session: Session, entity: _T, *, limit: int | None = None) -> list[RowVersion[_T]]: ...
def versions(session: Session, entity: Any, key: Any = None, *, limit: int | None = None) -> list[RowVersion[Any]]:
    """The versions of a row, the oldest first, numbered from 1; with ``limit`` the newest so many.

    ``versions(session, Order, 7)``, or with an instance; a key of several columns is a tuple or a mapping. The row
    need not be there any more. Of a class with joined inheritance a version has the rows of all of its tables. The
    session is flushed before; asynchronous: ``await session.run_sync(versions, Order, 7)``. HF436 where there is no
    such row and never was, as far as the journal reaches, and HF303 where its table is not recorded.
    """
    session.flush()
    history = RowHistory.of(session, *identity_of(entity, key))
    known = history.known[-limit:] if limit else history.known if limit is None else []
    return history.typed(known)


@dataclass(frozen=True, slots=True)
class RowHistory:
    """What the tables and the journal have of one row, the parts of it in several tables put together."""

    connection: Connection
    dialect: Dialect
    mapper: Mapper[Any]
    identity: tuple[Any, ...]
    parts: list[_Part]
    known: list[_Known]

    @classmethod
    def of(cls, session: Session, mapper: Mapper[Any], identity: tuple[Any, ...]) -> RowHistory:
        connection = session.connection(bind_arguments={"mapper": mapper})
        dialect, inventory = read_inventory(connection, dialect_for(connection.dialect.name), objects=False)
        inventory.check_journal()
        tables = [each for each in mapper.tables if isinstance(each, Table)]
        parts = [_part(connection, dialect, inventory, mapper, identity, table) for table in tables]
        return cls(connection, dialect, mapper, identity, parts, _merged([part.known for part in parts]))

    def typed(self, known: Sequence[_Known]) -> list[RowVersion[Any]]:
        """One statement for each table."""
        rows = [
            _typed(self.connection, self.dialect, part, [each.states[number] for each in known])
            for number, part in enumerate(self.parts)
        ]
        return [self._row_version(each, [row[number] for row in rows]) for number, each in enumerate(known)]

    def _row_version(self, known: _Known, rows: Sequence[Mapping[str, Any] | None]) -> RowVersion[Any]:
        row, mapper = known.row, self.mapper
        values: dict[str, Any] | None = None
        if row.values is not None:
            by_column: dict[Any, Any] = {
                part.table.c[name]: value
                for part, each in zip(self.parts, rows, strict=True)
                for name, value in (each or {}).items()
            }
            if mapper.polymorphic_on is not None:
                mapper = mapper.polymorphic_map.get(by_column.get(mapper.polymorphic_on), mapper)
            values = {
                attribute.key: by_column[each]
                for attribute in mapper.column_attrs
                for each in attribute.columns
                if each in by_column
            }
        return RowVersion(
            row.number,
            row.transaction,
            row.at,
            row.actor,
            row.tenant,
            row.reason,
            row.operation,
            self.identity,
            MappingProxyType(values) if values is not None else None,
            mapper,
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """One table that holds the row, or a part of it, and that part's versions."""

    table: Table
    protection: Protection
    stored: StoredRelation
    key: str
    known: list[Version]

    @property
    def columns(self) -> list[ColumnInfo]:
        """Those that are mapped and kept as they were."""
        audit = self.protection.get(Audit) or Audit()
        hidden = audit.exclude | audit.mask | audit.large
        names = {each.name for each in self.table.columns} - hidden
        return [each for each in self.protection.table.columns if each.name in names and not each.virtual]


@dataclass(frozen=True, slots=True)
class _Known:
    """A version of the whole row: the state of each part."""

    row: Version
    states: tuple[Version | None, ...]


def _part(
    connection: Connection,
    dialect: Dialect,
    inventory: Inventory,
    mapper: Mapper[Any],
    identity: tuple[Any, ...],
    table: Table,
) -> _Part:
    info = table_in(inventory, table)
    stored = inventory.recorded(str(info.name))
    protection = protections_of(inventory).get(info.name)
    if protection is None or protection.get(Audit) is None:
        raise UnsupportedError(
            "HF303",
            f"{info.name} is not recorded now, so what it was cannot be told from what it is.",
            f"Its changes are still there: holdfast log {info.name}.",
        )
    given = dict(
        zip((each.key for each in map(mapper.get_property_by_column, mapper.primary_key)), identity, strict=True)
    )
    columns = [table.c[name] for name in protection.table.key]
    names = [f"holdfast_key_{number}" for number in range(len(columns))]
    bound = [
        bindparam(name, given[mapper.get_property_by_column(each).key], type_=each.type)
        for name, each in zip(names, columns, strict=True)
    ]
    key = connection.execute(_text(dialect.recall.key(protection, names)).bindparams(*bound)).scalar_one()
    return _Part(table, protection, stored, key, versions_of(connection, dialect, inventory, stored, key))


def _merged(parts: Sequence[list[Version]]) -> list[_Known]:
    """The versions of a row that several tables hold, in the order in which the journal has them."""
    if len(parts) == 1:
        return [_Known(each, (each,)) for each in parts[0]]
    states: list[Version | None] = [known[0] if known[0].number == 0 else None for known in parts]
    changes: dict[str, dict[int, Version]] = {}
    for number, known in enumerate(parts):
        for each in known:
            if each.transaction is not None:
                changes.setdefault(each.transaction, {})[number] = each
    merged = [_whole(0, next(filter(None, states)), states)] if any(states) else []
    for number, changed in enumerate(sorted(changes.values(), key=_position), 1):
        states = [changed.get(part, state) for part, state in enumerate(states)]
        # It is the change of the table at the root that says what happened to the row.
        merged.append(_whole(number, changed[min(changed)], states))
    return merged


def _position(changed: Mapping[int, Version]) -> int:
    return max(each.change for each in changed.values())


def _whole(number: int, said: Version, states: Sequence[Version | None]) -> _Known:
    there = all(state is not None and state.values is not None for state in states)
    return _Known(replace(said, number=number, values=(said.values or {}) if there else None), tuple(states))


def _typed(
    connection: Connection, dialect: Dialect, part: _Part, states: Iterable[Version | None]
) -> list[Mapping[str, Any] | None]:
    """Each state with the values that the mapped columns would give; what a document lacks is left out."""
    documents = [_kept(state) for state in states]
    found: list[Mapping[str, Any] | None] = [None] * len(documents)
    there = [(number, document) for number, document in enumerate(documents) if document is not None]
    columns = part.columns
    chunk = _PARAMETERS // len(columns)
    for start in range(0, len(there), chunk):
        some = there[start : start + chunk]
        query = dialect.recall.rows(part.protection, columns, [document for _, document in some])
        for position, *values in _rows(connection, part.table, columns, query):
            number, document = some[position]
            pairs = zip(columns, values, strict=True)
            found[number] = {each.name: value for each, value in pairs if each.name in document}
    return found


def _kept(state: Version | None) -> dict[str, Any] | None:
    if state is None or state.values is None:
        return None
    return {name: value for name, value in state.values.items() if value != ERASED}


def _rows(connection: Connection, table: Table, columns: Sequence[ColumnInfo], query: Query) -> Iterator[Any]:
    typed = [column("holdfast_position"), *(column(each.name, table.c[each.name].type) for each in columns)]
    yield from connection.execute(_text(query.sql).bindparams(**query.parameters).columns(*typed))


def _text(sql: str) -> Any:
    """``text`` takes every word after a colon for a parameter, also within a quoted name; ours have a prefix."""
    return text(re.sub(r":(?!holdfast_)", r"\\:", sql))
