"""What every dialect answers about a column that is replaced by another one while both are written."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.dialects.changing import Target
from holdfast.dialects.query import Query
from holdfast.tables import Expansion

LONGEST = 63
"""Bytes of a name; the server cuts what is longer."""


@dataclass(frozen=True, slots=True)
class Copied:
    """An index or a constraint on the old column, and what the same on the new one is to be called."""

    name: str
    copy: str
    unique: bool
    constraint: bool
    deferring: str
    definition: str


def bounded(name: str) -> str:
    """The name, or one as short as it may be."""
    if len(name.encode()) <= LONGEST:
        return name
    return f"hf_{hashlib.sha256(name.encode()).hexdigest()[:40]}"


def copy_name(name: str, old: str, new: str) -> str:
    """What the copy of an index or a constraint on ``old`` is called."""
    return bounded(name.replace(old, new, 1) if old in name else f"{name}_{new}")


class Expanding(ABC):
    """What is there, and what follows from what."""

    @abstractmethod
    def schema(self, table: Target) -> Query:
        """One row, one column: the schema in which the table is; none where there is no such table."""

    @abstractmethod
    def column(self, table: Target, column: str) -> Query:
        """type, not null, default, whether it is generated or an identity, whether it is part of the primary key,
        whether a foreign key refers to it; no row where there is no such column."""

    @abstractmethod
    def synchronised(self, table: Target, new: str) -> Query:
        """The expansion as text and whether its trigger is on; no row where there is none."""

    def retired(self, table: Target, column: str) -> Query | None:
        """No row where the column is not retired, where ``last_write`` may only be asked of one that is."""
        return None

    @abstractmethod
    def last_write(self, table: Target, column: str) -> Query:
        """Seconds since the retired column was last written (NULL for never), and whether its trigger is on; no row
        where it is not retired."""

    @abstractmethod
    def unfilled(self, expansion: Expansion) -> tuple[str, str]:
        """The new column's value as an expression over a row, and the condition under which a row lacks it."""


class ExpandingInSteps(Expanding):
    """Where a constraint can be added first and checked later; each tuple of statements is one transaction."""

    @abstractmethod
    def indexes(self, table: Target, column: str) -> Query:
        """name, unique, constraint, deferring, definition of what stands on the column."""

    @abstractmethod
    def checks(self, table: Target, column: str) -> Query:
        """name, definition of the validated checks that the column is in."""

    @abstractmethod
    def foreign_keys(self, table: Target, column: str) -> Query:
        """name, schema and name of the table referred to, columns and columns referred to as JSON, on update,
        on delete, deferrable, deferred, full."""

    # ------------------------------------------------------------------ steps

    @property
    @abstractmethod
    def script(self) -> ExpandingScript:
        """The steps where nobody can be asked."""

    @abstractmethod
    def expand(self, table: Target, expansion: Expansion, type_: str) -> tuple[str, ...]: ...

    @abstractmethod
    def collapse(self, table: Target, expansion: Expansion) -> tuple[str, ...]:
        """The table as it was: the new column is gone."""

    @abstractmethod
    def on_twin(self, twin: Target, expansion: Expansion) -> tuple[str, ...]:
        """The twin's old column becomes its new one."""

    @abstractmethod
    def create_index(self, table: Target, name: str, definition: str, *, concurrently: bool) -> str: ...

    @abstractmethod
    def add_check(self, table: Target, name: str, definition: str, *, valid: bool) -> str: ...

    @abstractmethod
    def same(self, expansion: Expansion, old_type: str, new_type: str) -> str:
        """As a check: either column follows from the other."""

    @abstractmethod
    def contract(
        self,
        table: Target,
        expansion: Expansion,
        *,
        swap: bool,
        default: str | None,
        renamed: Sequence[tuple[Copied, bool]],
        before: Sequence[str],
        after: Sequence[str],
    ) -> tuple[str, ...]:
        """The old column goes; with ``swap`` the new one takes its name, and what was copied takes the names of what
        was copied from."""

    @abstractmethod
    def retire(self, table: Target, column: str) -> tuple[str, ...]:
        """From here on nobody needs to write the column, and it is known when somebody did."""

    @abstractmethod
    def unretire(self, table: Target, column: str) -> tuple[str, ...]: ...

    @abstractmethod
    def remove(self, table: Target, column: str, before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]: ...


class ExpandingScript(ABC):
    """The steps as a script, which asks the database by itself and stops with HF466 where it cannot go on."""

    @abstractmethod
    def expand(self, table: Target, expansion: Expansion, type_: str) -> tuple[str, ...]: ...

    @abstractmethod
    def fill(self, table: Target, column: str, value: str | None) -> str:
        """Batch by batch, each a transaction of its own: the rows in which the column is NULL."""

    @abstractmethod
    def finalize(self, table: Target, old: str, new: str) -> str:
        """Stops where the new column lacks what the old one has."""

    @abstractmethod
    def contract(
        self, table: Target, old: str, new: str, *, swap: bool, default: str | None
    ) -> tuple[str | tuple[str, ...], ...]:
        """Each is a transaction."""
