"""What is done to indexes."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.lint.actions.base import Action, OnTable
from holdfast.lint.words import Words
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class CreateIndex(OnTable):
    name: str
    columns: tuple[str, ...] = ()
    """Each column or expression, as text."""
    unique: bool = False
    concurrently: bool = False
    if_not_exists: bool = False
    only: bool = False
    predicate: Words = ()
    online: bool = False
    """ONLINE = ON of SQL Server."""


@dataclass(frozen=True, slots=True)
class DropIndex(Action):
    index: TableName
    concurrently: bool = False
    table: TableName | None = None


@dataclass(frozen=True, slots=True)
class Reindex(Action):
    what: str
    name: TableName
    concurrently: bool = False
