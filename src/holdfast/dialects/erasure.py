"""What every dialect answers about an erasure: where a row's values are, and how they go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.dialects.query import Query
from holdfast.journal import Relation
from holdfast.objects import Protection


@dataclass(frozen=True, slots=True)
class RowKey:
    """A key as JSON, and as the journal keeps it."""

    shown: str
    kept: Any


@dataclass(frozen=True, slots=True)
class Span:
    """The changes under one key that are of the row: those after the number ``after``, up to ``until``."""

    key: RowKey
    after: int
    until: int


class Erasure(ABC):
    """The statements that take values away, all of them for one transaction."""

    @abstractmethod
    def share(self) -> tuple[Query, ...]:
        """With this begins who reads values from the journal in order to write them back: no erasure then comes between."""

    @abstractmethod
    def begin(self) -> tuple[Query, ...]:
        """From here on nobody writes values back that were read from the journal."""

    @abstractmethod
    def end(self) -> tuple[Query, ...]:
        """What ``begin`` set, and does not end with the transaction."""

    @abstractmethod
    def columns(self, relation: int) -> Query:
        """id, name of every column that the table has, or ever had, as the journal knows it."""

    @abstractmethod
    def key(self, relation: Relation, key: str) -> RowKey:
        """The row's key, which is given as JSON."""

    def spelling(self, protection: Protection, key: RowKey) -> Query | None:
        """One text, the key as the journal spells it, where that takes the database."""
        return None

    @abstractmethod
    def lock(self, protection: Protection, key: RowKey) -> Query:
        """A row if there is one with that key; from then on nobody else changes it."""

    @abstractmethod
    def moves(self, relation: Relation, key: RowKey, moving: Sequence[int]) -> Query:
        """The changes by which a row came to this key or left it, the oldest first; ``moving`` are the columns that
        then change by themselves, the key and what a policy keeps.

        id, came, and of the change of the same row under its other key: other_id, other_key (as the journal keeps
        it), other_shown; NULL where that is not certain, and ``possible`` then is a JSON array of the keys as JSON.
        """

    @abstractmethod
    def last(self) -> Query:
        """The number of the journal's last change, or of none that is still to come."""

    @abstractmethod
    def known(self, relation: int, span: Span) -> Query:
        """One row if the journal has a change of that span, inserts included."""

    @abstractmethod
    def changes(self, relation: int, span: Span, columns: Sequence[int]) -> Query:
        """The numbers of the changes of that span that have a value of one of these columns."""

    @abstractmethod
    def scrub(self, relation: int, span: Span, columns: Sequence[int], *, after: bool) -> tuple[Query, ...]:
        """Takes the values of these columns away from the changes of that span; what stands ``after`` too, or not."""

    @abstractmethod
    def overwrite(self, protection: Protection, key: RowKey, values: Mapping[str, Any]) -> Query:
        """Gives the row these values; None is NULL."""

    @abstractmethod
    def still_there(self, protection: Protection, key: RowKey, columns: Sequence[str]) -> Query:
        """One row if one of these columns of the row is not NULL."""

    @abstractmethod
    def interventions(self) -> Query:
        """at, actor, reason, details (JSON) of the erasures, the newest first."""
