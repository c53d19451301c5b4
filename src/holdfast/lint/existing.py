"""What a database has already: the types, constraints and indexes that a rule may ask for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy
from sqlalchemy import Connection

from holdfast.dialects.base import Dialect
from holdfast.inspector import inspect
from holdfast.lint.actions import Column, Constraint, CreateIndex
from holdfast.lint.known import KnownConstraint, Table
from holdfast.lint.reading.columns import not_null_column
from holdfast.lint.reading.types import type_of
from holdfast.lint.servers import Server, server_for
from holdfast.lint.words import words_of
from holdfast.policies import Audit, Policy, SoftDelete, Tenant, Timestamps, Version
from holdfast.tables import TableInfo, TableName


def server_of(connection: Connection) -> Server:
    """Which server this is."""
    version = connection.dialect.server_version_info or ()
    return server_for(connection.dialect.name, ".".join(str(part) for part in version if isinstance(part, int)) or None)


def tables_in(connection: Connection, dialect: Dialect, server: Server) -> list[Table]:
    """Every table of the users, and what holdfast protects of it."""
    inspector = sqlalchemy.inspect(connection)
    _, inventory = inspect(connection, dialect, objects=False)
    tables = {info.oid or name: _table(info, inspector, server) for name, info in inventory.tables.items()}
    for relation, info in inventory.matches.items():
        stored = inventory.relations[relation]
        if stored.protected:
            _protected(tables[info.oid or info.name], stored.policies)
    return list(tables.values())


def _protected(table: Table, policies: Iterable[Policy]) -> None:
    for policy in policies:
        match policy:
            case SoftDelete(column=column) | Version(column=column) | Tenant(column=column):
                table.policies_of[column] = type(policy).__name__
            case Timestamps(created=created, updated=updated):
                table.policies_of |= {created: "Timestamps", updated: "Timestamps"}
            case Audit():
                table.audited = True
            case _:
                pass


def _table(info: TableInfo, inspector: Any, server: Server) -> Table:
    name = _name(info.name, server)
    table = Table(name, partitioned=info.kind == "partitioned")
    for column in info.columns:
        words = tuple(words_of(column.type, server))
        default = tuple(words_of(column.default, server)) if column.default else None
        table.columns[column.name] = Column(column.name, type_of(words), nullable=column.nullable, default=default)
    for key in info.foreign_keys:
        target = _name(key.target, server)
        constraint = Constraint("foreign key", key.name, key.columns, target, key.target_columns)
        table.constraints[key.name] = KnownConstraint(constraint, valid=True)
    for unique in info.uniques:
        kind = Constraint("primary key" if unique.primary else "unique", unique.name, unique.columns)
        table.constraints[unique.name] = KnownConstraint(kind, valid=True)
    schema = info.name.schema or None
    for check in inspector.get_check_constraints(info.name.name, schema=schema):
        words = tuple(words_of(check["sqltext"], server))
        constraint = Constraint("check", check["name"] or "", not_null=not_null_column(words), words=words)
        valid = not check.get("dialect_options", {}).get("not_valid", False)
        table.constraints[constraint.name] = KnownConstraint(constraint, valid)
    for index in inspector.get_indexes(info.name.name, schema=schema):
        columns = tuple(each or "" for each in index["column_names"])
        table.indexes[index["name"]] = CreateIndex(name, index["name"], columns, unique=bool(index["unique"]))
    return table


def _name(name: TableName, server: Server) -> TableName:
    return TableName("" if name.schema == server.default_schema else name.schema, name.name)
