"""A row's versions as its class has them, what differs between two of them, and the way back to one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, TypeVar, overload

from sqlalchemy import Column, Connection, Table, bindparam, column, inspect, text
from sqlalchemy.orm import InstanceState, Mapper, Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from holdfast.context import current
from holdfast.declaration import protections_of
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.dialects.query import Query
from holdfast.errors import HistoryError, UnsupportedError
from holdfast.history import Version, check_writable, lock_row, version_at, versions_of, write_back
from holdfast.inspector import inspect as read_inventory
from holdfast.inventory import Inventory, StoredRelation
from holdfast.journal import ERASED, Operation
from holdfast.objects import Protection
from holdfast.policies import Audit
from holdfast.sqlalchemy.locking import Write, conflict, is_versioned, version_column
from holdfast.sqlalchemy.restoring import bound_beside, identity_of
from holdfast.sqlalchemy.soft_delete import include_deleted
from holdfast.sqlalchemy.tables import table_in
from holdfast.tables import ColumnInfo

_T = TypeVar("_T")
_PARAMETERS = 30_000
"""How many values one statement may be given; SQLite takes 32,766."""


@dataclass(frozen=True, slots=True)
class RowVersion(Generic[_T]):
    """A row as one transaction left it: who, when, why, and the whole row by attribute, of the types of the mapping.

    Number 0 is what was there before the first recorded change: it has no transaction. ``values`` is None where the
    row was gone; it lacks the attributes of which the journal keeps no values (``Audit(exclude=, mask=, large=)``), and
    those that were erased.

    >>> from sqlalchemy import Integer, String, inspect
    >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
    >>> class Base(DeclarativeBase): ...
    >>> class Order(Base):
    ...     __tablename__ = "orders"
    ...     id = mapped_column(Integer, primary_key=True)
    ...     status = mapped_column(String)
    >>> values = {"id": 1, "status": "paid"}
    >>> version = RowVersion(1, "7", None, "ada", None, None, "insert", (1,), values, inspect(Order))
    >>> version.values["status"], version.as_instance().status
    ('paid', 'paid')
    """

    number: int
    transaction: str | None
    at: datetime | None
    """When the transaction began to commit (on SQLite: when it first wrote)."""
    actor: str | None
    tenant: str | None
    reason: str | None
    operation: Operation | None
    key: tuple[Any, ...]
    values: Mapping[str, Any] | None
    mapper: Mapper[_T] = field(repr=False, compare=False)

    def as_instance(self) -> _T:
        """An instance of the class with these values, detached: no session knows it, and it loads nothing.

        A relationship of it, or an attribute that is not kept, raises SQLAlchemy's ``DetachedInstanceError``: what was
        around the row then is read under ``as_of``. HF437 where the row was gone.
        """
        if self.values is None:
            raise _gone(self.mapper, self.key, self.number)
        instance = self.mapper.class_manager.new_instance()
        for attribute in self.mapper.column_attrs:
            if attribute.key in self.values:
                set_committed_value(instance, attribute.key, self.values[attribute.key])
        make_transient_to_detached(instance)
        return instance


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
    history = _History.of(session, *identity_of(entity, key))
    known = history.known[-limit:] if limit else history.known if limit is None else []
    return history.typed(known)


def diff(a: RowVersion[_T], b: RowVersion[_T]) -> dict[str, tuple[Any, Any]]:
    """The attributes that differ, each with its value in ``a`` and in ``b``; a row that is gone has None everywhere.

    >>> from sqlalchemy import Integer, String, inspect
    >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
    >>> class Base(DeclarativeBase): ...
    >>> class Order(Base):
    ...     __tablename__ = "orders"
    ...     id = mapped_column(Integer, primary_key=True)
    ...     status = mapped_column(String)
    >>> a = RowVersion(1, "7", None, "ada", None, None, "insert", (1,), {"id": 1, "status": "new"}, inspect(Order))
    >>> b = RowVersion(2, "9", None, "bob", None, None, "update", (1,), {"id": 1, "status": "paid"}, inspect(Order))
    >>> diff(a, b)
    {'status': ('new', 'paid')}
    """
    before, after = a.values or {}, b.values or {}
    types = {**_types(a.mapper), **_types(b.mapper)}
    return {
        name: (before.get(name), after.get(name))
        for name in {**before, **after}
        if name not in before or name not in after or not types[name].compare_values(before[name], after[name])
    }


@overload
def revert(
    session: Session,
    entity: type[_T],
    key: Any,
    *,
    version: int | None = None,
    at: datetime | None = None,
    reason: str | None = None,
) -> _T: ...
@overload
def revert(
    session: Session, entity: _T, *, version: int | None = None, at: datetime | None = None, reason: str | None = None
) -> _T: ...
def revert(
    session: Session,
    entity: Any,
    key: Any = None,
    *,
    version: int | None = None,
    at: datetime | None = None,
    reason: str | None = None,
) -> Any:
    """Gives a row the values of an old version, or of the one that counted at a time; gives the refreshed instance.

    It is written within the session's transaction, as a new version; nothing is committed. A row that was deleted for
    good comes back, and a mark is taken away; rows that belong to it do not follow. What the database keeps (times,
    version) moves on, and columns that the journal does not keep stay. The session is flushed before. The context's
    actor counts, and ``reason`` where this is the transaction's first change. Asynchronous:
    ``await session.run_sync(lambda session: revert(session, Order, 7, version=3))``.

    An instance that somebody else has changed since it was read raises ``StaleVersionError`` (HF202). HF436 where
    there is no such version, HF437 where it is the row's delete, HF435 where it is from before a time in
    which the table was not recorded, and what the database refuses.
    """
    if (version is None) == (at is None):
        raise TypeError("revert() needs either version= or at=")
    session.flush()
    mapper, identity = identity_of(entity, key)
    history = _History.of(session, mapper, identity)
    wanted = version_at([each.row for each in history.known], number=version, at=at)
    states = next(each.states for each in history.known if each.row is wanted)
    if wanted.values is None or wanted.operation == "delete":
        raise _gone(mapper, identity, wanted.number)
    for part, state in zip(history.parts, states, strict=True):
        if state is not None:
            check_writable(part.stored, part.known, state)
    for part in history.parts:
        lock_row(history.connection, history.dialect, part.protection, part.key)
    if isinstance(inspect(entity), InstanceState):
        _refuse_stale(history.connection, mapper, identity, entity)
    said = reason or current().get("reason") or f"revert to version {wanted.number}"
    # Refused, it leaves nothing behind, the context included.
    with session.begin_nested(), bound_beside(session, {"reason": said, "reverts": wanted.number}, mapper):
        for part, state in zip(history.parts, states, strict=True):
            if state is not None:
                write_back(history.connection, history.dialect, part.protection, state)
    instance = session.get(mapper.class_, identity, options=[include_deleted()], populate_existing=True)
    assert instance is not None
    session.expire(instance, [each.key for each in inspect(instance).mapper.relationships if not each.viewonly])
    return instance


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


@dataclass(frozen=True, slots=True)
class _History:
    connection: Connection
    dialect: Dialect
    mapper: Mapper[Any]
    identity: tuple[Any, ...]
    parts: list[_Part]
    known: list[_Known]

    @classmethod
    def of(cls, session: Session, mapper: Mapper[Any], identity: tuple[Any, ...]) -> _History:
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


def _refuse_stale(connection: Connection, mapper: Mapper[Any], identity: tuple[Any, ...], instance: Any) -> None:
    if not is_versioned(mapper):
        return
    read = inspect(instance).dict.get(mapper.get_property_by_column(version_column(mapper)).key)
    stale = conflict(connection, Write(mapper, identity, read, {})) if read is not None else None
    if stale is not None:
        raise stale


def _types(mapper: Mapper[Any]) -> dict[str, Any]:
    return {each.key: each.columns[0].type for each in mapper.column_attrs if isinstance(each.columns[0], Column)}


def _gone(mapper: Mapper[Any], key: Sequence[Any], number: int) -> HistoryError:
    return HistoryError(
        "HF437",
        f"Version {number} of {mapper.class_.__name__} {', '.join(str(each) for each in key)} is its delete.",
        "Choose a version in which the row lived.",
    )
