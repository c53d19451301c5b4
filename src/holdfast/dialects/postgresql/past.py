"""A table as it was: what has not changed since is read where it stands, all else from the journal.

Of each row that later transactions changed, the earliest of these changes says what was there: nothing, if it brought
the row; its before-image, if it took it away; else the values that this change and later ones replaced, over the row
that stands there now. Per row the changes are numbered in the order of the commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from holdfast.dialects.past import Past
from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.sql import dollar, hand_over, indent, literal, qualified, quote
from holdfast.dialects.postgresql.tenant_journal import IN_PART
from holdfast.dialects.postgresql.undo_rows import target_parameters
from holdfast.dialects.postgresql.undo_table import TableUndo
from holdfast.dialects.postgresql.values import exactly, from_text, key_spelled
from holdfast.dialects.query import Query
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Audit, Timestamps, Version
from holdfast.tables import ColumnInfo

# The changes of transactions that had not begun to commit by then. The second part is of those that had begun to
# write: only they can have an older time.
_SINCE = """\
select c.id, c.operation, c.key, c.key_last, c.before
from holdfast.change as c
where c.relation = {relation} and c.at > {moment}
union all
select c.id, c.operation, c.key, c.key_last, c.before
from holdfast.transaction as t
join holdfast.change as c on c.xid = t.xid and c.at = t.at
where t.at <= {moment} and t.committed > {moment} and c.relation = {relation}
    and c.at <= {moment} and c.at >= (
        select min(f.at) from holdfast.transaction as f where f.at <= {moment} and f.committed > {moment})"""

_OF_ROW = """\
select c.id, c.operation, c.key, c.key_last, c.before
from holdfast.change as c
where c.relation = {relation} and c.key = :key and c.key_last is null and c.id > cast(:change as bigint)"""

_CAME = "(l.operation = 'I' or l.operation = 'U' and l.before is null)"
_WENT = "l.operation in ('D', 'T')"


@dataclass(frozen=True, slots=True)
class TablePast:
    """One table's past, as SQL over its rows now (``t``) and over what the journal says of a row (``p``)."""

    protection: Protection
    writing: bool = False
    """Whether the values are to be written back: one that was erased is then what it is now, and not NULL."""

    @property
    def part(self) -> TableUndo:
        return TableUndo(self.protection)

    @property
    def table(self) -> str:
        return qualified(self.protection.table.name)

    def since(self, at: datetime | None) -> str:
        """The changes since that time; None for the one that the function ``as_of`` was given."""
        moment = "current_setting('holdfast.as_of')" if at is None else literal(at.astimezone(UTC).isoformat())
        moment = f"{moment}::timestamptz"
        return _SINCE.format(relation=self.protection.relation.id, moment=moment)

    def since_change(self) -> str:
        return _OF_ROW.format(relation=self.protection.relation.id)

    def select(self, since: str, only: str = "") -> str:
        """``since`` are the changes to look behind; ``only`` bounds the rows of now (``t``) to one."""
        key = self.part.same_row("t", "p.key")
        unchanged = self._select([f"t.{quote(c.name)}" for c in self.protection.table.columns])
        values = self._select([self._then(column) for column in self.protection.table.columns])
        ids = ", ".join(f'"{self.part.id(c.name)}" text' for c in self.protection.table.columns)
        bounded = f"{only} and " if only else ""
        return f"""\
with later as materialized (
    select e.id, e.operation, e.before, k.key
    from (
{indent(since, "        ")}
    ) as e
    -- A run of inserted keys is one change.
    cross join lateral (
        select e.key as key where e.key_last is null
        union all
        select run.key::text
        from generate_series(case when e.key_last is not null then e.key::bigint end, e.key_last) as run (key)
    ) as k
),
past as materialized (
    select l.key, min(l.id) as first_id,
        (array_agg({_CAME} order by l.id))[1] as came,
        min(l.id) filter (where {_WENT}) as left_id
    from later as l
    group by l.key
),
-- The oldest value of each column is what it was; what came to the key after the row had left is another row.
document as (
    select d.key, jsonb_object_agg(d.name, {self._known("d.value")}) as document
    from (
        select distinct on (l.key, v.key) l.key, v.key as name, v.value::jsonb as value
        from later as l
        join past as p on p.key = l.key
        cross join lateral json_each(l.before::json) as v
        where l.before is not null and (p.left_id is null or l.id <= p.left_id)
        order by l.key, v.key, l.id
    ) as d{self._unless_erased("d.value")}
    group by d.key
)
select {unchanged}
from {self.table} as t
where {bounded}not exists (select from past as p where {key})
union all
{
            self._computed(
                values,
                f'''
from past as p
left join document as d on d.key = p.key
left join {self.table} as t on {key}
cross join lateral jsonb_to_record(coalesce(d.document, '{{}}')) as b ({ids})
where not p.came''',
            )
        }"""

    def _known(self, value: str) -> str:
        return value if self.writing else f"case jsonb_typeof({value}) when 'object' then 'null' else {value} end"

    def _unless_erased(self, value: str) -> str:
        return f"\n    where jsonb_typeof({value}) <> 'object'" if self.writing else ""

    def _select(self, values: list[str]) -> str:
        """The columns under their names; one that is not kept as it was is NULL everywhere."""
        pairs = zip(self.protection.table.columns, values, strict=True)
        return ",\n    ".join(
            f"null::{c.type} as {quote(c.name)}" if c.name in self.part.audit.exclude else f"{value} as {quote(c.name)}"
            for c, value in pairs
        )

    def _computed(self, values: str, source: str) -> str:
        """What is generated is computed from what it was generated of."""
        columns = self.protection.table.columns
        if not any(column.generated and column.default for column in columns):
            return f"select {values}{source}"
        listed = ", ".join(
            f"({c.default})::{c.type} as {quote(c.name)}" if c.generated and c.default else f"g.{quote(c.name)}"
            for c in columns
        )
        return f"select {listed}\nfrom (\n{indent(f'select {values}{source}', '    ')}\n) as g"

    def _then(self, column: ColumnInfo) -> str:
        """An expression: the column's value then, where the row was changed since."""
        number = self.part.id(column.name)
        now, known = f"t.{quote(column.name)}", f"d.document -> '{number}' is not null"
        value = exactly(column, from_text(column, f'b."{number}"'), f'b."{number}"')
        version, timestamps = self.protection.get(Version), self.protection.get(Timestamps)
        if column.generated:
            return f"null::{column.type}"
        if column.name in self.part.audit.mask | self.part.audit.large:
            return f"case when p.left_id is null and not coalesce({known}, false) then {now} end"
        if version is not None and column.name == version.column:
            # It counted up with each change that was made in place.
            return f"""(case when {known} then {value} when p.left_id is null then {now} end - (
        select count(*) from later as l
        where l.key = p.key and l.operation in ('U', 'S', 'R') and l.before is not null
            and (p.left_id is null or l.id < p.left_id)))::{column.type}"""
        if timestamps is not None and column.name == timestamps.updated:
            created = next(c for c in self.protection.table.columns if c.name == timestamps.created)
            moment = "l.at at time zone 'UTC'" if column.base_type == "timestamp" else "l.at"
            return f"""coalesce(
        (select {moment} from holdfast.change as l
         where l.relation = {self.part.relation} and l.key = p.key and l.id < p.first_id order by l.id desc limit 1),
        {self._then(created)})"""
        # A row that left is not the one that may stand there now.
        return f"(case when {known} then {value} when p.left_id is null then {now} end)::{column.type}"


