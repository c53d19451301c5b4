"""What every dialect answers about the past: a table, or one row of it, as it was."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdfast.dialects.query import Query
from holdfast.objects import Protection


class Past(ABC):
    """Reads a table as it was, from the rows that are there now and the journal's changes since."""

    @abstractmethod
    def table(self, protection: Protection, at: datetime) -> str:
        """A SELECT without parameters, fit for a view: the table's columns in their order, the rows of that moment."""

    @abstractmethod
    def row(self, protection: Protection) -> str:
        """The same columns of the one row ``:key``, as it was right after the change ``:change`` of it (0: before the
        first one that the journal has); no row where there was none."""

    @abstractmethod
    def update(self, protection: Protection) -> str:
        """Gives the row the values that it had right after the change ``:change``; answers a row for it."""

    @abstractmethod
    def insert(self, protection: Protection) -> str:
        """Inserts the row anew with those values."""

    @abstractmethod
    def documents(self, protection: Protection, select: str) -> str:
        """One column: each row that the SELECT gives, in the order of the key, as the JSON that a before-image would be."""

    @abstractmethod
    def present(self, protection: Protection) -> str:
        """The row ``:key`` as it is now."""

    def lock(self, protection: Protection) -> str | None:
        """Keeps others from changing the row; None where a transaction that writes keeps all others out anyway."""
        return None

    @abstractmethod
    def time_text(self, at: datetime) -> str:
        """A time as a row's document spells it in a column that ``Timestamps`` keeps."""

    @abstractmethod
    def parameters(self, protection: Protection, key: str) -> Mapping[str, Any]:
        """What ``row``, ``update`` and ``insert`` take beside ``:change``, for a key as JSON."""

    @abstractmethod
    def committed(self, transaction: str) -> Query:
        """One row, one time: the moment from which on that transaction counts."""

    @abstractmethod
    def now(self) -> str:
        """One row: the moment, by the clock that the journal's times are of, and whether a part of the journal is hidden
        from the role in use."""

    def copy(self, select: str, into: str) -> tuple[str, ...]:
        """Makes a new table, by its quoted name, of what the SELECT gives."""
        return (f"create table {into} as\n{select}",)
