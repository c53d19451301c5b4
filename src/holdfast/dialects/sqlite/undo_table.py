"""What an undo writes to one table, and how it finds the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.dialects.sqlite.defaults import default_value
from holdfast.dialects.sqlite.sql import all_of, holds, qualified, quote, refusing, same
from holdfast.dialects.sqlite.values import json_value, key_json, key_of
from holdfast.objects import Protection
from holdfast.policies import Audit
from holdfast.tables import ColumnInfo, UniqueKey


@dataclass(frozen=True, slots=True)
class TableUndo:
    """Renders the parts of an undo that concern one table."""

    protection: Protection

    @property
    def table(self) -> str:
        return qualified(self.protection.table.name)

    @property
    def relation(self) -> int:
        return self.protection.relation.id

    @property
    def key(self) -> tuple[str, ...]:
        return self.protection.table.key

    @property
    def hidden(self) -> frozenset[str]:
        audit = self.protection.get(Audit) or Audit()
        return audit.exclude | audit.mask | audit.large

    @property
    def columns(self) -> list[ColumnInfo]:
        """The columns whose values the journal has, and that a statement may write."""
        return [column for column in self.protection.table.writable if column.name not in self.hidden]

    @property
    def updatable(self) -> list[ColumnInfo]:
        return [c for c in self.columns if c.name not in self.protection.stamps and c.name not in self.key]

    @property
    def uniques(self) -> list[UniqueKey]:
        """The unique keys whose values the undo knows."""
        known = {column.name for column in self.columns}
        return [u for u in self.protection.table.uniques if not u.partial and set(u.columns) <= known]

    @property
    def movable(self) -> list[UniqueKey]:
        """Those whose values an update may change: a row whose key is another is deleted, and inserted."""
        return [unique for unique in self.uniques if not set(unique.columns) <= set(self.key)]

    def id(self, name: str) -> int:
        return self.protection.relation.column_id(name)

    def ids(self, names: Sequence[str]) -> str:
        return ", ".join(str(self.id(name)) for name in names)

    def match(self, row: str, undone: str) -> str:
        """A condition: the row of the table is the one to undo. Found by the table's index, then told exactly."""
        parts = []
        for position, name in enumerate(self.key):
            column = f"{row}.{quote(name)}"
            parts.append(f"{column} is {undone}.k{position} and {same(column, f'{undone}.k{position}')}")
        return all_of(parts)

    def matched(self, undone: str, row: str) -> str:
        """The same condition, where it is the row of the undo that is to be found, by its own index."""
        parts = []
        for position, name in enumerate(self.key):
            column, part = f"{row}.{quote(name)}", f"{undone}.k{position}"
            # A plain column would be compared with its affinity, which the index has not.
            parts.append(f"{part} is +{column} and {same(column, part)}")
        return all_of(parts)

    def changes(self, undone: str, names: Sequence[str]) -> str:
        """A condition: the undo gives one of these columns another value."""
        return (
            f"exists (select 1 from temp.holdfast_undo_value as x\n"
            f"        where x.row = {undone}.id and x.had and x.column_id in ({self.ids(names)}))"
        )

    # ------------------------------------------------------------------ finding the rows

    def find_keys(self) -> list[str]:
        """Gives each row the values of its key as they are in the table."""
        if len(self.key) == 1:
            return [
                f"update temp.holdfast_undo as u\nset k0 = u.key, shown = {key_json('u.key')}\n"
                f"where u.relation = {self.relation}"
            ]
        parts = ", ".join(f"k{n} = {json_value('u.key', f'$[{n}]')}" for n in range(len(self.key)))
        natively = []
        for position, name in enumerate(self.key):
            natively.append(
                f"k{position} = coalesce(\n"
                f"    (select case when v.had then v.before else v.after end from temp.holdfast_undo_value as v\n"
                f"     where v.row = u.id and v.column_id = {self.id(name)}),\n"
                f"    (select t.{quote(name)} from {self.table} as t where {key_of('t', self.key)} = u.key),\n"
                f"    k{position})"
            )
        return [
            f"update temp.holdfast_undo as u\nset shown = u.key, {parts}\nwhere u.relation = {self.relation}",
            # JSON says neither what a blob is nor every bit of a real.
            f"update temp.holdfast_undo as u\nset {', '.join(natively)}\nwhere u.relation = {self.relation}\n"
            f"    and exists (select 1 from json_each(u.key) as e where e.type not in ('integer', 'text'))",
        ]

    # ------------------------------------------------------------------ the writes

    def wanted(self, name: str, undone: str, row: str) -> str:
        """An expression: the value that the column will have when the undo is done."""
        value = (
            f"from temp.holdfast_undo_value as x where x.row = {undone}.id and x.column_id = {self.id(name)} and x.had"
        )
        return f"case when exists (select 1 {value}) then (select x.before {value}) else {row}.{quote(name)} end"

    def set_aside(self) -> list[str]:
        """SQLite checks unique keys row by row. A row whose value another row of the undo still holds is taken out
        and put back, where two rows have swapped values or passed them round."""
        statements = []
        for unique in self.movable:
            match = holds(unique, "o", [self.wanted(name, "holdfast_undo", "t") for name in unique.columns])
            itself = all_of(same(f"o.{quote(name)}", f"t.{quote(name)}") for name in self.key)
            statements.append(
                f"update temp.holdfast_undo\nset rewrite = 1\n"
                f"where relation = {self.relation} and action = 'update' and {self.changes('holdfast_undo', unique.columns)}\n"
                f"    and exists (\n        select 1 from {self.table} as t\n        join {self.table} as o on {match}\n"
                f"        where {self.match('t', 'holdfast_undo')} and not {itself})"
            )
        if statements:
            for column in self.protection.table.writable:
                statements.append(
                    "insert into temp.holdfast_undo_value (row, column_id, before, had, after, given, masked)\n"
                    f"select u.id, {self.id(column.name)}, t.{quote(column.name)}, 1, null, 0, 0\n"
                    f"from temp.holdfast_undo as u\njoin {self.table} as t on {self.match('t', 'u')}\n"
                    f"where u.relation = {self.relation} and u.rewrite\n"
                    f"on conflict (row, column_id) do update set before = excluded.before, had = 1 where not had"
                )
        return statements

    def delete(self) -> str:
        names = ", ".join(quote(name) for name in self.key)
        keys = ", ".join(f"u.k{position}" for position in range(len(self.key)))
        chosen = f"u.relation = {self.relation} and (u.action = 'delete' or u.rewrite)"
        return (
            f"delete from {self.table} as t\nwhere ({names}) in (select {keys} from temp.holdfast_undo as u where {chosen})\n"
            f"    and exists (select 1 from temp.holdfast_undo as u where {chosen} and {self.matched('u', 't')})"
        )

    def _pivot(self, columns: Sequence[ColumnInfo], condition: str) -> str:
        """A query: a row for each row to undo, with what each column was, and whether it is to be that again."""
        keys = ", ".join(f"u.k{position} as k{position}" for position in range(len(self.key)))
        values = ",\n    ".join(
            f"max(v.column_id = {self.id(c.name)}) as h{number}, "
            f"max(case when v.column_id = {self.id(c.name)} then v.before end) as b{number}"
            for number, c in enumerate(columns)
        )
        return (
            f"select {keys},\n    {values}\nfrom temp.holdfast_undo as u\n"
            f"join temp.holdfast_undo_value as v on v.row = u.id and v.had\n"
            f"where u.relation = {self.relation} and {condition}\ngroup by u.id"
        )

    def update(self) -> list[str]:
        columns = self.updatable
        if not columns:
            return []
        assignments = ",\n    ".join(
            f"{quote(c.name)} = case when p.h{number} then p.b{number} else t.{quote(c.name)} end"
            for number, c in enumerate(columns)
        )
        pivot = self._pivot(columns, "u.action = 'update' and not u.rewrite")
        verb = refusing("update", self.protection.table)
        return [f"{verb} {self.table} as t\nset {assignments}\nfrom (\n{pivot}\n) as p\nwhere {self.match('t', 'p')}"]

    def insert(self) -> list[str]:
        statements = [self._insert(self.columns, "u.action = 'insert'")]
        if self.movable:
            statements.append(self._insert(list(self.protection.table.writable), "u.rewrite"))
        return statements

    def _insert(self, columns: Sequence[ColumnInfo], condition: str) -> str:
        names = ", ".join(quote(c.name) for c in columns)
        # A column that came later gets its default.
        values = ", ".join(
            f"p.b{number}"
            if c.default is None
            else f"case when p.h{number} then p.b{number} else {default_value(c.default)} end"
            for number, c in enumerate(columns)
        )
        verb = refusing("insert", self.protection.table)
        return f"{verb} into {self.table} ({names})\nselect {values}\nfrom (\n{self._pivot(columns, condition)}\n) as p"
