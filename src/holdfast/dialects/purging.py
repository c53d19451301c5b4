"""What every dialect answers about rows that were marked long ago and are really deleted now."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from holdfast.dialects.query import Query
from holdfast.objects import Protection
from holdfast.tables import ForeignKey


class Purging(ABC):
    """SQL over rows that are named by their keys, spelled as JSON texts."""

    def settings(self) -> Query | None:
        """What the transaction must set so that keys are spelled as in the journal."""
        return None

    @abstractmethod
    def count(self, protection: Protection, before: datetime) -> Query:
        """One row: how many rows were marked before then, and how many of these are under legal hold."""

    @abstractmethod
    def candidates(self, protection: Protection, before: datetime, after: Sequence[Any] | None, limit: int) -> Query:
        """The next rows in the order of the key, locked, without those that others have locked and those under hold.

        The first column is the key; ``after`` is the last row of the answer before.
        """

    @abstractmethod
    def referring(
        self, key: ForeignKey, parent: Protection, child: Protection | None, before: datetime, parents: Sequence[str]
    ) -> Query:
        """Which rows refer to these parents: parent's key, own key, whether it was marked before then, whether it is
        under hold; locked. Without ``child`` only the parents' keys are told."""

    @abstractmethod
    def delete(self, protection: Protection, before: datetime, keys: Sequence[str]) -> Query:
        """Deletes those of the rows that were marked before then (all, where the mark is in another table); their keys."""
