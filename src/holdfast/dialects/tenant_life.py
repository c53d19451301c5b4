"""What a dialect answers about a tenant as a whole: which rows are its own, and how they are copied, closed and deleted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.dialects.query import Query
from holdfast.dialects.retention import Part
from holdfast.objects import Protection
from holdfast.tables import ColumnInfo, TableInfo


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table that are a tenant's: those that have it in ``column``, or ``whole``, all of them."""

    table: TableInfo
    column: str | None
    tenant: str
    whole: bool = False

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns that a copy has too, whatever tenant it is for, and in whichever order they lie."""
        return tuple(sorted(each.name for each in self.table.writable if each.name != self.column))


class TenantLife(ABC):
    """Names are quoted and values are made constants here: COPY and triggers take no parameters."""

    # ------------------------------------------------------------------ what is a tenant's

    @abstractmethod
    def spelled(self, column: ColumnInfo, tenant: str) -> str | None:
        """The tenant as the column has it; None where the column cannot have it."""

    @abstractmethod
    def journal_tables(self) -> Query:
        """One boolean: whether the tables of ``permission_tables`` are there."""

    @abstractmethod
    def permission_tables(self) -> tuple[TableInfo, ...]:
        """Roles and who has them, each with the column ``tenant``."""

    @abstractmethod
    def materialized(self, columns: Sequence[str]) -> Query:
        """schema, name, column: materialized views that have a column of one of these names."""

    @abstractmethod
    def sees_all(self, table: TableInfo) -> Query:
        """Two booleans: whether this role sees each row of the table once it works across tenants, and whether it
        does so without."""

    @abstractmethod
    def settings(self) -> tuple[Query, ...]:
        """Every value is written and read in one way alone, until the transaction ends."""

    @abstractmethod
    def summary(self, rows: Rows) -> Query:
        """Two columns: how many they are, and a checksum of them in no order that matters."""

    @abstractmethod
    def count(self, rows: Rows) -> Query: ...

    # ------------------------------------------------------------------ copies

    @abstractmethod
    def copy_out(self, rows: Rows) -> str:
        """COPY of ``rows.compared`` to the client, in the order of the key."""

    @abstractmethod
    def stage(self, number: int, table: TableInfo, columns: Sequence[str]) -> tuple[str, str]:
        """Makes the temporary table that takes the copy, and the COPY that fills it."""

    @abstractmethod
    def colliding(self, number: int, rows: Rows, columns: Sequence[str], limit: int) -> Query:
        """Keys as text: what is in the stage and in the table already."""

    @abstractmethod
    def arrive(self, staged: Sequence[tuple[int, Rows]]) -> str:
        """Inserts the stages into their tables, all in one statement, so that they may refer to each other."""

    @abstractmethod
    def as_it_was(self) -> Query:
        """From here on in this transaction, times and versions of inserted rows are not made anew."""

    @abstractmethod
    def move_sequences(self, table: TableInfo) -> tuple[str, ...]:
        """What numbers the rows goes on after the highest number that is there."""

    # ------------------------------------------------------------------ work on it

    @abstractmethod
    def try_lock(self, digest: str) -> Query:
        """One boolean: whether this connection is now the one that works on that tenant; released at its end."""

    @abstractmethod
    def ledger(self, digest: str) -> Query:
        """kind, at, actor, reason, details (JSON) of what was done to the tenant, the oldest first."""

    # ------------------------------------------------------------------ deleting

    @abstractmethod
    def held(self, protection: Protection, rows: Rows) -> Query:
        """The key of one of these rows that is under legal hold."""

    @abstractmethod
    def delete(self, rows: Rows, limit: int) -> Query:
        """Deletes some of the rows, in the order of the key; one number: how many."""

    @abstractmethod
    def delete_together(self, group: Sequence[Rows]) -> Query:
        """Deletes all rows of tables that refer to each other; a number for each."""

    # ------------------------------------------------------------------ what else there is of it

    @property
    @abstractmethod
    def closing(self) -> TenantClosing:
        """How its rows are kept from being written."""

    @property
    @abstractmethod
    def history(self) -> TenantHistory:
        """What the journal has of its rows."""


class TenantClosing(ABC):
    """While a tenant is moved or deleted, nobody else writes its rows."""

    @abstractmethod
    def close(self, rows: Rows, digest: str) -> tuple[str, ...]:
        """Nobody but who calls ``may_write`` writes the tenant's rows any more (HF484); waits for those who do."""

    @abstractmethod
    def open(self, rows: Rows, digest: str) -> tuple[str, ...]: ...

    @abstractmethod
    def may_write(self, digest: str) -> Query: ...


class TenantHistory(ABC):
    """The changes of a tenant's rows. ``relations`` are the tables that are its as a whole."""

    @abstractmethod
    def held(self, tenant: str, relations: Sequence[int]) -> Query:
        """schema_name, table_name and key of one of the rows that the tenant had."""

    @abstractmethod
    def count(self, tenant: str, relations: Sequence[int]) -> Query: ...

    @abstractmethod
    def in_part(
        self,
        part: Part,
        piece: tuple[int, int],
        tenant: str,
        relations: Sequence[int],
        unsealed: str,
        *,
        unowned: bool,
    ) -> Query:
        """id, relation of the changes of the tenant's rows there that are sealed; ``unowned``, of those from before
        the table had tenants."""

    @abstractmethod
    def lines(self, tenant: str, relations: Sequence[int]) -> Query:
        """One column: each change of the tenant's rows as a line of JSON, the oldest first."""
