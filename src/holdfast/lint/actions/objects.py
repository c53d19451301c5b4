"""What is done to triggers, policies, functions, views and grants, and to whatever has no action of its own."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.lint.actions.base import Action, OnTable
from holdfast.lint.words import Words
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class CreateTrigger(OnTable):
    name: str
    words: Words = ()


@dataclass(frozen=True, slots=True)
class DropTrigger(OnTable):
    name: str


@dataclass(frozen=True, slots=True)
class CreatePolicy(OnTable):
    name: str
    words: Words = ()


@dataclass(frozen=True, slots=True)
class AlterPolicy(OnTable):
    name: str
    words: Words = ()


@dataclass(frozen=True, slots=True)
class DropPolicy(OnTable):
    name: str


@dataclass(frozen=True, slots=True)
class CreateFunction(Action):
    name: TableName
    volatile: bool = True
    security_definer: bool = False
    search_path: bool = False


@dataclass(frozen=True, slots=True)
class CreateView(Action):
    name: TableName
    materialized: bool = False
    invoker: bool = False
    words: Words = ()
    """Its query."""


@dataclass(frozen=True, slots=True)
class RefreshView(Action):
    name: TableName
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class Drop(Action):
    """DROP of whatever has no action of its own."""

    kind: str
    name: TableName
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class Rename(Action):
    """RENAME of whatever has no action of its own: a schema, a type, a view."""

    kind: str
    name: TableName
    new: str


@dataclass(frozen=True, slots=True)
class Grant(Action):
    words: Words
    to_public: bool
    revoke: bool = False
