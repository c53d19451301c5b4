"""What stands in the way of an undo, and whether everything came back as it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.dialects.sqlite.sql import all_of, differ, literal, matching, qualified, quote
from holdfast.dialects.sqlite.undo_table import TableUndo
from holdfast.dialects.sqlite.values import ERASED, ERASED_BEFORE, json_text, key_json, key_of
from holdfast.objects import Protections
from holdfast.policies import Audit, SoftDelete
from holdfast.tables import ForeignKey, TableName

_AT_ONCE = 100


def _union(selects: Iterable[str]) -> str:
    """UNION ALL of any number of queries: SQLite takes 500 at once."""
    terms = list(selects)
    while len(terms) > _AT_ONCE:
        terms = [
            "select * from (\n" + "\nunion all\n".join(terms[i : i + _AT_ONCE]) + "\n)"
            for i in range(0, len(terms), _AT_ONCE)
        ]
    return "\nunion all\n".join(terms)


@dataclass(frozen=True, slots=True)
class Checks:
    """Renders the questions that concern one table; each answers relation, key, why and fields."""

    part: TableUndo
    references: Protections

    @property
    def relation(self) -> int:
        return self.part.relation

    # ------------------------------------------------------------------ before anything is written

    def gone(self) -> str:
        there = f"(select 1 from {self.part.table} as t where {self.part.match('t', 'u')})"
        return f"""\
select u.relation, u.shown as key,
    case u.action when 'insert' then 'a row with this key exists again' when 'update' then 'the row was deleted since'
        else 'the row is gone already' end as why,
    null as fields
from temp.holdfast_undo as u
where u.relation = {self.relation} and case u.action when 'insert' then exists {there} else not exists {there} end"""

    def changed_since(self) -> str:
        """Field by field: what the transaction wrote, what stands there now, what the undo would write."""
        part = self.part
        selects = [
            f"select u.id, u.relation, u.shown, {literal(c.name)} as name, v.after as base, t.{quote(c.name)} as theirs,\n"
            f"    v.before as ours\n"
            f"from temp.holdfast_undo as u\n"
            f"join temp.holdfast_undo_value as v on v.row = u.id and v.column_id = {part.id(c.name)} and v.given\n"
            f"join {part.table} as t on {part.match('t', 'u')}\n"
            f"where u.relation = {self.relation} and u.action <> 'insert' and {differ(f't.{quote(c.name)}', 'v.after')}"
            for c in part.columns
            if c.name not in part.protection.stamps
        ]
        document = ", ".join(f"json({json_text(f'f.{name}')})" for name in ("base", "theirs", "ours"))
        return (
            f"select f.relation, f.shown as key, 'the row was changed since' as why,\n"
            f"    json_group_array(json_object(f.name, json_array({document}))) as fields\n"
            f"from (\n{_union(selects)}\n) as f\ngroup by f.id, f.relation, f.shown"
        )

    def hidden_since(self) -> str:
        """A created row of which a value was changed since that the journal does not tell."""
        return f"""\
select u.relation, u.shown as key, 'a value that the journal does not keep was changed since: ' || (
        select group_concat(distinct coalesce(n.name, '?' || v.column_id)) {{later}}) as why,
    null as fields
from temp.holdfast_undo as u
where u.relation = {self.relation} and u.since is not null and u.action <> 'insert' and exists (select 1 {{later}})""".format(
            later="""from main.holdfast_change as c
        join main.holdfast_value as v on v.change = c.id and v.masked
        left join main.holdfast_column as n on n.relation = c.relation and n.id = v.column_id
        where c.relation = u.relation and c.key is u.key and typeof(c.key) = typeof(u.key) and c.id > u.last_id"""
        )

    def referenced_since(self) -> list[str]:
        """A row that the transaction created, and that rows outside of the undo refer to now."""
        queries = []
        for key in self.part.protection.table.referenced_by:
            why = literal(f"rows of {key.table.name} refer to it now ({key.name})")
            queries.append(f"""\
