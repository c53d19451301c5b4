"""What every dialect answers about changing a table that others read and write meanwhile.

A table is named by its schema (None: where the session looks for it) and its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

from holdfast.dialects.query import Query
from holdfast.tables import TableName


class Target(NamedTuple):
    """A table, as a migration names it."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return str(TableName(self.schema or "", self.name))


@dataclass(frozen=True, slots=True)
class Twin:
    """How to learn what the catalog would call something, without touching the table: an empty one like it.

    Between ``begin`` and ``rollback``, whatever happens: ``create`` makes it, the caller adds to it what is in
    question, and asks ``table`` as it would ask the real one.
    """

    begin: str
    create: str
    table: Target
    rollback: str


class Changing(ABC):
    """SQL for changes in several steps, each of which holds nobody up for long and can be found in the catalog."""

    stepwise: bool
    """Whether a constraint can be added first and checked against the rows that are there later."""

    # ------------------------------------------------------------------ what is there

    def table_kind(self, table: Target) -> Query | None:
        """One row: ``plain`` or ``partitioned``; none where there is no such table."""
        return None

    def constraint(self, table: Target, name: str) -> Query:
        """kind, valid, definition of the constraint of that name; no row where there is none."""
        raise NotImplementedError

    def foreign_key(self, table: Target, name: str, referred: Target) -> Query:
        """valid, whether it refers to that table, then as ``ForeignKeyFacts`` has them."""
        raise NotImplementedError

    def not_null(self, table: Target, column: str) -> Query:
        """One row: whether the column is NOT NULL, the name of its constraint and whether that is valid (NULL, NULL
        where the database keeps none)."""
        raise NotImplementedError

    @abstractmethod
    def index(self, table: Target, name: str) -> Query:
        """state (``building``, ``invalid``, ``valid``), definition of the index of that name; no row where none is."""

    def enum_values(self, type_: Target) -> Query:
        """The labels in their order."""
        raise NotImplementedError

    def twin(self, table: Target) -> Twin:
        """An empty table like this one, that nobody else sees and that is gone at once."""
        raise NotImplementedError

    # ------------------------------------------------------------------ steps

    def separate_not_null(self, version: tuple[int, ...]) -> bool:
        """Whether NOT NULL is itself a constraint that can be checked later."""
        return False

    def add_not_null(self, table: Target, column: str, name: str) -> str:
        """NOT NULL as a constraint of that name, not checked yet."""
        raise NotImplementedError

    def add_is_not_null(self, table: Target, column: str, name: str) -> str:
        """A check of that name that says the same as NOT NULL, not checked yet."""
        raise NotImplementedError

    def is_not_null(self, column: str) -> tuple[str, ...]:
        """That check, in the ways in which the catalog may have it."""
        raise NotImplementedError

    def validate(self, table: Target, name: str) -> str:
        raise NotImplementedError

    def set_not_null(self, table: Target, column: str) -> str:
        raise NotImplementedError

    def drop_not_null(self, table: Target, column: str) -> str:
        raise NotImplementedError

    def drop_constraint(self, table: Target, name: str) -> str:
        raise NotImplementedError

    def use_index(self, table: Target, name: str, deferring: str) -> str:
        """Makes the unique index of that name the constraint of that name."""
        raise NotImplementedError

    @abstractmethod
    def drop_index(self, table: Target, name: str) -> str: ...

    def add_enum_value(
        self, type_: Target, value: str, side: Literal["before", "after"] | None, neighbour: str | None
    ) -> str:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ForeignKeyFacts:
    """A foreign key, comparable."""

    columns: tuple[str, ...]
    referred: tuple[str, ...]
    on_update: str
    on_delete: str
    deferrable: bool
    deferred: bool
    full: bool
