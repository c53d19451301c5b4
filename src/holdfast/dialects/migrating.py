"""What every dialect answers about migrating while others work: which locks, who has them, what a crash left behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from holdfast.dialects.filling import CURSORS
from holdfast.dialects.query import Query
from holdfast.tables import TableName

if TYPE_CHECKING:
    from holdfast.dialects.changing import Changing
    from holdfast.dialects.expanding import Expanding
    from holdfast.dialects.filling import Filling


TENANT_MIGRATIONS = "holdfast_tenant_migrations"
APPLIED_REVISIONS = "holdfast_revision"
KEPT = {
    TENANT_MIGRATIONS: "is what holdfast tenants migrate keeps",
    APPLIED_REVISIONS: "is what holdfast migrate keeps",
    CURSORS: "is what op.hf_backfill keeps",
}
"""Tables of ours among those of the users, by name."""


class LockClass(Enum):
    """What a statement's wait for its lock does to others."""

    STRONG = "strong"
    """Whoever reads or writes the table queues up behind it: it may wait for a moment only."""
    LONG = "long"
    """It holds nobody up, waits for old transactions and takes its time: cut short, it leaves ruins."""
    WEAK = "weak"
    """Reads and writes: as the session has it."""


@dataclass(frozen=True, slots=True)
class OwnTimeouts:
    """What the session had before: milliseconds, 0 for no limit; ``transaction`` is None on servers without one."""

    lock: int
    statement: int
    transaction: int | None


class Migrating(ABC):
    """SQL and knowledge for the migrating connection."""

    begin: str | None
    """Begins a transaction that no other writer can be in; None where an advisory lock keeps other migrators away."""

    @property
    @abstractmethod
    def changing(self) -> Changing:
        """How a table is changed while others read and write it."""

    @property
    @abstractmethod
    def expanding(self) -> Expanding:
        """How a column is replaced by another one while both are written."""

    @property
    @abstractmethod
    def filling(self) -> Filling:
        """How rows are updated in many small transactions."""

    # ------------------------------------------------------------------ tables made anew

    rebuilds: bool = False
    """Whether most changes of a table make it anew, which asks that foreign keys are not enforced meanwhile."""

    def enforce_keys(self, on: bool) -> str:
        """For the session, and outside of a transaction only."""
        raise NotImplementedError

    def tables_with_keys(self) -> str:
        """The name of each table that has foreign keys, and of what one of them refers to."""
        raise NotImplementedError

    def broken_keys(self, table: str) -> str:
        """table, number of the row, what it refers to, which key: for each row whose foreign key finds nothing."""
        raise NotImplementedError

    # ------------------------------------------------------------------ timeouts

    @abstractmethod
    def lock_class(self, statement: str) -> LockClass:
        """By the statement's leading words."""

    @abstractmethod
    def sets_timeouts(self, statement: str) -> bool:
        """Whether the statement sets a timeout itself, which is then let be."""

    def own_timeouts(self) -> str | None:
        """One row: lock, statement and transaction timeout of the session; None where there are none to set."""
        return None

    @abstractmethod
    def set_timeouts(self, lock_class: LockClass, strong: timedelta, own: OwnTimeouts) -> Query:
        """For the statements of that class, until told otherwise."""

    # ------------------------------------------------------------------ one migrator

    @abstractmethod
    def lock_name(self, version_table: TableName) -> str:
        """What the migrators of one version table contend for, within one database."""

    def default_schema(self) -> str | None:
        """One row, the schema where the version table is when nothing else is said; None where there is but one."""
        return None

    def may_keep(self, schema: str | None, table: str) -> Query | None:
        """One boolean: whether this role may write to a table of ours, or make it; without a schema, where a table lies
        that names none. None where whoever writes may."""
        return None

    def try_lock(self, name: str) -> Query | None:
        """One boolean: whether this session now has the lock; None where ``begin`` keeps other migrators away."""
        return None

    def holds_lock(self, name: str) -> Query | None:
        """One boolean: whether the very session that is asked has the lock."""
        return None

    def lock_holder(self, name: str) -> Query | None:
        """Rows as ``blockers`` gives them, of the session that has the lock."""
        return None

    def release_lock(self, name: str) -> Query | None:
        return None

    def session_id(self) -> str | None:
        """One number: the server's name for the session that is asked."""
        return None

    # ------------------------------------------------------------------ who is in the way, and what is left behind

    def blockers(self, statement: str) -> Query | None:
        """pid, application, state, seconds in transaction, lock mode, table, waits for (pids), head of the query: who
        has a lock on a table that the statement names."""
        return None

    def long_transactions(self, at_least: timedelta) -> Query | None:
        """Rows as ``blockers`` gives them, of transactions as old as that."""
        return None

    def invalid_indexes(self) -> str | None:
        """schema, name, table, unique of indexes that nobody is building and nobody can use."""
        return None

    def built_index(self, statement: str) -> tuple[str | None, str] | None:
        """Schema and name of the index that the statement builds without holding anybody up."""
        return None

    def drop_index(self, schema: str | None, name: str) -> str:
        raise NotImplementedError

    def rebuild_index(self, schema: str, name: str) -> str:
        raise NotImplementedError
