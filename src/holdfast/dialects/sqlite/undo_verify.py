"""Undo, the proof: what did not come back as it was, as queries of relation, key, why and fields."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.dialects.sqlite.sql import all_of, differ, literal, matching, qualified, quote
from holdfast.dialects.sqlite.undo_table import TableUndo
from holdfast.objects import Protections
from holdfast.policies import SoftDelete
from holdfast.tables import TableName


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
            why = literal(f"it refers to a row of {key.target.name} that is not there ({key.name})")
            queries.append(f"""\
select u.relation, u.shown as key, {why} as why, null as fields
from temp.holdfast_undo as u
join {self.part.table} as t on {self.part.match("t", "u")}
where u.relation = {self.relation} and u.action <> 'delete' and {given}
    and (u.action = 'insert' or {self.part.changes("u", key.columns)})
    and not exists (select 1 from {qualified(key.target)} as p where {matching(key, "t", "p")})""")
        return queries

    def children(self) -> list[str]:
        """A value that other rows refer to, and that the undo has taken away."""
        queries = []
        updatable = {column.name for column in self.part.updatable}
        for key in self.part.protection.table.referenced_by:
            if len(key.columns) != 1 or key.target_columns[0] not in updatable:
                continue
            column, target = quote(key.columns[0]), quote(key.target_columns[0])
            why = literal(f"rows of {key.table.name} refer to the value that it would lose ({key.name})")
            queries.append(f"""\
select u.relation, u.shown as key, {why} as why, null as fields
from temp.holdfast_undo as u
join temp.holdfast_undo_value as v on v.row = u.id and v.column_id = {self.part.id(key.target_columns[0])}
where u.relation = {self.relation} and u.action = 'update' and v.had and v.given
    and exists (select 1 from {qualified(key.table)} as c where c.{column} = v.after)
    and not exists (select 1 from {self.part.table} as t where t.{target} = v.after)""")
        return queries