select u.relation, u.shown as key, {why} as why, null as fields
from temp.holdfast_undo as u
join {self.part.table} as t on {self.part.match("t", "u")}
where u.relation = {self.relation} and u.action = 'delete'
    and exists (select 1 from {qualified(key.table)} as c where {matching(key, "c", "t")}{self._stays(key)})
    and not {self._comes(key)}""")
        return queries

    def _comes(self, key: ForeignKey) -> str:
        """A condition: another row takes over what is referred to; it left its key, or its spelling of it."""
        same = all_of(
            f"t.{quote(name)} = (select x.before from temp.holdfast_undo_value as x\n"
            f"                where x.row = w.id and x.column_id = {self.part.id(name)} and x.had)"
            for name in key.target_columns
        )
        return (
            f"exists (select 1 from temp.holdfast_undo as w\n"
            f"        where w.relation = {self.relation} and w.action <> 'delete' and {same})"
        )

    def _stays(self, key: ForeignKey) -> str:
        """A condition: the undo itself neither takes the child away nor makes it point elsewhere."""
        child = self.references.get(key.table)
        if child is None or child.get(Audit) is None:
            return ""
        part = TableUndo(child)
        return (
            f"\n    and not exists (select 1 from temp.holdfast_undo as v\n"
            f"        where v.relation = {part.relation} and {part.matched('v', 'c')}\n"
            f"        and (v.action = 'delete' or {part.changes('v', key.columns)}))"
        )

    def taken(self) -> list[str]:
        """A unique value that the undo would write, and that a row outside of it holds now."""
        part = self.part
        queries = []
        for unique in part.uniques:
            match = all_of(f"o.{quote(name)} = w.{quote(name)}" for name in unique.columns)
            listed = ", ".join(f"{part.wanted(name, 'u', 't')} as {quote(name)}" for name in unique.columns)
            shown = " || ', ' || ".join(json_text(f"w.{quote(name)}") for name in unique.columns)
            key = key_of("o", part.key)
            taker = key_json(key) if len(part.key) == 1 else key
            why = literal(f"the value of {unique.name} ({', '.join(unique.columns)}) = (")
            queries.append(f"""\
select w.relation, w.shown as key, {why} || {shown} || ') is now taken by the row with key ' || {taker} as why,
    null as fields
from (
    select u.relation, u.shown, {listed}
    from temp.holdfast_undo as u
    left join {part.table} as t on {part.match("t", "u")}
    where u.relation = {self.relation}
        and (u.action = 'insert' or u.action = 'update' and {part.changes("u", unique.columns)})
) as w
join {part.table} as o on {match}
where not exists (
    select 1 from temp.holdfast_undo as v
    where v.relation = {self.relation} and {part.matched("v", "o")}
        and (v.action <> 'update' or {part.changes("v", unique.columns)}))""")
        return queries

    def not_kept(self) -> str:
        """What the journal does not have it cannot give back."""
        part = self.part
        lost = [column.name for column in part.protection.table.writable if column.name in part.hidden]
        comes_back = "u.action = 'insert'" if lost else "false"
        names = literal(", ".join(lost))
        return f"""\
select u.relation, u.shown as key, 'the journal does not keep the values of: ' || coalesce((
        select group_concat(coalesce(n.name, '?' || v.column_id), ', ')
        from temp.holdfast_undo_value as v
        left join main.holdfast_column as n on n.relation = u.relation and n.id = v.column_id
        where v.row = u.id and v.masked = 1), {names}) as why,
    null as fields
from temp.holdfast_undo as u
where u.relation = {self.relation} and u.action <> 'delete'
    and ({comes_back} or exists (select 1 from temp.holdfast_undo_value as v where v.row = u.id and v.masked = 1))"""

    def erased(self) -> str:
        """What was erased nobody has any more."""
        erased = f"v.row = u.id and v.masked in ({ERASED}, {ERASED_BEFORE})"
        return f"""\
select u.relation, u.shown as key, 'these values were erased: ' || (
        select group_concat(coalesce(n.name, '?' || v.column_id), ', ')
        from temp.holdfast_undo_value as v
        left join main.holdfast_column as n on n.relation = u.relation and n.id = v.column_id
        where {erased}) as why,
    null as fields
from temp.holdfast_undo as u
where u.relation = {self.relation} and exists (select 1 from temp.holdfast_undo_value as v where {erased})"""

    # ------------------------------------------------------------------ the proof

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
