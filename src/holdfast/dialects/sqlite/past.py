"""A table as it was: what has not changed since is read where it stands, all else from the journal.

Of each row that later transactions changed, the earliest of these changes says what was there: nothing, if it brought
the row; its before-image, if it took it away; else the values that this change and later ones replaced, over the row
that stands there now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from holdfast.dialects.past import Past
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.log import row_document, transaction_number
from holdfast.dialects.sqlite.sql import literal, qualified, quote, refusing
from holdfast.dialects.sqlite.statement import NOW
from holdfast.dialects.sqlite.undo_table import TableUndo
from holdfast.dialects.sqlite.values import key_given, key_is, key_of
from holdfast.objects import Protection
from holdfast.policies import Audit, Timestamps, Version
from holdfast.tables import ColumnInfo

_CHANGES = """\
select c.id, c.key, c.operation, c.side, coalesce(c.place, c.id) as place, c.late
from main.holdfast_change as c"""
KEY = '"holdfast key"'
_ORDER = "l.place, l.late desc, l.id"


def moment(at: datetime) -> str:
    """As the journal writes times: UTC, to the millisecond."""
    return literal(at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))


@dataclass(frozen=True, slots=True)
class TablePast:
    """One table's past, as SQL over its rows now (``t``) and over what the journal says of a row (``p``)."""

    protection: Protection
    writing: bool = False
    """Whether the values are to be written back: one that is not kept is then what it is now, and not NULL."""

    @property
    def part(self) -> TableUndo:
        return TableUndo(self.protection)

    @property
    def audit(self) -> Audit:
        return self.protection.get(Audit) or Audit()

    @property
    def table(self) -> str:
        return qualified(self.protection.table.name)

    def since(self, at: datetime) -> str:
        return (
            f"{_CHANGES}\njoin main.holdfast_transaction as t on t.id = c.transaction_id\n"
            f"where c.relation = {self.part.relation} and t.at > {moment(at)}"
        )

    def since_change(self) -> str:
        return f"{_CHANGES}\nwhere c.relation = {self.part.relation} and c.key is :kept and c.id > :change"

    def select(self, since: str, only: str = "") -> str:
        """``since`` are the changes to look behind; ``only`` bounds the rows of now (``t``) to one."""
        columns = self.protection.table.columns
        # The plus takes the affinity away, which would make 1 of '1'.
        spelled = f"+({key_of('t', self.protection.table.key)})"
        unchanged = self._select([f"t.{quote(c.name)}" for c in columns])
        values = self._select([self._then(column) for column in columns])
        pivoted = ",\n        ".join(
            f"max(case when v.column_id = {self.part.id(c.name)} then v.before end) as c{self.part.id(c.name)},\n"
            f"        max(v.column_id = {self.part.id(c.name)}) as h{self.part.id(c.name)}"
            for c in columns
        )
        bounded = f"{only} and " if only else ""
        return f"""\
with later as materialized (
{since}
),
past as materialized (
    select o.key, o.id as first_id, o.side = 2 as came, o.left_id
    from (
        select l.key, l.id, l.side, row_number() over known as n,
            min(case when l.side = 1 then l.id end) over (partition by typeof(l.key), l.key) as left_id
        from later as l
        window known as (partition by typeof(l.key), l.key order by {_ORDER})
    ) as o
    where o.n = 1
),
-- The oldest value of each column is what it was; what came to the key after the row had left is another row.
document as (
    select v.key,
        {pivoted}
    from (
        select l.key, x.column_id, x.masked, case when x.masked is null then x.before end as before,
            row_number() over (partition by typeof(l.key), l.key, x.column_id order by {_ORDER}) as n
        from later as l
        join past as p on p.key = l.key and typeof(p.key) = typeof(l.key)
        join main.holdfast_value as x on x.change = l.id
        where l.side & 1 and (p.left_id is null or l.id <= p.left_id)
    ) as v
    where v.n = 1{self._unless_hidden("v.masked")}
    group by typeof(v.key), v.key
),
present as materialized (
    select {spelled} as {KEY}, t.*
    from {self.table} as t
    where {bounded}{spelled} in (select p.key from past as p)
)
select {unchanged}
from {self.table} as t
where {bounded}{spelled} not in (select p.key from past as p)
union all
select {values}
from past as p
left join document as d on d.key = p.key and typeof(d.key) = typeof(p.key)
left join present as t on t.{KEY} = p.key and typeof(t.{KEY}) = typeof(p.key)
where not p.came"""

    def _unless_hidden(self, masked: str) -> str:
        return f" and {masked} is null" if self.writing else ""

    def _select(self, values: list[str]) -> str:
        """The columns under their names; one that is not kept as it was is NULL everywhere."""
        pairs = zip(self.protection.table.columns, values, strict=True)
        return ",\n    ".join(
            f"{'null' if c.name in self.audit.exclude else value} as {quote(c.name)}" for c, value in pairs
        )

    def _then(self, column: ColumnInfo) -> str:
        """An expression: the column's value then, where the row was changed since."""
        number = self.part.id(column.name)
        now, known, value = f"t.{quote(column.name)}", f"d.h{number}", f"d.c{number}"
        version, timestamps = self.protection.get(Version), self.protection.get(Timestamps)
        if column.generated:
            return "null"
        if column.name in self.audit.mask | self.audit.large:
            return f"case when p.left_id is null and {known} is not 1 then {now} end"
        if version is not None and column.name == version.column:
            # It counted up with each change that was made in place.
            return f"""case when {known} then {value} when p.left_id is null then {now} end - (
        select count(*) from later as l
        where l.key is p.key and typeof(l.key) = typeof(p.key) and l.side = 3
            and (p.left_id is null or l.id < p.left_id))"""
        if timestamps is not None and column.name == timestamps.updated:
            created = next(c for c in self.protection.table.columns if c.name == timestamps.created)
            return f"""coalesce(
        (select replace(substr(x.at, 1, 23), 'T', ' ') || '000' from main.holdfast_change as l
         join main.holdfast_transaction as x on x.id = l.transaction_id
         where l.relation = {self.part.relation} and l.key is p.key and l.id < p.first_id order by l.id desc limit 1),
        {self._then(created)})"""
        # A row that left is not the one that may stand there now.
        return f"case when {known} then {value} when p.left_id is null then {now} end"


