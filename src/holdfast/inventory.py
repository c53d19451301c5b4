"""What is in a database, read once: its tables, what was declared for them, and what is installed."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from holdfast.errors import DriftError, UnsupportedError
from holdfast.objects import InstalledObject
from holdfast.stored import StoredRelation
from holdfast.tables import TableInfo, TableName


@dataclass(frozen=True)
class Inventory:
    """All that planning needs to know of a database."""

    state: Mapping[str, Any]
    tables: Mapping[TableName, TableInfo]
    relations: Mapping[int, StoredRelation] = field(default_factory=dict)
    installed: tuple[InstalledObject, ...] = ()
    gaps: tuple[str, ...] = ()
    """Months, as YYYYMM, for which the journal should have a partition and has none."""
    held: frozenset[int] = frozenset()
    """The relations that have rows under legal hold."""

    @property
    def has_journal(self) -> bool:
        return self.state["marker"] is not None

    def check_journal(self, start: str = "holdfast protect") -> None:
        """HF303 where there is no journal, HF305 where it is damaged; ``start`` is the command that makes one."""
        if not self.has_journal:
            raise UnsupportedError("HF303", "Nothing is protected in this database.", f"Start with: {start}.")
        check_columns(self.state)

    @property
    def version(self) -> tuple[int, ...]:
        return version_of(self.state)

    def is_taken(self, name: TableName) -> bool:
        """Whether a table, a view or anything else of that namespace has the name."""
        names = {*self.tables, *(TableName(*each) for each in self.state.get("other_names") or ())}
        if self.state.get("folds_names"):
            return str(name).lower() in {str(each).lower() for each in names}
        return name in names

    @cached_property
    def matches(self) -> Mapping[int, TableInfo]:
        """Relation id to the table that it means: the same oid, else the one with its triggers, else the same name.

        No table is meant twice.
        """
        by_oid = {table.oid: table for table in self.tables.values() if table.oid}
        found: dict[int, TableInfo] = {}
        taken: set[TableName] = set()
        # What is protected now goes before what once was, and the newer before the older.
        ordered = sorted(self.relations.values(), key=lambda each: (not each.protected, -each.id))
        by_identity = [(each, by_oid.get(each.oid)) for each in ordered]
        by_triggers = [(each, by_oid.get(each.carrier)) for each in ordered if not each.oid]
        by_name = [(each, self.tables.get(each.table)) for each in ordered]
        for stored, table in (*by_identity, *by_triggers, *by_name):
            if table is not None and stored.id not in found and table.name not in taken:
                found[stored.id] = table
                taken.add(table.name)
        return found

    def find(self, stored: StoredRelation) -> TableInfo | None:
        """The table that a stored relation means, if it is there; HF303 where its history so far has to end."""
        table = self.matches.get(stored.id)
        ending = None if table is None else stored.ending(table)
        if table is not None and ending is not None:
            raise UnsupportedError("HF303", *ending.unknown_row(table.name))
        return table

    def begun_anew(self, stored: StoredRelation) -> TableInfo | None:
        """The table whose former history this is, or has to be; None where it goes on, or its table is gone."""
        matches = self.matches
        own = matches.get(stored.id)
        if own is not None:
            return own if stored.ending(own) is not None else None
        for number, table in matches.items():
            same = stored.oid == table.oid if stored.oid else stored.table == self.relations[number].table
            if same and number > stored.id:
                return table
        return None

    def recorded(self, name: str) -> StoredRelation:
        """The table that a person means, as the journal calls it; it may have been renamed since, or be gone.

        ``table#number`` is one of several histories of a table, by which also a former one can be asked for.
        """
        matches = self.matches
        try:
            found = self.resolve(name)
        except UnsupportedError:
            for each in sorted(self.relations.values(), key=lambda each: -each.id):
                gone = each.id not in matches and name in (str(each.table), each.table.name)
                if gone or name in (f"{each.table}#{each.id}", f"{each.table.name}#{each.id}"):
                    return each
            raise
        for each in self.relations.values():
            if each.id in matches and matches[each.id].name == found.name:
                return each
        raise UnsupportedError(
            "HF303", f"{name} was never protected, so nothing is known of it.", f"Start with: holdfast protect {name}."
        )

    def resolve(self, name: str) -> TableInfo:
        """The table that a person means by ``name`` or ``schema.name``."""
        exact = [table for table in self.tables.values() if name in (str(table.name), table.name.name)]
        found = exact or [
            table
            for table in self.tables.values()
            if name.lower() in (str(table.name).lower(), table.name.name.lower())
        ]
        preferred = [table for table in found if table.name.schema == self.state.get("default_schema", "public")]
        if len(found) > 1 and len(preferred) == 1:
            found = preferred
        if not found:
            raise UnsupportedError("HF409", f"There is no table {name!r}.", _suggestion(name, self.tables))
        if len(found) > 1:
            listed = ", ".join(str(table.name) for table in found)
            raise UnsupportedError("HF409", f"{name!r} may be any of: {listed}.", "Write the schema too: schema.table.")
        return found[0]


def version_of(state: Mapping[str, Any]) -> tuple[int, ...]:
    """The version of the server, as far as it tells features apart."""
    number = state["version"]
    return (number // 10000,) if isinstance(number, int) else tuple(int(part) for part in str(number).split("."))


def _suggestion(name: str, tables: Iterable[TableName]) -> str:
    names = [str(table) for table in tables] + [table.name for table in tables]
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else "See the names with: holdfast status."


def check_columns(state: Mapping[str, Any], tables: Collection[str] | None = None) -> None:
    """HF305 where one of the journal's tables, of ``tables`` alone if they are given, has lost a column."""
    for table, column in state.get("lacking") or ():
        if tables is None or table in tables:
            raise DriftError(
                "HF305",
                f"The journal's table {table} has lost its column {column}.",
                "Restore the journal from a backup, or give the column back. To start anew gives up all history.",
            )
