"""Reads from a live database which tables there are, what was declared for them and what is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.catalog_rows import document_of, installed_of, relation_of, table_of
from holdfast.database import execute
from holdfast.dialects.base import Dialect
from holdfast.errors import DriftError, LockedError, UnsupportedError
from holdfast.inventory import Inventory, check_columns, version_of
from holdfast.objects import SCHEMA_VERSION
from holdfast.roles import Roles
from holdfast.tables import TableInfo, TableName, with_references

_DECLARED = {"relation", "relation_column", "holdfast_relation", "holdfast_column"}
"""Without these tables nothing can be told."""


def inspect(connection: Connection, dialect: Dialect, *, objects: bool = True) -> tuple[Dialect, Inventory]:
    """The inventory, and the dialect that knows who owns the journal; HF302 where a newer holdfast was here.

    It takes several statements: of a connection from ``Database.snapshot`` all of it is of one moment. HF304 where
    something was dropped while it was read. ``objects=False`` leaves out what only a plan and a comparison need, and
    what takes longest: what is installed, missing or held.
    """
    try:
        return _inspect(connection, dialect, objects)
    except DBAPIError as error:
        if error.orig is None or not dialect.gone_meanwhile(error.orig):
            raise
        raise LockedError(
            "HF304",
            f"Protection was changed while it was read: {str(error.orig).strip().splitlines()[0]}.",
            "Run the command again.",
        ) from error


def check_format(connection: Connection, dialect: Dialect) -> None:
    """HF302 or HF306 where the journal is of another format, HF305 where it is damaged; where there is none, nothing.

    It takes one statement: what reads the journal for long asks once, before it begins.
    """
    state = _state(connection, dialect)
    if state["marker"] is not None:
        state["lacking"] = _lacking(dialect, state)
        check_columns(state)


def _state(connection: Connection, dialect: Dialect) -> dict[str, Any]:
    """What is known of the journal as a whole, once it is certain that this can be read."""
    state = document_of(execute(connection, dialect.catalog.state)[0][0])
    _check_version(dialect, state)
    _check_marker(state)
    if state["marker"] is None:
        return state
    if not state.get("may_read_journal", True):
        raise UnsupportedError(
            "HF404",
            f"The role {state['role']!r} may not read the journal.",
            "Connect as the owner of the tables or of the journal.",
        )
    if missing := state.get("missing"):
        raise DriftError(
            "HF305",
            f"The journal has lost its table holdfast.{missing[0]}, and with it what was declared.",
            "Restore it from a backup; or start anew: DROP SCHEMA holdfast CASCADE, then protect the tables again.",
        )
    return state


def _inspect(connection: Connection, dialect: Dialect, objects: bool) -> tuple[Dialect, Inventory]:
    state = _state(connection, dialect)
    if state["marker"] is not None and state.get("journal_owner") == "holdfast":
        dialect = dialect.with_owner("holdfast")
    if state["marker"] is None:
        return dialect.with_roles(Roles(), state), Inventory(state, read_tables(connection, dialect))
    state["lacking"] = _lacking(dialect, state)
    check_columns(state, _DECLARED)
    dialect = dialect.with_roles(_roles(connection, dialect, state), state)
    # First what is spelt from the catalog of now: the sooner, the less can have changed since the snapshot.
    installed = tuple(installed_of(row) for row in execute(connection, dialect.catalog.installed)) if objects else ()
    stored = (relation_of(document_of(row[0])) for row in execute(connection, dialect.catalog.relations))
    relations = {each.id: each for each in stored}
    tables = read_tables(connection, dialect)
    if not objects:
        return dialect, Inventory(state, tables, relations)
    return dialect, Inventory(
        state,
        tables,
        relations,
        installed,
        _gaps(connection, dialect, state),
        _held(connection, dialect, state),
    )


def _lacking(dialect: Dialect, state: Mapping[str, Any]) -> list[list[str]]:
    """Table and column of each that the journal's tables should have, of those that are there."""
    present = {name: set(columns) for name, columns in (state.get("columns") or {}).items()}
    expected = dialect.journal_columns()
    return [[name, column] for name in expected if name in present for column in sorted(expected[name] - present[name])]


def _roles(connection: Connection, dialect: Dialect, state: Mapping[str, Any]) -> Roles:
    query = dialect.catalog.roles
    if query is None or "role" not in (state["readable"] or ()):
        return Roles()
    return Roles(**{row.duty: row.name for row in execute(connection, query)})


def _gaps(connection: Connection, dialect: Dialect, state: Mapping[str, Any]) -> tuple[str, ...]:
    """Who may not read the default partition is not told what it caught."""
    query = dialect.retention.gaps(1)
    if query is None or not {"change", "change_default"} <= set(state["readable"] or ()):
        return ()
    return tuple(row[0] for row in execute(connection, query))


def _held(connection: Connection, dialect: Dialect, state: Mapping[str, Any]) -> frozenset[int]:
    if "hold" not in (state["readable"] or ()):
        return frozenset()
    return frozenset(row[0] for row in execute(connection, dialect.holds.relations()))


def read_tables(connection: Connection, dialect: Dialect) -> dict[TableName, TableInfo]:
    """Every table of the users, with the foreign keys that point at it."""
    tables = (table_of(document_of(row[0])) for row in execute(connection, dialect.catalog.tables))
    return with_references({table.name: table for table in tables})


def _check_version(dialect: Dialect, state: Mapping[str, Any]) -> None:
    found = version_of(state)
    if found < dialect.features.minimum_version:
        needed = ".".join(str(part) for part in dialect.features.minimum_version)
        raise UnsupportedError(
            "HF403",
            f"This is {dialect.title} {'.'.join(str(part) for part in found)}.",
            f"holdfast needs {dialect.title} {needed} or newer.",
        )


def _check_marker(state: Mapping[str, Any]) -> None:
    marker = state["marker"] or ""
    if state["schema_exists"] and not marker.startswith("holdfast:"):
        raise DriftError(
            "HF301",
            "There is a schema 'holdfast' already, and it is not ours.",
            "Rename or remove it; holdfast needs that name.",
        )
    if marker:
        version = re.search(r"schema=(\d+)", marker)
        if version is not None and int(version[1]) < SCHEMA_VERSION:
            raise DriftError(
                "HF306",
                f"The journal of this database has the format {version[1]} of an unreleased holdfast "
                f"({marker.split()[0].partition(':')[2]}); this one needs the format {SCHEMA_VERSION}.",
                "Go on with that version; or take from the journal what you need with it, remove the journal and "
                "protect the tables again.",
            )
        if version is not None and int(version[1]) > SCHEMA_VERSION:
            raise DriftError(
                "HF302",
                f"This database was protected by a newer holdfast ({marker.split()[0].partition(':')[2]}).",
                "Upgrade: pip install --upgrade holdfast.",
            )