class SQLitePast(Past):
    """To the millisecond, by the time of a transaction's first change: between that and its commit nobody else writes."""

    def table(self, protection: Protection, at: datetime) -> str:
        past = TablePast(protection)
        return past.select(past.since(at))

    def row(self, protection: Protection, *, writing: bool = False) -> str:
        past = TablePast(protection, writing)
        return past.select(past.since_change(), key_is(protection, "t"))

    def update(self, protection: Protection) -> str:
        part = TableUndo(protection)
        names = [quote(c.name) for c in part.updatable]
        columns = ", ".join(names)
        values = ", ".join(f"p.{name}" for name in names)
        return (
            f"{refusing('update', protection.table)} {part.table} as t\nset ({columns}) = (\n    select {values}\n    from (\n"
            f"{self.row(protection, writing=True)}\n    ) as p\n)\n"
            f"where {key_is(protection, 't')}\nreturning 1"
        )

    def insert(self, protection: Protection) -> str:
        part = TableUndo(protection)
        names = [quote(c.name) for c in part.columns]
        return (
            f"{refusing('insert', protection.table)} into {part.table} ({', '.join(names)})\nselect {', '.join(f'p.{name}' for name in names)}\nfrom (\n"
            f"{self.row(protection)}\n) as p\nwhere true\nreturning 1"
        )

    def documents(self, protection: Protection, select: str) -> str:
        keys = ", ".join(f"t.{quote(name)}" for name in protection.table.key)
        return f"select {row_document(protection, 't')}\nfrom (\n{select}\n) as t\norder by {keys}"

    def present(self, protection: Protection) -> str:
        return f"select t.* from {qualified(protection.table.name)} as t where {key_is(protection, 't')}"

    def time_text(self, at: datetime) -> str:
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

    def parameters(self, protection: Protection, key: str) -> Mapping[str, Any]:
        several, single = key_given(key)
        return {"key": key, "kept": several if len(protection.table.key) > 1 else single}

    def committed(self, transaction: str) -> Query:
        return Query(
            "select t.at from main.holdfast_transaction as t where t.id = :transaction",
            {"transaction": transaction_number(transaction)},
        )

    def now(self) -> str:
        return f"select {NOW}, false"
