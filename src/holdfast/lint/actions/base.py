"""What an action is, and what it may be about: types, columns, constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from holdfast.lint.words import Words
from holdfast.tables import TableName

ConstraintKind = Literal["foreign key", "check", "unique", "primary key", "exclude", "not null"]


@dataclass(frozen=True, slots=True)
class Type:
    """A type under the name that the server's catalog has for it, with its arguments."""

    name: str
    arguments: tuple[str, ...] = ()
    array: bool = False

    def __str__(self) -> str:
        arguments = f"({','.join(self.arguments)})" if self.arguments else ""
        return f"{self.name}{arguments}{'[]' if self.array else ''}"


@dataclass(frozen=True, slots=True)
class Constraint:
    kind: ConstraintKind
    name: str = ""
    columns: tuple[str, ...] = ()
    target: TableName | None = None
    target_columns: tuple[str, ...] = ()
    not_valid: bool = False
    using_index: str = ""
    not_null: str = ""
    """The column, where a CHECK says that it is not null and no more."""
    words: Words = ()
    """The condition of a CHECK."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type
    nullable: bool = True
    default: Words | None = None
    generated: Literal["", "stored", "virtual"] = ""
    identity: bool = False
    constraints: tuple[Constraint, ...] = ()

    @property
    def has_default(self) -> bool:
        """Whether a row gets a value other than NULL without being given one."""
        return bool(self.default and not self.default[0].is_("NULL"))

    def constrained(self, kind: ConstraintKind) -> bool:
        return any(each.kind == kind for each in self.constraints)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a statement does."""


@dataclass(frozen=True, slots=True)
class OnTable(Action):
    table: TableName
