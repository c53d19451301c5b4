"""Rows of two tenants, made from what the metadata says of a table."""

from __future__ import annotations

import datetime
import itertools
import random
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Table
from sqlalchemy.exc import DBAPIError

from holdfast.errors import DeclarationError
from holdfast.policies import Tenant
from holdfast.sqlalchemy.tables import policy_of
from holdfast.testing.leaks.subject import LeakSubject, as_value, tables_of, tenant_column

# Two runs at one time must not wait for each other's keys.
_NUMBERS = itertools.count(random.randrange(10**6, 2**30))
_AT = datetime.datetime(2001, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
_BY_TYPE: tuple[tuple[type, Callable[[Any, int], Any]], ...] = (
    (sa.Enum, lambda kind, _: kind.enum_class(next(iter(kind.enum_class))) if kind.enum_class else kind.enums[0]),
    (sa.Boolean, lambda kind, n: False),
    (sa.SmallInteger, lambda kind, n: n % 30_000),
    (sa.Integer, lambda kind, n: n),
    (sa.Float, lambda kind, n: float(n)),
    (sa.Numeric, lambda kind, n: n % 10),
    (sa.String, lambda kind, n: f"{n:08x}"[-kind.length :] if kind.length else f"leak {n}"),
    (sa.Uuid, lambda kind, n: uuid.UUID(int=n) if kind.as_uuid else str(uuid.UUID(int=n))),
    (sa.DateTime, lambda kind, n: _AT if kind.timezone else _AT.replace(tzinfo=None)),
    (sa.Date, lambda kind, n: _AT.date()),
    (sa.Time, lambda kind, n: _AT.time()),
    (sa.Interval, lambda kind, n: datetime.timedelta(seconds=n % 60)),
    (sa.LargeBinary, lambda kind, n: b"leak %d" % n),
    (sa.JSON, lambda kind, n: {"leak": n}),
    (sa.ARRAY, lambda kind, n: []),
)


def fill(connection: Connection, subject: LeakSubject) -> None:
    """Rows of both tenants; whatever must not be NULL is given, whatever is a key as well."""
    made: dict[tuple[Table, Any], Mapping[str, Any]] = {}
    for tenant in subject.tenants:
        if subject.make is not None:
            subject.make(connection, tenant)
            continue
        for table in _with_parents(tables_of(subject.base)):
            # A row of a table without tenants serves both.
            owner = tenant if policy_of(table, Tenant) is not None else None
            if (table, owner) not in made:
                made[table, owner] = _insert(connection, table, values(table, owner, made))


def values(
    table: Table, tenant: Any, made: Mapping[tuple[Table, Any], Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """What a new row of the tenant needs; references go to the rows that were made."""
    given: dict[str, Any] = {}
    owner = tenant_column(table) if policy_of(table, Tenant) is not None else None
    unique = {column for columns in unique_keys(table) for column in columns}
    for column in table.columns:
        if column is owner:
            given[column.key] = as_value(table, tenant)
        elif column.foreign_keys:
            found = _reference(column, tenant, made or {})
            if found is not None:
                given[column.key] = found
        elif _is_needed(column, unique):
            given[column.key] = _value(column)
    return given


def unique_keys(table: Table) -> list[tuple[Column[Any], ...]]:
    """The columns of each, the primary key left out."""
    declared = [each for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
    indexes = [each for each in table.indexes if each.unique]
    found = [tuple(each.columns) for each in declared]
    for index in indexes:
        columns = tuple(each for each in index.expressions if isinstance(each, Column))
        # One over an expression is not understood.
        if len(columns) == len(index.expressions):
            found.append(columns)
    return found


def _with_parents(tables: Iterable[Table]) -> list[Table]:
    wanted = set(tables)
    waiting = list(wanted)
    while waiting:
        for key in waiting.pop().foreign_keys:
            if key.column.table not in wanted:
                wanted.add(key.column.table)
                waiting.append(key.column.table)
    return [each for each in next(iter(wanted)).metadata.sorted_tables if each in wanted] if wanted else []


def _reference(column: Column[Any], tenant: Any, made: Mapping[tuple[Table, Any], Mapping[str, Any]]) -> Any:
    for key in column.foreign_keys:
        row = made.get((key.column.table, tenant)) or made.get((key.column.table, None))
        if row is not None:
            return row[key.column.key]
    return None


def _is_needed(column: Column[Any], unique: set[Column[Any]]) -> bool:
    if column.computed is not None or column.identity is not None:
        return False
    if column.default is not None or column.server_default is not None:
        return False
    if column is column.table.autoincrement_column and column.autoincrement in (True, "auto"):
        return False
    return not column.nullable or column in unique


def _value(column: Column[Any]) -> Any:
    kind: Any = column.type
    kind = kind.impl_instance if isinstance(kind, sa.types.TypeDecorator) else kind
    for wanted, make in _BY_TYPE:
        if isinstance(kind, wanted):
            return make(kind, next(_NUMBERS))
    raise DeclarationError(
        "HF634",
        f"No value is known for {column}, of type {column.type}.",
        "Make the rows yourself: LeakSubject(…, make=…).",
    )


def _insert(connection: Connection, table: Table, given: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        with connection.begin_nested():
            row = connection.execute(sa.insert(table).values(**given).returning(*table.columns)).one()
    except DBAPIError as error:
        said = str(error.orig).splitlines()[0]
        raise DeclarationError(
            "HF634",
            f"A row of {table.fullname} that is made from the metadata is refused: {said}.",
            "Make the rows yourself: LeakSubject(…, make=…).",
        ) from error
    return dict(zip((column.key for column in table.columns), row, strict=True))
