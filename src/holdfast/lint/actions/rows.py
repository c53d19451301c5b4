"""What reads and writes rows, and what is about the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from holdfast.lint.actions.base import Action, OnTable
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class Write(OnTable):
    """INSERT, UPDATE, DELETE, MERGE or COPY."""

    verb: Literal["insert", "update", "delete", "merge", "copy"]
    bounded: bool
    """Whether it is about named rows, or at most so many."""
    from_query: bool = False


@dataclass(frozen=True, slots=True)
class Read(Action):
    """SELECT from tables."""

    tables: tuple[TableName, ...] = ()


@dataclass(frozen=True, slots=True)
class Opaque(Action):
    """What it does cannot be seen from here: DO, CALL, a function that is called for its effects."""

    what: str


@dataclass(frozen=True, slots=True)
class Setting(Action):
    """SET, or PRAGMA."""

    name: str
    value: str
    local: bool = False


@dataclass(frozen=True, slots=True)
class Boundary(Action):
    """BEGIN, COMMIT, ROLLBACK."""

    verb: Literal["begin", "commit", "rollback"]


@dataclass(frozen=True, slots=True)
class Outside(Action):
    """What the server refuses inside a transaction, with no action of its own: CREATE DATABASE, plain VACUUM."""

    what: str
