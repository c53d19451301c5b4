"""Undo, the conflicts: what stands in the way, as queries of relation, key, why and fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.dialects.sqlite.sql import all_of, differ, holds, literal, matching, qualified, quote
from holdfast.dialects.sqlite.undo_table import TableUndo
from holdfast.dialects.sqlite.values import ERASED, ERASED_BEFORE, HIDDEN, WAITING, json_text, key_json, key_of
from holdfast.objects import Protections
from holdfast.policies import Audit
from holdfast.tables import ForeignKey

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
    """Renders the questions that concern one table, before anything is written."""

    part: TableUndo
    references: Protections

    @property
    def relation(self) -> int:
        return self.part.relation

    def queries(self, *, force: bool) -> list[str]:
        """All of them, without those that ``force`` overrides."""
        conflicts = [self.gone(), *self.referenced_since(), *self.taken()]
        if not force:
            conflicts += [self.changed_since(), self.hidden_since(), self.not_kept(), self.dropped(), self.erased()]
        return conflicts

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
            match = holds(unique, "o", [f"w.{quote(name)}" for name in unique.columns])
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
        hidden = f"v.row = u.id and v.masked in ({HIDDEN}, {WAITING})"
        return f"""\
select u.relation, u.shown as key, 'the journal does not keep the values of: ' || coalesce((
        select group_concat(coalesce(n.name, '?' || v.column_id), ', ')
        from temp.holdfast_undo_value as v
        left join main.holdfast_column as n on n.relation = u.relation and n.id = v.column_id
        where {hidden}), {names}) as why,
    null as fields
from temp.holdfast_undo as u
where u.relation = {self.relation} and u.action <> 'delete'
    and ({comes_back} or exists (select 1 from temp.holdfast_undo_value as v where {hidden}))"""

    def dropped(self) -> str:
        """All that the transaction changed of a row was in columns that are gone: there is nothing to write."""
        present = self.part.ids([column.name for column in self.part.protection.table.writable])
        return f"""\
select u.relation, u.shown as key, 'nothing is left of what was changed, for these columns were dropped since: ' || (
        select group_concat(coalesce(n.name, '?' || v.column_id), ', ')
        from temp.holdfast_undo_value as v
        left join main.holdfast_column as n on n.relation = u.relation and n.id = v.column_id
        where v.row = u.id and v.had) as why,
    null as fields
from temp.holdfast_undo as u
where u.relation = {self.relation} and u.action = 'update'
    and exists (select 1 from temp.holdfast_undo_value as v where v.row = u.id and v.had)
    and not exists (
        select 1 from temp.holdfast_undo_value as v where v.row = u.id and (v.masked or v.column_id in ({present})))"""

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
