"""A table as the journal knows it, and how its columns and its key are known again in the table as it is now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from holdfast.journal import Relation
from holdfast.policies import Audit, Policy, find
from holdfast.tables import TableInfo, TableName

_INTEGERS = ("smallint", "integer", "bigint")
_TEXTS = re.compile(r"(text|character varying)(\(\d+\))?")
_SCHEMA = re.compile(r'^("([^"]|"")+"|[^\s".(]+)\.')


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column as the journal knew it when the table was last protected."""

    id: int
    name: str
    position: int
    type: str


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a history ends: what the key was and is, or names that other columns have by now."""

    was: str = ""
    now: str = ""
    names: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """What is not as it was, as ``status`` lists it."""
        if self.names:
            return f"columns under names of others ({', '.join(self.names)})"
        return f"key ({self.now}), which was ({self.was})"

    @property
    def reason(self) -> str:
        if self.names:
            return f"other columns have names of before by now ({', '.join(self.names)})"
        return f"the key is no longer ({self.was})"

    @property
    def former(self) -> str:
        """By what a hold of before names its row."""
        return "in the former history" if self.names else f"by the former key ({self.was})"

    def unknown_row(self, table: TableName) -> tuple[str, str]:
        """Message and hint for who asks for a row while the history has not ended yet."""
        if self.names:
            listed = ", ".join(self.names)
            said = f"Other columns of {table} have names of before by now ({listed}): of which one a value is recorded"
            by = "Record the columns by their present names"
        else:
            said = (
                f"The key of {table} is ({self.now}) by now, and its rows are recorded by ({self.was}): "
                "which row is meant"
            )
            by = "Record them by the present key"
        return f"{said} is not known.", f"{by}, with a history of its own: holdfast protect."

    def undoable_no_more(self, table: str) -> str:
        """Why what was done before cannot be taken back."""
        if self.names:
            return (
                f"Other columns of {table} have names of before by now ({', '.join(self.names)}): to which of them it "
                "was done cannot be told for certain."
            )
        return (
            f"{table} has another key by now, and what was done is known by the former one ({self.was}): which rows it "
            "was done to cannot be told for certain."
        )


@dataclass(frozen=True, slots=True)
class StoredRelation:
    """A table as the journal knows it, with what was declared for it."""

    id: int
    table: TableName
    oid: int
    """0 where the database was copied since, so that its oids are others."""
    key: tuple[str, ...]
    policies: tuple[Policy, ...]
    added: tuple[str, ...]
    protected: bool
    columns: tuple[StoredColumn, ...]
    next_column: int
    carrier: int = 0
    """The oid of the table that has its triggers, 0 for none: it tells the table in a copied database by any name."""
    since: datetime | None = None
    """From when on every change is in the journal; None where nothing is recorded now."""
    typed: bool = False
    """Whether a key is spelled as the type of its column has it, and not as each value is of a type."""

    def is_same(self, table: TableInfo) -> bool:
        """Whether it is the very table, and not one that took its name, or a copy."""
        return bool(self.oid) and self.oid == table.oid

    def for_table(self, table: TableInfo) -> Relation:
        """The relation with the table's present names, and new numbers for columns that the journal does not know."""
        ids = self._known_again(table) if self.is_same(table) else self._known_in_copy(table)
        following = self.next_column
        for column in table.columns:
            if column.name not in ids:
                ids[column.name] = following
                following += 1
        return Relation(self.id, table.name, table.key, ids)

    def _known_again(self, table: TableInfo) -> dict[str, int]:
        """In the very table: a position belongs to one column for ever, and what is dropped leaves its own empty."""
        by_position = {each.position: each for each in self.columns}
        ids = {each.name: by_position[each.position].id for each in table.columns if each.position in by_position}
        present = {each.position for each in table.columns}
        # A column that took the place of a dropped one goes on as that: until the functions are made anew, what is
        # written of it by its name is recorded as of the former.
        for stored in self.columns:
            if stored.position not in present and stored.name not in ids and table.column(stored.name) is not None:
                ids[stored.name] = stored.id
        return ids

    def _known_in_copy(self, table: TableInfo) -> dict[str, int]:
        """In a copy of the table, restored or without stable positions: by name, and then by where it stands."""
        by_name = {each.name: each for each in self.columns}
        ids = {each.name: by_name[each.name].id for each in table.columns if each.name in by_name}
        taken = set(ids.values())
        places = self._places(table)
        for column in table.columns:
            renamed = places.get(column.position)
            if column.name not in ids and renamed and renamed.id not in taken and renamed.type == column.type:
                ids[column.name] = renamed.id
        return ids

    def _places(self, table: TableInfo) -> Mapping[int, StoredColumn]:
        """Where the columns stand in a copy; nowhere where that cannot be told by those whose names are known.

        A restore numbers the columns that there are from 1 on, and what is added afterwards comes behind them; an
        upgrade of the server leaves each where it was.
        """
        ordered = sorted(self.columns, key=lambda each: each.position)
        restored, upgraded = dict(enumerate(ordered, 1)), {each.position: each for each in ordered}
        found = [places for places in (restored, upgraded) if _may_stand(table, places)]
        if not found:
            # Columns were dropped, and those behind have moved up: up to one that has not, all are where they were.
            end = _unmoved(table, restored)
            unmoved = {position: each for position, each in restored.items() if position < end}
            return {**self._alone_of_their_type(table), **unmoved}
        return {position: each for position, each in found[0].items() if found[-1].get(position) == each}

    def _alone_of_their_type(self, table: TableInfo) -> dict[int, StoredColumn]:
        """Where columns can be only one of those that are missing: others have another type, or stood in front."""
        names, known = {each.name for each in table.columns}, {each.name for each in self.columns}
        new = [each for each in table.columns if each.name not in known]
        places = {}
        for column in new:
            meant = [
                each
                for each in self.columns
                if each.name not in names and each.type == column.type and each.position >= column.position
            ]
            if len(meant) == 1 and sum(each.type == column.type for each in new) == 1:
                places[column.position] = meant[0]
        return places

    def describes(self, table: TableInfo) -> bool:
        """Whether name, key and columns are still as written down; a copy may number its columns anew."""
        same = self.is_same(table)
        stored = {(each.name, each.type, each.position if same else 0) for each in self.columns}
        present = {(each.name, each.type, each.position if same else 0) for each in table.columns}
        return (self.table, self.key, stored) == (table.name, table.key, present)

    def ending(self, table: TableInfo) -> Ending | None:
        """Why the history so far cannot go on for the table as it is now; None where it does.

        A key of the journal would be that of another row, or of none; or a value would be that of another column.
        """
        if self.key and self._is_keyed_anew(table):
            return Ending(", ".join(self.key), ", ".join(table.key))
        if self.key and table.key and self._is_spelled_anew(table):
            was = {each.name: each.type for each in self.columns}
            now = {each.name: each.type for each in table.columns}
            return Ending(
                ", ".join(f"{name} {was.get(name, '')}".rstrip() for name in self.key),
                ", ".join(f"{name} {now.get(name, '')}".rstrip() for name in table.key),
            )
        names = tuple(self._exchanged(table))
        return Ending(names=names) if names else None

    def _is_keyed_anew(self, table: TableInfo) -> bool:
        """The same columns under other names are no other key, and neither are other columns under the names of the
        former: by these a column is exchanged for another one.

        But where all names of the former are others' by now, keys were recorded of these until the functions are made
        anew.
        """
        if self.key == table.key:
            return False
        if table.key and all(table.column(name) is not None for name in self.key):
            return True
        own = {each.name: each.id for each in self.columns}
        present = self.for_table(table).columns
        return [own.get(name) for name in self.key] != [present.get(name) for name in table.key]

    def _is_spelled_anew(self, table: TableInfo) -> bool:
        """Whether the journal spells the key otherwise than it did, so that a row would have two of them."""
        was = {each.name: _spelling(each.type) for each in self.columns}
        now = {each.name: _spelling(each.type) for each in table.columns}
        return self.typed and any(
            was.get(former, now.get(name)) != now.get(name) for former, name in zip(self.key, table.key, strict=True)
        )

    def _exchanged(self, table: TableInfo) -> Iterator[str]:
        """Names that other columns have, while those that had them are still there under others.

        What was recorded is by the place of a column until they were exchanged, and by its name from then on until
        the functions are made anew. Where a renamed column's name is nobody's, the functions fail, and record nothing.
        """
        if not self.is_same(table):
            if not self.typed:
                yield from self._behind_another(table)
            return
        audit = find(self.policies, Audit) or Audit()
        by_position = {each.position: each for each in table.columns}
        renamed = [
            (each.name, by_position[each.position])
            for each in self.columns
            if each.position in by_position and by_position[each.position].name != each.name
        ]
        if any(
            table.column(name) is None and not column.generated and name not in audit.exclude
            for name, column in renamed
        ):
            return
        yield from (name for name, _ in renamed if table.column(name) is not None)

    def _behind_another(self, table: TableInfo) -> Iterator[str]:
        """Where nothing else says which column is which: names that stand further back than they did, behind a column
        that may be theirs under another name. Dropping moves a column to the front, and adding moves none."""
        present = {each.position: each for each in table.columns}
        positions = {each.name: each.position for each in table.columns}
        names = {each.name for each in self.columns}
        for stored in self.columns:
            there = present.get(stored.position)
            if there is None or positions.get(stored.name, 0) <= stored.position:
                continue
            if there.name in names or there.type == stored.type:
                yield stored.name

    def as_relation(self) -> Relation:
        """The relation by the names that were written down; for a table that may be gone."""
        return Relation(self.id, self.table, self.key, {each.name: each.id for each in self.columns})


def _may_stand(table: TableInfo, places: Mapping[int, StoredColumn]) -> bool:
    """Whether these may be the columns' places in the table: no name is at another one, and no other column between."""
    positions = {each.name: each.position for each in table.columns}
    last = max(places, default=0)
    return (
        last <= table.last_position
        and all(positions.get(each.name, position) == position for position, each in places.items())
        and all(position in places for position in positions.values() if position < last)
    )


def _unmoved(table: TableInfo, places: Mapping[int, StoredColumn]) -> int:
    """The last place up to which every column of a known name stands where it did."""
    positions = {each.name: each.position for each in table.columns}
    end = 0
    for position, each in sorted(places.items()):
        if positions.get(each.name, position) != position:
            break
        end = position if each.name in positions else end
    return end


def _spelling(type_name: str) -> str:
    """What types have in common whose values the journal writes alike; how a schema is named depends on the session."""
    if type_name in _INTEGERS:
        return _INTEGERS[0]
    if _TEXTS.fullmatch(type_name):
        return "text"
    return _SCHEMA.sub("", type_name)
