"""Two columns that say the same while one replaces the other, as expressions over the rows of a trigger.

A BEFORE trigger of SQLite cannot change the row. So an AFTER trigger writes the other column in an UPDATE of its own,
and what our other triggers see of the first write is worked out here: what the row is going to be. The second UPDATE
is known by what it does, for nobody else makes two columns agree that did not, and changes nothing but them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from holdfast.dialects.sqlite.defaults import default_value
from holdfast.dialects.sqlite.sql import any_of, differ, quote, same
from holdfast.tables import Expansion, TableInfo

Event = Literal["insert", "update"]
Affinity = Literal["integer", "text", "blob", "real", "numeric"]


def affinity(type_: str) -> Affinity:
    """What SQLite makes of values that are put into a column of that type."""
    declared = type_.lower()
    if "int" in declared:
        return "integer"
    if any(part in declared for part in ("char", "clob", "text")):
        return "text"
    if not declared or "blob" in declared:
        return "blob"
    return "real" if any(part in declared for part in ("real", "floa", "doub")) else "numeric"


@dataclass(frozen=True, slots=True)
class Pair:
    """An expansion of one table, rendered."""

    table: str
    expansion: Expansion
    old_type: str
    new_type: str

    @property
    def columns(self) -> tuple[str, str]:
        return self.expansion.old, self.expansion.new

    @property
    def _raw(self) -> tuple[str, str]:
        return f"new.{quote(self.expansion.old)}", f"new.{quote(self.expansion.new)}"

    def up(self, row: str) -> str:
        """What follows from the row's old column."""
        return self._derived(row, self.expansion.old, self.expansion.up, self.new_type)

    def down(self, row: str) -> str:
        return self._derived(row, self.expansion.new, self.expansion.down, self.old_type)

    def _derived(self, row: str, source: str, expression: str | None, type_: str) -> str:
        value = f"{row}.{quote(source)}"
        if expression is None:
            return value
        return _stored(f"(select {expression} from (select {value} as {quote(source)}) as {quote(self.table)})", type_)

    def consistent(self, row: str) -> str:
        """A condition: either column follows from the other."""
        old, new = (f"{row}.{quote(name)}" for name in self.columns)
        return f"({same(new, self.up(row))} or {same(old, self.down(row))})"

    def written(self, column: str) -> str:
        return differ(f"old.{quote(column)}", f"new.{quote(column)}")

    # ------------------------------------------------------------------ what a write comes to

    def after(self, column: str, event: Event) -> str:
        """An expression: what the column will have once both agree."""
        old, new = self._raw
        if event == "insert":
            if column == self.expansion.new:
                return f"case when {new} is null then {self.up('new')} else {new} end"
            return (
                f"case when {new} is null or {self.consistent('new')} then {old}"
                f" when {self._not_given()} then {self.down('new')} else {old} end"
            )
        old_written, new_written = (self.written(name) for name in self.columns)
        if column == self.expansion.new:
            return (
                f"case when {self.consistent('new')} or {new_written} then {new}"
                f" when {old_written} or {new} is null then {self.up('new')} else {new} end"
            )
        return (
            f"case when {self.consistent('new')} or not {new_written} or {old_written} then {old}"
            f" else {self.down('new')} end"
        )

    def conflict(self, event: Event) -> str:
        """A condition: both were written, and not with the same."""
        _, new = self._raw
        if event == "insert":
            return f"{new} is not null and not {self._not_given()} and not {self.consistent('new')}"
        both = " and ".join(self.written(name) for name in self.columns)
        return f"{both} and not {self.consistent('new')}"

    def _not_given(self) -> str:
        """A condition: an INSERT left the old column out. Who wrote its very default is taken for one who did."""
        old, _ = self._raw
        if self.expansion.default is None:
            return f"{old} is null"
        return f"({old} is null or {same(old, _stored(default_value(self.expansion.default), self.old_type))})"

    def is_ours(self, others_changed: str) -> str:
        """A condition on an UPDATE: it is the one that makes the columns agree."""
        return f"(not {self.consistent('old')} and {self.consistent('new')} and not {others_changed})"


def pairs_of(table: TableInfo) -> tuple[Pair, ...]:
    types = {column.name: column.type for column in table.columns}
    return tuple(
        Pair(table.name.name, each, types[each.old], types[each.new])
        for each in table.expansions
        if each.old in types and each.new in types
    )


def pair_with(pairs: Sequence[Pair], column: str) -> Pair | None:
    return next((each for each in pairs if column in each.columns), None)


def makes_pairs_agree(table: TableInfo) -> str:
    """A condition on an UPDATE: it only makes two columns agree; nothing where there are none."""
    conditions = []
    for pair in pairs_of(table):
        others = [column.name for column in table.writable if column.name not in pair.columns]
        changed = any_of(differ(f"old.{quote(name)}", f"new.{quote(name)}") for name in others)
        conditions.append(pair.is_ours(f"({changed})"))
    return any_of(conditions) if conditions else ""


def _stored(value: str, type_: str) -> str:
    """An expression: the value as a column of that type keeps it. A text that is a number is left to SQLite."""
    kind = affinity(type_)
    if kind == "text":
        return f"case when typeof({value}) in ('integer', 'real') then cast({value} as text) else {value} end"
    if kind == "real":
        return f"case when typeof({value}) = 'integer' then cast({value} as real) else {value} end"
    if kind in ("integer", "numeric"):
        return (
            f"case when typeof({value}) = 'real' and {value} = cast({value} as integer)"
            f" then cast({value} as integer) else {value} end"
        )
    return value
