"""What every dialect answers about SQL that is written now and runs later, elsewhere: in migrations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.dialects.query import Query
from holdfast.journal import Relation
from holdfast.objects import DatabaseObject
from holdfast.policies import Policy
from holdfast.tables import TableName, TypeKind


@dataclass(frozen=True, slots=True)
class SpelledType:
    """A type as the database spells it, and the base type that decides how a value is kept."""

    type: str
    base_type: str
    kind: TypeKind = "base"


@dataclass(frozen=True, slots=True)
class FoundConstraint:
    """A constraint that has a name; ``expression`` is the condition of a CHECK, as the database keeps it."""

    table: TableName
    name: str
    valid: bool
    expression: str | None


class Revising(ABC):
    """How the catalog will describe what is yet to be made, and statements that a migration runs beside the objects'."""

    default_schema: str | None
    """Where a table lies that names no schema; None where the database says so."""
    autoindexes: bool
    """Whether the database names the index of a constraint itself, by table and number."""
    verbatim: bool
    """Whether the database keeps the condition of a CHECK as it was written."""

    # ------------------------------------------------------------------ how it will be described

    @abstractmethod
    def type(self, written: str) -> SpelledType | None:
        """The type as the catalog will spell it; None where it is none of the database's own."""

    def find_type(self, written: str) -> Query | None:
        """One row, if the type is there: its spelling, the base type, the kind. None where any word is a type."""
        return None

    @abstractmethod
    def primary_key_name(self, table: str) -> str: ...

    @abstractmethod
    def unique_name(self, table: str, columns: Sequence[str], number: int) -> str:
        """What a unique constraint without a name is called; ``number`` counts the table's, the primary key first."""

    @abstractmethod
    def foreign_key_name(self, table: str, columns: Sequence[str], name: str | None) -> str: ...

    def kept_column(self, policies: Iterable[Policy]) -> str | None:
        """The column whose default a policy gives, and that is required by it; None where there is none."""
        return None

    # ------------------------------------------------------------------ what a migration does

    @abstractmethod
    def in_the_way(self, each: DatabaseObject, table: TableName, columns: Iterable[str]) -> bool:
        """Whether these columns of the table cannot be dropped, renamed or retyped while the object is there; without
        columns, the table dropped."""

    @abstractmethod
    def expect(self, relation: Relation, known: Mapping[TableName, Iterable[tuple[int, str]]]) -> str:
        """Refuses, with HF451, to go on where the journal knows the relation, or its columns, otherwise."""

    @abstractmethod
    def lock(self, tables: Sequence[TableName], *, exclusive: bool) -> tuple[str, ...]:
        """Takes the locks that the statements after it need, and waits as long as the session says."""

    @abstractmethod
    def note(self, step: str, actions: Sequence[str]) -> str:
        """Writes the installation down, in its transaction: evidence tells it from what others do to our objects."""

    @abstractmethod
    def remove_unused_journal(self) -> tuple[str, ...]:
        """Takes the journal away if no change is in it and nothing is protected; else it stays as it is."""

    def journal_is_unused(self) -> str | None:
        """One boolean: whether that may run; None where the statements see for themselves."""
        return None

    @abstractmethod
    def is_own(self, table: TableName) -> bool:
        """Whether it is a table of ours."""

    # ------------------------------------------------------------------ indexes and checks

    @abstractmethod
    def indexes(self) -> str:
        """schema_name, table_name, name, valid, predicate, included (JSON array) of every index of the users'; the
        predicate as the database spells it, NULL for none."""

    @abstractmethod
    def constraints(self) -> str:
        """What ``read_constraints`` reads: rows about every CHECK and foreign key of the users'."""

    @abstractmethod
    def read_constraints(self, rows: Iterable[Any]) -> Iterator[FoundConstraint]:
        """Those that have a name."""

    def replace_check(self, table: TableName, name: str, expression: str | None) -> tuple[str, ...]:
        """Gives a CHECK another expression, or takes it away; nothing where the table has to be made anew for that."""
        return ()

    def validate(self, table: TableName, name: str) -> str:
        """Lets a constraint hold for the rows too that were there before it."""
        raise NotImplementedError
