"""Optimistic locking: what a stale write collided with, and which changes may be merged."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Table, inspect, select, tuple_
from sqlalchemy.orm import Mapper, PassiveFlag, Session
from sqlalchemy.orm.attributes import get_history
from sqlalchemy.orm.exc import StaleDataError

from holdfast.dialects import dialect_for
from holdfast.dialects.log import LogFilter
from holdfast.errors import StaleVersionError, UnsupportedError
from holdfast.inspector import inspect as read_inventory
from holdfast.journal import key_document
from holdfast.policies import Audit, Timestamps, Version, columns_needed
from holdfast.sqlalchemy.tables import policies_of, policy_of
from holdfast.tables import TableName
from holdfast.timeline import log

MERGE = "merge"
"""The key in a column's ``info``: ``mapped_column(info={"merge": "auto"})``; ``"reject"`` is the default."""

Fields = Mapping[str, tuple[Any, Any, Any]]


class StaleRowError(StaleVersionError, StaleDataError):
    """A flush met a row that was changed since; caught by either name."""

    code: str


@dataclass(frozen=True, slots=True)
class Write:
    """What somebody wants to write to a row of which they have read ``expected``."""

    mapper: Mapper[Any]
    key: tuple[Any, ...]
    expected: int
    mine: Mapping[str, Any]
    base: Mapping[str, Any] | None = None
    """The attributes as they were read, where that is known; else the journal is asked."""


def conflict(connection: Connection, write: Write) -> StaleVersionError | None:
    """Why the write is stale, field by field; None where the row is at the expected version, or not there at all."""
    mapper = write.mapper
    version = version_column(mapper)
    table = version.table
    attributes = _attributes(mapper, table)
    query = select(version, *(table.c[column] for column in attributes.values()))
    row = connection.execute(query.where(tuple_(*table.primary_key).in_([write.key]))).first()
    if row is None or row[0] == write.expected:
        return None
    theirs = dict(zip(attributes, row[1:], strict=True))
    base = write.base if write.base is not None else _base(connection, table, attributes, write, row[0], theirs)
    fields = {} if base is None else _differing(base, theirs, write.mine)
    key = key_document(write.key)
    return StaleRowError(
        "HF202",
        f"{mapper.class_.__name__} {key} was changed by somebody else: it is at version {row[0]}, "
        f"and this write is for version {write.expected}.",
        "Read the row again and repeat the change on what it is now.",
        table=table.fullname,
        key=key,
        expected=write.expected,
        current=row[0],
        fields=fields,
    )


def may_merge(mapper: Mapper[Any], mine: Mapping[str, Any], fields: Fields) -> bool:
    """Whether what one wants to write may go on top of what others wrote meanwhile.

    It may if every attribute in ``mine`` is declared so (``info={"merge": "auto"}``) and nobody else changed it, or
    changed it to the same. Who changed what is known from the journal: without Audit, or for a column that it leaves
    out, nothing is merged. What is money, a state or computed from other columns had better not be declared so.
    """
    audit = policy_of(mapper.local_table, Audit)
    if audit is None or not fields:
        return False
    unseen = audit.exclude | audit.mask | audit.large
    for name, value in mine.items():
        column = mapper.columns.get(name)
        if column is None or column.info.get(MERGE, "reject") != "auto" or column.name in unseen:
            return False
        base, theirs, _ = fields.get(name, (value, value, value))
        if theirs not in (base, value):
            return False
    return True


def version_column(mapper: Mapper[Any]) -> Any:
    """The column that counts the versions of a row; KeyError where the class has none."""
    for each in mapper.iterate_to_root():
        policy = policy_of(each.local_table, Version)
        if policy is not None:
            return each.local_table.c[policy.column]
    raise KeyError(mapper.class_.__name__)


def is_versioned(mapper: Mapper[Any]) -> bool:
    return any(policy_of(each.local_table, Version) for each in mapper.iterate_to_root())


def writes_of(session: Session) -> list[Write]:
    """What a flush is about to write to rows that have a version."""
    writes = []
    for instance in (*session.dirty, *session.deleted):
        state = inspect(instance)
        if state.key and is_versioned(state.mapper) and (write := _write_of(instance)) is not None:
            writes.append(write)
    return writes