def _place(number: int) -> str:
    """Where an expression is to stand; no name and no text can have such a character."""
    return f"\0{number}\0"


def _with_expressions(statement: str, protection: Protection, generated: Sequence[str]) -> str:
    """What a column is generated of is asked for where it is made: each database spells it in its own way."""
    template = statement.replace("%", "%%")
    for number in range(len(generated)):
        template = template.replace(_place(number), f"%{number + 1}$s")
    table = literal(qualified(protection.table.name))
    expressions = ",\n        ".join(
        "(select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef as d join pg_attribute as a\n"
        f"         on a.attrelid = d.adrelid and a.attnum = d.adnum where d.adrelid = {table}::regclass"
        f" and a.attname = {literal(name)})"
        for name in generated
    )
    return "do " + dollar(
        f"begin\n    execute format({dollar(template, 'query')},\n        {expressions});\nend", "make"
    )


def past_function(protection: Protection, owner: str | None) -> DatabaseObject:
    """The query that ``holdfast.as_of`` runs: a function so that drift is seen, its text read by everybody."""
    table = protection.table
    generated = [column.name for column in table.columns if column.generated and column.default]
    columns = [replace(c, default=_place(generated.index(c.name))) if c.name in generated else c for c in table.columns]
    past = TablePast(replace(protection, table=replace(table, columns=tuple(columns))))
    name = f"past_{protection.relation.id}"
    query = f"-- {' '.join(str(protection.table.name).split())} as it was at holdfast.as_of.\n{past.select(past.since(None))}"
    quoted = f"holdfast.{name}()"
    statement = f"create or replace function {quoted}\nreturns setof record\nlanguage sql stable\nas {dollar(query)}"
    create = [_with_expressions(statement, protection, generated) if generated else statement]
    if owner is not None:
        create.append(hand_over(quoted, owner))
    create.append(f"revoke all on function {quoted} from public")
    return DatabaseObject("function", name, None, "Audit", tuple(create), (f"drop function if exists {quoted}",))


