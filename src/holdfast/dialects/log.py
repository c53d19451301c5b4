"""What every dialect answers about the journal: its changes, and the transactions that made them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from holdfast.dialects.query import Query
from holdfast.objects import Protection
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which changes to read; the newest come first."""

    table: TableName | None = None
    relations: tuple[int, ...] | None = None
    """The numbers of that table in the journal, where they are known: it may have been made anew since."""
    key: str | None = None
    """The key as JSON: a scalar, or an array for a key of several columns."""
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    operation: str | None = None
    transaction: str | None = None
    at: datetime | None = None
    """When that transaction began, where it is known."""
    limit: int | None = 50
    above: int | None = None
    """Only changes with a higher number than this."""
    before: datetime | None = None
    """No change is of this time, or of a later one: whatever is kept for those need not be asked."""


class Log(ABC):
    """Reads what was recorded."""

    @abstractmethod
    def changes(self, wanted: LogFilter) -> Query:
        """id, transaction, at, actor, tenant, reason, relation, schema, table, key, operation, committed, before, after.

        The last two are JSON objects, in which columns are called as ``names`` says.
        """

    @abstractmethod
    def names(self, relations: Collection[int]) -> Query | None:
        """Relation, and a JSON object: the present name of each column by its number, which is what the journal calls
        it; None where it calls columns by their names."""

    @abstractmethod
    def windows(self, until: datetime | None, sizes: Sequence[int]) -> Query:
        """For each of the sizes: ``at`` of the transaction so many before the newest, or before the newest until then;
        NULL where there are fewer."""

    @abstractmethod
    def transaction(self, transaction: str) -> Query:
        """id, at, actor, tenant, reason, context, session_user, application, client of one transaction."""

    @abstractmethod
    def current_transaction(self) -> Query:
        """id of the transaction in hand, once it has changed something."""

    @abstractmethod
    def tables(self, transaction: str) -> Query:
        """relation, schema, table and number of changes, for each table that the transaction touched."""

    @abstractmethod
    def row_images(self, protection: Protection) -> str:
        """Of the changes ``:changes``, a JSON array of ``[id, key]``, the key as JSON text: the rows that are there
        now. Two columns: position in the array, and the row as the JSON object that a before-image would be, columns
        called as ``names`` says."""

    @abstractmethod
    def later_images(self, protection: Protection) -> str:
        """The later changes to the rows of the changes ``:changes``, as ``row_images`` takes them, the oldest first.
        Two columns: position in the array, and the before-image, which may be NULL."""
