"""A statement of a migration, with all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.lint.actions.base import Action, Type
from holdfast.lint.words import Words
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class Allow:
    """A comment ``holdfast: allow <rule> <reason>``."""

    rule: str
    reason: str
    whole: bool = False
    """Whether it is about the whole migration."""


@dataclass(frozen=True, slots=True)
class Existing:
    """What a migration says of a column that it changes: ``existing_type`` and ``existing_nullable``."""

    table: TableName
    column: str
    type: Type | None = None
    nullable: bool | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a migration, read."""

    text: str
    file: str
    line: int
    migration: str
    words: Words = ()
    actions: tuple[Action, ...] = ()
    transaction: int | None = None
    """Which transaction it runs in; None: it is one by itself."""
    allows: tuple[Allow, ...] = ()
    existing: tuple[Existing, ...] = ()
    notes: frozenset[str] = field(default_factory=frozenset)
    """What only the caller knows: ``batch`` (Alembic would make the table anew), ``python`` (rows were read)."""
    problem: str = ""
    """Why it could not be read; empty: it was."""

    @property
    def understood(self) -> bool:
        return not self.problem
