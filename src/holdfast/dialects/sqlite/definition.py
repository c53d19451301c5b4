"""What a CREATE TABLE of SQLite says: columns and constraints, which can be changed and written anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.dialects.sqlite.sql import quote
from holdfast.dialects.sqlite.tokens import tokens


@dataclass(frozen=True, slots=True)
class Clause:
    """A constraint, or what else is said of a column, with its name in front of it where it has one."""

    kind: str
    text: str
    name: str | None = None
    columns: tuple[str, ...] = ()
    """Of a constraint of the table: what it is on, lower case, where that is a list of columns."""
    target: tuple[str, tuple[str, ...]] | None = None
    """Of a foreign key: the table and the columns that it refers to."""

    def mentions(self, name: str) -> bool:
        return any(each.name.lower() == name.lower() for each in tokens(self.text) if each.kind in ("word", "quoted"))


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    name: str
    type: str
    clauses: tuple[Clause, ...]
    text: str
    """As it was written, comments included."""

    @property
    def generated(self) -> bool:
        return self.has("GENERATED")

    def has(self, kind: str) -> bool:
        return any(each.kind == kind for each in self.clauses)

    def without(self, *kinds: str) -> ColumnDefinition:
        return self.changed(clauses=tuple(each for each in self.clauses if each.kind not in kinds))

    def changed(self, *, sort: str | None = None, clauses: Sequence[Clause] | None = None) -> ColumnDefinition:
        """The same column, written anew."""
        sort = self.type if sort is None else sort
        clauses = self.clauses if clauses is None else tuple(clauses)
        text = " ".join(each for each in (quote(self.name), sort, *(each.text for each in clauses)) if each)
        return replace(self, type=sort, clauses=clauses, text=text)


@dataclass(frozen=True, slots=True)
class TableDefinition:
    name: str
    columns: tuple[ColumnDefinition, ...]
    constraints: tuple[Clause, ...]
    options: str
    """WITHOUT ROWID, STRICT."""

    def column(self, name: str) -> ColumnDefinition | None:
        return next((each for each in self.columns if each.name.lower() == name.lower()), None)

    @property
    def without_rowid(self) -> bool:
        return "WITHOUT" in [each.word for each in tokens(self.options)]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key, lower case."""
        inline = tuple(each.name.lower() for each in self.columns if each.has("PRIMARY KEY"))
        return inline or next((each.columns for each in self.constraints if each.kind == "PRIMARY KEY"), ())

    @property
    def rowid_column(self) -> str | None:
        """The column that is the rowid."""
        if self.without_rowid or len(self.key) != 1:
            return None
        column = self.column(self.key[0])
        return column.name if column is not None and column.type.upper() == "INTEGER" else None

    @property
    def autoincrement(self) -> bool:
        return any(
            each.kind == "PRIMARY KEY" and each.mentions("autoincrement") for c in self.columns for each in c.clauses
        )

    def render(self, name: str) -> str:
        """The statement that makes it under that name."""
        parts = [*(each.text for each in self.columns), *(each.text for each in self.constraints)]
        return f"CREATE TABLE {quote(name)} (\n\t" + ", \n\t".join(parts) + f"\n){self.options}"
