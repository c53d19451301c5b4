"""A neutral description of a table, read from models or from a live database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, NamedTuple

TypeKind = Literal["base", "array", "composite", "domain", "enum", "range", "multirange", "pseudo"]
Action = Literal["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"]
TableKind = Literal["ordinary", "partitioned", "partition", "foreign", "virtual", "temporary"]


class TableName(NamedTuple):
    """A schema and a name, exactly as the database stores them (unquoted)."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column: its type as the database spells it, and the base type that decides how a value is kept."""

    name: str
    type: str
    base_type: str
    type_kind: TypeKind = "base"
    position: int = 0
    nullable: bool = True
    default: str | None = None
    generated: bool = False
    virtual: bool = False
    """Whether it is computed when it is read, and kept nowhere."""
    identity: Literal["", "always", "default"] = ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference from ``columns`` of ``table`` to ``target_columns`` of ``target``."""

    name: str
    table: TableName
    columns: tuple[str, ...]
    target: TableName
    target_columns: tuple[str, ...]
    on_delete: Action = "NO ACTION"
    on_update: Action = "NO ACTION"
    let_go: tuple[str, ...] = ()
    """The columns that SET NULL or SET DEFAULT is about, where it is not all of them."""
    deferral: Literal["", "DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"] = ""
    ours: bool = False
    """Whether holdfast made it in the place of the users' own, with the tenant in front."""
    partition: TableName | None = None
    """The partition of ``table`` that has the key by itself: it binds the rows there, and no others."""
    target_partition: TableName | None = None
    """The partition of ``target`` that it refers to, where it does not refer to the whole table."""
    period: bool = False
    """Whether the last columns are periods: the row's must be covered by those of the rows that it refers to."""
    enforced: bool = True
    """Whether the database acts on it."""

    @property
    def children(self) -> TableName:
        """Where the rows are that refer."""
        return self.partition or self.table

    @property
    def is_plain(self) -> bool:
        """Whether it is between all rows of both tables, and by equal values."""
        return not (self.partition or self.target_partition or self.period)


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique constraint or unique index; only one over plain columns, without a predicate, can be a key."""

    name: str
    columns: tuple[str, ...]
    primary: bool = False
    partial: bool = False
    deferrable: bool = False
    """Whether two rows may hold the same key for a moment."""
    constraint: bool = False
    """Whether it is a constraint, and not an index alone."""
    ours: bool = False
    """Whether holdfast made it, or put the tenant in front."""
    collations: tuple[str, ...] = ()
    """By which each column is compared in it, where that need not be how the column is compared elsewhere."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """A column and the one that is to replace it: how the one follows from the other, and the old one's default.

    ``up`` is an expression over the old column, ``down`` one over the new; None for the value as it is.
    """

    old: str
    new: str
    up: str | None = None
    down: str | None = None
    default: str | None = None
    not_null: bool = False
    """Whether the old column's NOT NULL is left to triggers meanwhile."""

    def as_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Expansion:
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table with its columns, its keys, and the foreign keys that leave it and that point at it."""

    name: TableName
    columns: tuple[ColumnInfo, ...]
    key: tuple[str, ...]
    kind: TableKind = "ordinary"
    oid: int = 0
    last_position: int = 0
    """The highest position that a column has or had."""
    owner: str = ""
    uniques: tuple[UniqueKey, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    referenced_by: tuple[ForeignKey, ...] = ()
    partitions: tuple[TableName, ...] = ()
    """Every partition below a partitioned table, at any depth."""
    partition_columns: tuple[str, ...] = ()
    row_triggers: tuple[str, ...] = ()
    """The events after which triggers of the users' own run for each row: these may write the row again."""
    early_triggers: tuple[str, ...] = ()
    """The events after which triggers of the users' own run once for the statement, and by their names before ours."""
    row_security: tuple[TableName, ...] = ()
    """Which of the table and its partitions show each role its own rows only."""
    own_policies: bool = False
    """Whether the users have a policy of their own that lets rows through."""
    closed: bool = False
    """Whether row security is on and nothing lets a row through."""
    inherits: bool = False
    """Whether the table is a parent or a child in (non-partition) inheritance."""
    children: tuple[TableName, ...] = ()
    """Every table that can be read and written by itself, and whose rows are this table's too: partitions, also those
    that have partitions themselves, and what inherits from it, at any depth."""
    without_rowid: bool = False
    autoincrement: bool = False
    conflict_clauses: bool = False
    """Whether a constraint may say itself what is done about a row that is in the way."""
    expansions: tuple[Expansion, ...] = ()
    """The columns that another one is beside, where our triggers have to know of it."""

    def column(self, name: str) -> ColumnInfo | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def writable(self) -> tuple[ColumnInfo, ...]:
        """The columns that a statement may give a value to."""
        return tuple(column for column in self.columns if not column.generated)

    @property
    def key_is_deferrable(self) -> bool:
        """Whether the key is checked late, so that several rows may have it at once within a transaction."""
        return any(unique.deferrable and unique.columns == self.key for unique in self.uniques)

    def with_columns(self, *added: ColumnInfo) -> TableInfo:
        return replace(self, columns=self.columns + added)


def with_references(tables: Mapping[TableName, TableInfo]) -> dict[TableName, TableInfo]:
    """With the foreign keys that point at each table, and with those that its partitions have by themselves.

    What is protected is the partitioned table, so a key of a partition, or to one, is a key of that table, or to it.
    """
    whole = {child: table.name for table in tables.values() if table.kind == "partitioned" for child in table.children}
    outgoing: dict[TableName, list[ForeignKey]] = {}
    incoming: dict[TableName, list[ForeignKey]] = {}
    for table in tables.values():
        for key in table.foreign_keys:
            if key.children == table.name:
                found = _of_whole_tables(key, whole)
                outgoing.setdefault(table.name, []).append(found)
                incoming.setdefault(found.target, []).append(found)
    for table in tables.values():
        if table.kind == "partitioned":
            own = outgoing.setdefault(table.name, [])
            own += [key for child in table.children for key in outgoing.get(child, ())]
    return {
        name: replace(
            table,
            foreign_keys=tuple(outgoing.get(name, ())),
            referenced_by=tuple(
                sorted(incoming.get(name, ()), key=lambda key: (key.table, key.name, key.partition or ()))
            ),
        )
        for name, table in tables.items()
    }


def _of_whole_tables(key: ForeignKey, whole: Mapping[TableName, TableName]) -> ForeignKey:
    if key.table in whole:
        key = replace(key, table=whole[key.table], partition=key.table)
    if key.target in whole:
        key = replace(key, target=whole[key.target], target_partition=key.target)
    return key
