"""One table within an undo: its columns and keys as expressions over its rows and over ``holdfast_undo``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.sql import literal, qualified, quote
from holdfast.dialects.postgresql.values import from_text, key_parts
from holdfast.objects import Protection
from holdfast.policies import Audit
from holdfast.tables import ColumnInfo, ForeignKey


@dataclass(frozen=True, slots=True)
class TableUndo:
    """One table's names and values, as expressions over its rows (``t``) and over ``holdfast_undo`` (``u``)."""

    protection: Protection
    counted: Sequence[Sequence[Any]] | None = None
    """Of this table, once it is known: relation, action, number of rows, ``had`` and ``given``."""

    @property
    def table(self) -> str:
        return qualified(self.protection.table.name)

    @property
    def rows(self) -> str:
        """What to read, change and delete: its own rows alone, for what inherits may have rows with the same keys."""
        return f"only {self.table}" if self.protection.table.inherits else self.table

    @property
    def relation(self) -> int:
        return self.protection.relation.id

    @property
    def foreign_keys(self) -> list[ForeignKey]:
        """Those that the database acts on, as below."""
        return [key for key in self.protection.table.foreign_keys if key.enforced]

    @property
    def referenced_by(self) -> list[ForeignKey]:
        return [key for key in self.protection.table.referenced_by if key.enforced]

    @property
    def locked(self) -> str:
        """The setting that says how many of the rows were there to be locked."""
        return f"holdfast.locked_{self.relation}"

    @property
    def audit(self) -> Audit:
        return self.protection.get(Audit) or Audit()

    # ------------------------------------------------------------------ columns

    @property
    def _hidden(self) -> frozenset[str]:
        return self.audit.exclude | self.audit.mask | self.audit.large

    @property
    def columns(self) -> list[ColumnInfo]:
        """The columns whose values the journal has, and that a statement may write."""
        return [column for column in self.protection.table.writable if column.name not in self._hidden]

    @property
    def updatable(self) -> list[ColumnInfo]:
        """Without those that a policy keeps: these move on."""
        kept = self.protection.stamps
        return [column for column in self.columns if column.name not in kept and column.identity != "always"]

    @property
    def restored(self) -> list[ColumnInfo]:
        """Those to which the undo of an update gives a value."""
        return self._occurring(self.updatable, 3, ("update",))

    @property
    def left(self) -> list[ColumnInfo]:
        """Those of which it is known what the transaction left."""
        return self._occurring(self.updatable, 4, ("update", "delete"))

    @property
    def leaves_out(self) -> bool:
        """Whether of a row that was updated none of the columns may be there any more."""
        ids = {str(self.id(column.name)) for column in self.protection.table.writable}
        return self.counted is None or any(
            row[1] == "update" and row[3] and not ids.intersection(row[3]) for row in self.counted
        )

    def occurs(self, *actions: str) -> bool:
        return self.counted is None or any(row[1] in actions for row in self.counted)

    def number(self, *actions: str) -> int:
        return sum(row[2] for row in self.counted or () if row[1] in actions)

    def _occurring(self, columns: list[ColumnInfo], position: int, actions: Sequence[str]) -> list[ColumnInfo]:
        if self.counted is None:
            return columns
        names = {name for row in self.counted if row[1] in actions for name in row[position] or ()}
        return [column for column in columns if str(self.id(column.name)) in names]

    def always(self, position: int, actions: Sequence[str]) -> bool:
        """Whether all rows of these actions have the same columns in that array."""
        return (
            self.counted is not None and len({tuple(row[position]) for row in self.counted if row[1] in actions}) == 1
        )

    @property
    def lost(self) -> list[ColumnInfo]:
        """The columns whose values the journal does not have."""
        return [column for column in self.protection.table.writable if column.name in self._hidden]

    @property
    def key_columns(self) -> list[ColumnInfo]:
        by_name = {column.name: column for column in self.protection.table.columns}
        return [by_name[name] for name in self.protection.table.key]

    def id(self, column: str) -> int:
        return self.protection.relation.column_id(column)

    # ------------------------------------------------------------------ expressions

    def same_row(self, table: str, key: str) -> str:
        """A condition: the row of the table has this key, given as the journal spells it."""
        parts = key_parts(self.key_columns, key)
        return " and ".join(
            f"{table}.{quote(column.name)} = {part}" for column, part in zip(self.key_columns, parts, strict=True)
        )

    def document(self, source: str, columns: Sequence[ColumnInfo], alias: str) -> str:
        """A document as a row of texts, by column id: parsed once for all columns."""
        listed = ", ".join(f'"{self.id(column.name)}" text' for column in columns)
        return f"json_to_record({source}::json) as {alias} ({listed})"

    def value(self, column: ColumnInfo, alias: str) -> str:
        return from_text(column, f'{alias}."{self.id(column.name)}"')

    def written(self, columns: Sequence[ColumnInfo], row: str) -> str:
        """An expression: these columns of the row as the journal writes a change of just these.

        Where it is the same text as in the journal, the values are the same; else they must be compared.
        """
        recorder = Recorder(self.protection, self.audit)
        values = (f"'\"{self.id(c.name)}\":' || coalesce({recorder.value(c, row)}, 'null')" for c in columns)
        return "'{' || array_to_string(array[" + ", ".join(values) + "], ',') || '}'"

    def in_(self, array: str, column: str) -> str:
        return f"'{self.id(column)}' = any ({array})"

    def any_in(self, array: str, columns: Sequence[str]) -> str:
        listed = ", ".join(f"'{self.id(column)}'" for column in columns)
        return f"{array} && array[{listed}]"

    def absent(self, column: ColumnInfo, alias: str) -> str:
        """A condition: the image in ``u.before`` is older than the column."""
        return f"{alias}.\"{self.id(column.name)}\" is null and u.before::json -> '{self.id(column.name)}' is null"


def matching(key: ForeignKey, child: str, parent: str) -> str:
    """A condition: the child's foreign key points at the parent.

    A period may be covered by those of several parents together: whichever it overlaps counts.
    """
    parts = [
        f"{child}.{quote(column)} = {parent}.{quote(target)}"
        for column, target in zip(key.columns, key.target_columns, strict=True)
    ]
    if key.period:
        parts[-1] = f"{child}.{quote(key.columns[-1])} && {parent}.{quote(key.target_columns[-1])}"
    if key.target_partition is not None:
        partition = literal(qualified(key.target_partition))
        parts.append(f"{parent}.tableoid in (select q.relid from pg_partition_tree({partition}) as q)")
    return " and ".join(parts)
