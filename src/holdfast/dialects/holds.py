"""What every dialect answers about legal holds: the rows of which nothing is purged, dropped or erased."""

from __future__ import annotations

from abc import ABC, abstractmethod

from holdfast.dialects.query import Query
from holdfast.objects import Protection


class Holds(ABC):
    """SQL for ``holdfast hold``. A key is JSON, but where it is said to be an expression."""

    @abstractmethod
    def place(self, relation: int, key: str, actor: str | None, reason: str, first: int | None = None) -> Query:
        """Places a hold; a row, if there was not the same one already. ``first``: the one of the same row under
        another key, with which this one ends."""

    @abstractmethod
    def release(self, relation: int, key: str, reason: str | None) -> Query:
        """Ends the holds of the row, or that for the reason alone, under all of its keys; a row with the reason of each."""

    @abstractmethod
    def all(self) -> str:
        """relation, key as JSON, at, actor, reason, first of every hold, the oldest first."""

    @abstractmethod
    def reasons(self, relation: int, key: str) -> Query:
        """A row with the reason of each hold on the row."""

    @abstractmethod
    def relations(self) -> str:
        """One column: the relations that have rows under hold."""

    @abstractmethod
    def is_held(self, relation: int, key: str) -> str:
        """A condition: there is a hold on the row; ``key`` is an expression that spells it as the journal does."""

    def freeze(self) -> str | None:
        """Keeps holds from being placed until the transaction ends; None where one transaction writes at a time."""
        return None

    @abstractmethod
    def known_key(self, protection: Protection | None, relation: int, key: str) -> Query:
        """The key as the journal spells it, if the table has a row of it, or else the journal a change."""
