"""Undo, the proof: what did not come back as it was, as queries of relation, key, why and fields."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.dialects.sqlite.sql import all_of, differ, found_by, literal, matching, qualified, quote, same
from holdfast.dialects.sqlite.undo_table import TableUndo
from holdfast.objects import Protections
from holdfast.policies import SoftDelete
from holdfast.tables import ForeignKey, TableName


@dataclass(frozen=True, slots=True)
class Proof:
    """Renders the questions that concern one table, once the undo has written it."""

    part: TableUndo
    references: Protections

    @property
    def relation(self) -> int:
        return self.part.relation

    def queries(self) -> list[str]:
        return [self.came_back(), *self.parents(), *self.children(), *self.living()]

    def came_back(self) -> str:
        part = self.part
        compared = " ".join(
            f"when {part.id(c.name)} then {differ(f't.{quote(c.name)}', 'v.before')}"
            for c in part.columns
            if c.name not in part.protection.stamps
        )
        there = f"(select 1 from {part.table} as t where {part.match('t', 'u')})"
        return f"""\
select u.relation, u.shown as key,
    case u.action when 'delete' then 'the row is still there' else 'the row did not come back' end as why, null as fields
from temp.holdfast_undo as u
where u.relation = {self.relation} and case u.action when 'delete' then exists {there} else not exists {there} end
union all
select u.relation, u.shown, 'the row did not come back as it was: a trigger of the database wrote over it', null
from temp.holdfast_undo as u
join {part.table} as t on {part.match("t", "u")}
where u.relation = {self.relation} and u.action <> 'delete'
    and exists (select 1 from temp.holdfast_undo_value as v
                where v.row = u.id and v.had and case v.column_id {compared} else false end)"""

    def living(self) -> list[str]:
        """No living row under a dead parent, whichever of the two the undo has written."""
        part, table = self.part, self.part.protection.table
        queries = []
        mark = self._mark(table.name)
        own = f" and t.{mark} is null" if mark else ""
        for key in table.foreign_keys:
            parent = self._mark(key.target)
            if parent is not None:
                why = literal(f"it would live under a deleted row of {key.target.name} ({key.name})")
                queries.append(f"""\
select u.relation, u.shown as key, {why} as why, null as fields
from temp.holdfast_undo as u
join {part.table} as t on {part.match("t", "u")}
where u.relation = {self.relation} and u.action <> 'delete'{own}
    and exists (select 1 from {qualified(key.target)} as p where {matching(key, "t", "p")} and p.{parent} is not null)""")
        for key in table.referenced_by if mark else ():
            child = self._mark(key.table)
            alive = f" and c.{child} is null" if child else ""
            why = literal(f"rows of {key.table.name} would live under it, and it would be deleted ({key.name})")
            queries.append(f"""\
select u.relation, u.shown as key, {why} as why, null as fields
from temp.holdfast_undo as u
join {part.table} as t on {part.match("t", "u")}
where u.relation = {self.relation} and u.action <> 'delete' and t.{mark} is not null
    and exists (select 1 from {qualified(key.table)} as c where {matching(key, "c", "t")}{alive})""")
        return queries

    def _mark(self, table: TableName) -> str | None:
        protection = self.references.get(table)
        policy = protection.get(SoftDelete) if protection else None
        return quote(policy.column) if policy else None

    def parents(self) -> list[str]:
        """A row that came back, and whose parent is gone meanwhile."""
        queries = []
        for key in self.part.protection.table.foreign_keys:
            given = all_of(f"t.{quote(name)} is not null" for name in key.columns)
            parent = f"select 1 from {qualified(key.target)} as p where {found_by(key, 't', 'p')}"
            why = literal(f"it refers to a row of {key.target.name} that is not there ({key.name})")
            queries.append(f"""\
select u.relation, u.shown as key, {why} as why, null as fields
from temp.holdfast_undo as u
join {self.part.table} as t on {self.part.match("t", "u")}
where u.relation = {self.relation} and u.action <> 'delete' and {given}
    and (u.action = 'insert' or {self.part.changes("u", key.columns)})
    and not exists ({parent})""")
        return queries

    # ------------------------------------------------------------------ what others refer to

    def _losing(self) -> list[tuple[int, ForeignKey]]:
        """The foreign keys, with their numbers, to columns that the undo may give another value in place."""
        updatable = {column.name for column in self.part.updatable}
        keys = enumerate(self.part.protection.table.referenced_by)
        return [(number, key) for number, key in keys if updatable.intersection(key.target_columns)]

    def remember(self) -> list[str]:
        """What refers to the rows before they are written, value for value: afterwards nothing says how it was compared."""
        statements = []
        for number, key in self._losing():
            names = [f"c.{quote(name)}" for name in key.columns]
            listed = ", ".join(f"r{position}" for position in range(len(names)))
            exact = ", ".join(f"typeof({name}), {name} collate binary" for name in names)
            undone = (
                f"u.relation = {self.relation} and u.action = 'update' and {self.part.changes('u', key.target_columns)}"
            )
            statements.append(
                f"insert into temp.holdfast_undo_referred (row, reference, {listed})\n"
                f"select u.id, {number}, {', '.join(names)}\nfrom {qualified(key.table)} as c\n"
                f"cross join {self.part.table} as t on {found_by(key, 'c', 't')}\n"
                f"cross join temp.holdfast_undo as u on {self.part.matched('u', 't')}\n"
                f"where {undone}\n    and exists (select 1 from temp.holdfast_undo as u where {undone})\n"
                f"group by u.id, {exact}"
            )
        return statements

    def children(self) -> list[str]:
        """A value that other rows refer to, and that the undo has taken away."""
        queries = []
        for number, key in self._losing():
            why = literal(f"rows of {key.table.name} refer to the value that it would lose ({key.name})")
            still = all_of(
                f"c.{quote(name)} is r.r{position} and {same(f'c.{quote(name)}', f'r.r{position}')}"
                for position, name in enumerate(key.columns)
            )
            parent = f"select 1 from {qualified(key.target)} as p where {found_by(key, 'c', 'p')}"
            queries.append(f"""\
select distinct u.relation, u.shown as key, {why} as why, null as fields
from temp.holdfast_undo_referred as r
join temp.holdfast_undo as u on u.id = r.row
where u.relation = {self.relation} and r.reference = {number}
    and exists (select 1 from {qualified(key.table)} as c where {still} and not exists ({parent}))""")
        return queries