def stale_copy(session: Session, instance: object) -> StaleVersionError | None:
    """Why a copy cannot be merged: an object from another session, or one that a form was made into."""
    mapper: Mapper[Any] = inspect(instance, raiseerr=True).mapper
    write = _write_of(instance) if is_versioned(mapper) else None
    return conflict(session.connection(bind_arguments={"mapper": mapper}), write) if write is not None else None


def _write_of(instance: object) -> Write | None:
    """What was read and what was set since. Of an object that was never read all was set, its version with it."""
    state = inspect(instance, raiseerr=True)
    version = state.mapper.get_property_by_column(version_column(state.mapper)).key
    values, mine = {}, {}
    for attribute in state.mapper.column_attrs:
        history = get_history(instance, attribute.key, passive=PassiveFlag.PASSIVE_NO_INITIALIZE)
        if history.deleted:
            values[attribute.key] = history.deleted[0]
        elif history.unchanged:
            values[attribute.key] = history.unchanged[0]
        if history.added:
            mine[attribute.key] = history.added[0]
    given = mine.pop(version, None)
    expected = values.pop(version, given if state.key is None else None)
    if expected is None:
        return None
    key = tuple(state.identity or state.mapper.primary_key_from_instance(instance))
    return Write(state.mapper, key, expected, mine, values if state.key else None)


def stale_write(connection: Connection, writes: Sequence[Write]) -> StaleVersionError | None:
    """The first of the writes that is stale. Of the flush's own transaction a savepoint may be left, or nothing."""
    with nullcontext() if connection.in_transaction() else connection.begin():
        return next((error for each in writes if (error := conflict(connection, each)) is not None), None)


def _attributes(mapper: Mapper[Any], table: Table) -> dict[str, str]:
    """Attribute to column, of what people write: not the key, and not what the database keeps by itself."""
    policies = policies_of(table)
    kept = {column for column, _ in columns_needed([p for p in policies if isinstance(p, (Timestamps, Version))])}
    return {
        mapper.get_property_by_column(column).key: column.name
        for column in table.columns
        if column.name not in kept and not column.primary_key and column in mapper.columns.values()
    }


def _differing(base: Mapping[str, Any], theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
    """Each attribute that others changed, or that is to be changed, as (base, theirs, mine)."""
    return {
        name: (base[name], theirs[name], mine.get(name, base[name]))
        for name in theirs
        if name in base and (base[name] != theirs[name] or (name in mine and mine[name] != base[name]))
    }


def _base(
    connection: Connection,
    table: Table,
    attributes: Mapping[str, str],
    write: Write,
    current: int,
    theirs: Mapping[str, Any],
) -> dict[str, Any] | None:
    """The row as it was at the version that was read: each later change taken back, by the journal.

    None where the journal does not have all of them, or may not be read; a version that the row never had leaves
    nothing to take back.
    """
    behind = current - write.expected
    if behind < 0:
        return dict(theirs)
    try:
        dialect, inventory = read_inventory(connection, dialect_for(connection.dialect.name))
    except UnsupportedError:
        return None
    if not inventory.has_journal:
        return None
    schema = table.schema or inventory.state.get("default_schema", "public")
    exact = TableName(schema, table.name)
    name = exact if exact in inventory.tables else inventory.resolve(table.fullname).name
    key = json.dumps(key_document(write.key), default=str)
    changes = log(connection, dialect, inventory, LogFilter(table=name, key=key, limit=behind))
    if len(changes) < behind or any(change.before is None for change in changes):
        return None
    base = dict(theirs)
    by_column = {column: attribute for attribute, column in attributes.items()}
    for change in changes:
        for column, value in (change.before or {}).items():
            if column in by_column:
                base[by_column[column]] = from_journal(table.c[column], value)
    return base


def from_journal(column: Any, value: Any) -> Any:
    """A value of the journal as the ORM gives it; as the journal has it where there is no telling."""
    try:
        wanted = column.type.python_type
    except NotImplementedError:
        return value
    if value is None or isinstance(value, wanted):
        return value
    try:
        if issubclass(wanted, datetime.datetime):
            moment = datetime.datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        if issubclass(wanted, (datetime.date, datetime.time)):
            return wanted.fromisoformat(value)
        if issubclass(wanted, (decimal.Decimal, uuid.UUID, Enum, bool, float, int)):
            return wanted(str(value) if issubclass(wanted, (decimal.Decimal, uuid.UUID)) else value)
    except (ValueError, TypeError, ArithmeticError):
        return value
    return value
