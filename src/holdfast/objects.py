"""What holdfast installs: database objects, each with its SQL, its way out and its checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from holdfast.journal import Relation
from holdfast.policies import P, Policy, SoftDelete, Timestamps, Version, find
from holdfast.tables import ForeignKey, TableInfo, TableName

Kind = Literal["schema", "table", "view", "index", "function", "trigger", "policy", "unique key", "foreign key"]
State = Literal["current", "missing", "outdated", "altered", "disabled", "orphaned"]

SCHEMA_VERSION = 3
"""Counts up when the journal's own tables change; a database with a higher one is left alone."""


@dataclass(frozen=True, slots=True)
class DatabaseObject:
    """One object in the database: ``create`` also replaces, ``drop`` takes it away and nothing else."""

    kind: Kind
    name: str
    table: TableName | None
    policy: str
    create: tuple[str, ...]
    drop: tuple[str, ...]
    online: tuple[str, ...] = ()
    """Makes it while the table is written; each is a transaction by itself. Empty where ``create`` stops nobody."""
    columns: tuple[str, ...] = ()
    """What an index is over that is made so."""
    finish: tuple[str, ...] = ()
    """What completes it, in a transaction after that of ``create``, for it takes long under a weaker lock."""

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.kind, str(self.table or ""), self.name

    @property
    def checksum(self) -> str:
        """Of the SQL that was rendered: the ``src`` of the marker."""
        return hashlib.sha256("\n".join(self.create).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class InstalledObject:
    """What the catalog says of one of our objects."""

    kind: Kind
    name: str
    table: TableName | None
    source: str
    """The checksum of the SQL that made it."""
    altered: bool
    """Whether its definition differs from the one that was installed."""
    enabled: bool = True
    replaceable: bool = True
    """Whether ``create`` can replace it; else it must be dropped first."""
    per_table: bool = True
    """Whether it serves one table; the journal's own objects serve all."""
    used_by: tuple[str, ...] = ()
    """What the users built upon it, which would go or break with it."""

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.kind, str(self.table or ""), self.name


@dataclass(frozen=True, slots=True)
class Protection:
    """A table, what the journal calls it, and what must hold for it."""

    table: TableInfo
    relation: Relation
    policies: tuple[Policy, ...]
    added: tuple[str, ...] = ()
    """The columns that holdfast itself brought, and takes away again."""

    @property
    def followers(self) -> tuple[ForeignKey, ...]:
        """The foreign keys of other rows that point here; not those of tables that hold the rest of the same row."""
        policy = self.get(SoftDelete)
        if policy is None or not policy.parts:
            return self.table.referenced_by
        return tuple(key for key in self.table.referenced_by if key.table.name not in policy.parts)

    @property
    def stamps(self) -> frozenset[str]:
        """The columns that a policy keeps, the version and the times: they follow from a change and move on with it."""
        version, timestamps = self.get(Version), self.get(Timestamps)
        times = {timestamps.created, timestamps.updated} if timestamps else set()
        return frozenset(times | {version.column} if version else times)

    def get(self, kind: type[P]) -> P | None:
        return find(self.policies, kind)


Protections = Mapping[TableName, Protection]
