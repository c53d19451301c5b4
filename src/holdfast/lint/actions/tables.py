"""What is done to tables."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.lint.actions.base import Action, Column, Constraint, OnTable, Type
from holdfast.lint.words import Words
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class CreateTable(OnTable):
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    if_not_exists: bool = False
    partitioned: bool = False
    partition_of: TableName | None = None
    query: Words = ()
    """The query whose rows it is filled with."""


@dataclass(frozen=True, slots=True)
class AddColumn(OnTable):
    column: Column


@dataclass(frozen=True, slots=True)
class DropColumn(OnTable):
    column: str


@dataclass(frozen=True, slots=True)
class RenameColumn(OnTable):
    column: str
    new: str


@dataclass(frozen=True, slots=True)
class RenameTable(OnTable):
    new: TableName


@dataclass(frozen=True, slots=True)
class AlterType(OnTable):
    column: str
    type: Type
    using: Words | None = None
    collated: bool = False
    """Whether it gives a collation too, for which indexes are built anew."""


@dataclass(frozen=True, slots=True)
class SetNotNull(OnTable):
    column: str


@dataclass(frozen=True, slots=True)
class DropNotNull(OnTable):
    column: str


@dataclass(frozen=True, slots=True)
class SetDefault(OnTable):
    column: str
    default: Words | None
    """None: DROP DEFAULT."""


@dataclass(frozen=True, slots=True)
class AddConstraint(OnTable):
    constraint: Constraint


@dataclass(frozen=True, slots=True)
class ValidateConstraint(OnTable):
    name: str


@dataclass(frozen=True, slots=True)
class DropConstraint(OnTable):
    name: str
    foreign_key: bool = False


@dataclass(frozen=True, slots=True)
class ChangeSetting(OnTable):
    """OWNER TO, REPLICA IDENTITY, SET (…) and the like: nothing is rewritten or read."""

    setting: str


@dataclass(frozen=True, slots=True)
class Rewrite(Action):
    """VACUUM FULL, CLUSTER, SET LOGGED and the like: every row is written anew."""

    how: str
    table: TableName | None = None


@dataclass(frozen=True, slots=True)
class RowSecurity(OnTable):
    enable: bool | None = None
    force: bool | None = None


@dataclass(frozen=True, slots=True)
class SwitchTrigger(OnTable):
    name: str
    enable: bool


@dataclass(frozen=True, slots=True)
class AttachPartition(OnTable):
    partition: TableName


@dataclass(frozen=True, slots=True)
class DetachPartition(OnTable):
    partition: TableName
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class Truncate(OnTable):
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class LockTable(OnTable):
    mode: str
