"""What is done to types and domains."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.lint.actions.base import Action
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class CreateType(Action):
    name: TableName
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddLabel(Action):
    """ALTER TYPE … ADD VALUE."""

    type: TableName
    label: str
    positioned: bool = False


@dataclass(frozen=True, slots=True)
class RenameLabel(Action):
    type: TableName
    label: str


@dataclass(frozen=True, slots=True)
class CreateDomain(Action):
    name: TableName
    constrained: bool


@dataclass(frozen=True, slots=True)
class ConstrainDomain(Action):
    name: TableName
    not_valid: bool