class PostgreSQLPast(Past):
    """Exact to the moment at which a transaction began to commit."""

    def table(self, protection: Protection, at: datetime) -> str:
        past = TablePast(protection)
        return past.select(past.since(at))

    def row(self, protection: Protection, *, writing: bool = False) -> str:
        past = TablePast(protection, writing)
        return past.select(past.since_change(), past.part.same_row("t", ":key"))

    def update(self, protection: Protection) -> str:
        part = TableUndo(protection)
        columns = [c for c in part.updatable if c.name not in protection.table.key]
        assignments = ",\n    ".join(f"{quote(c.name)} = p.{quote(c.name)}" for c in columns)
        return (
            f"update {part.table} as t\nset {assignments}\nfrom (\n{indent(self.row(protection, writing=True), '    ')}\n) as p\n"
            f"where {part.same_row('t', ':key')}\nreturning 1"
        )

    def insert(self, protection: Protection) -> str:
        part = TableUndo(protection)
        names = ", ".join(quote(c.name) for c in part.columns)
        values = ", ".join(f"p.{quote(c.name)}" for c in part.columns)
        return (
            f"insert into {part.table} ({names})\noverriding system value\nselect {values}\nfrom (\n"
            f"{indent(self.row(protection), '    ')}\n) as p\nreturning 1"
        )

    def documents(self, protection: Protection, select: str) -> str:
        # What was erased, or is only known to have changed, is NULL in any column.
        columns = tuple(replace(column, nullable=True) for column in protection.table.columns)
        known = replace(protection, table=replace(protection.table, columns=columns))
        recorder = Recorder(known, protection.get(Audit) or Audit())
        keys = ", ".join(f"t.{quote(name)}" for name in protection.table.key)
        return (
            f"select holdfast.named({protection.relation.id}, {recorder.image('t')})::text\nfrom (\n"
            f"{indent(select, '    ')}\n) as t\norder by {keys}"
        )

    def present(self, protection: Protection) -> str:
        part = TableUndo(protection)
        return f"select t.* from {part.table} as t where {part.same_row('t', ':key')}"

    def lock(self, protection: Protection) -> str:
        part = TableUndo(protection)
        return f"select 1 from {part.table} as t where {part.same_row('t', ':key')} for update"

    def time_text(self, at: datetime) -> str:
        return at.astimezone(UTC).isoformat()

    def parameters(self, protection: Protection, key: str) -> Mapping[str, Any]:
        return {"key": key_spelled(key)}

    def committed(self, transaction: str) -> Query:
        if transaction.startswith("x"):
            return Query(
                "select max(c.at) from holdfast.change as c where c.xid = cast(cast(:transaction as text) as xid8)",
                target_parameters(transaction),
            )
        return Query(
            "select t.committed from holdfast.transaction as t where t.id = cast(cast(:transaction as text) as bigint)",
            target_parameters(transaction),
        )

    def now(self) -> str:
        return f"select clock_timestamp(), {IN_PART}"
