"""Reading the journal: its changes, and the transactions that made them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from holdfast.dialects.log import Log, LogFilter
from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.sql import indent, qualified
from holdfast.dialects.postgresql.undo_rows import target, target_parameters
from holdfast.dialects.postgresql.undo_table import TableUndo
from holdfast.dialects.postgresql.values import covers, key_spelled
from holdfast.dialects.query import Query
from holdfast.objects import Protection
from holdfast.policies import Audit

_OPERATIONS = {"insert": "I", "update": "U", "delete": "DS", "restore": "R", "truncate": "T"}

# One row for each row that was changed: a run of inserted keys is one change.
_EACH = """\
cross join lateral (
    select c.key as key, null::bigint as number where c.key_last is null
    union all
    select run.key::text, run.key
    from generate_series(c.key_last, case when c.key_last is not null then c.key::bigint end, -1) as run (key)
) as k"""
# Of one row there is one in each.
_ONE = """\
cross join lateral (
    select case when c.key_last is null then c.key else :key end as key, null::bigint as number
) as k"""

# The numbers of transactions are in the order of their first writes, so about in that of their times.
_UNTIL = """\
with recursive search as (
    select 0::bigint as low, (select max(t.id) + 1 from holdfast.transaction as t) as high
    union all
    select case when m.at <= :until then m.id else s.low end, case when m.at <= :until then s.high else s.middle end
    from (select s.low, s.high, (s.low + s.high) / 2 as middle from search as s where s.high - s.low > 1) as s
    -- Where numbers are missing the next one speaks for them.
    left join lateral (
        select t.id, t.at from holdfast.transaction as t where t.id >= s.middle and t.id < s.high order by t.id limit 1
    ) as m on true
)
select s.low from search as s order by s.high - s.low limit 1"""


def _conditions(wanted: LogFilter) -> tuple[list[str], list[str], dict[str, Any]]:
    """What is asked of a change, what of its time (as the end of a comparison), and the parameters."""
    conditions: list[str] = []
    times: list[str] = []
    parameters: dict[str, Any] = {}
    if wanted.relations is not None:
        # Numbers that the planner sees: an index that begins with them then has the changes in their order.
        listed = ", ".join(str(int(each)) for each in wanted.relations) or "null"
        conditions.append(f"c.relation = {listed}" if len(wanted.relations) == 1 else f"c.relation in ({listed})")
    elif wanted.table is not None:
        conditions.append(
            "c.relation = any (array(select r.id from holdfast.relation as r\n"
            "        where r.schema_name = :schema and r.table_name = :table))"
        )
        parameters |= {"schema": wanted.table.schema, "table": wanted.table.name}
    if wanted.since is not None:
        times.append(">= :since")
        parameters["since"] = wanted.since
    if wanted.until is not None:
        times.append("<= :until")
        parameters["until"] = wanted.until
    if wanted.before is not None:
        times.append("< :before")
        parameters["before"] = wanted.before
    if wanted.operation is not None:
        conditions.append("c.operation::text = any (:operations)")
        parameters["operations"] = list(_OPERATIONS[wanted.operation])
    if wanted.transaction is not None:
        xid, at = target(wanted.transaction)
        conditions.append(f"c.xid = {xid}")
        # A time that is known when the statement is planned leaves one partition in the plan.
        times.append(f"= {at}" if wanted.at is None else "= :at")
        parameters |= target_parameters(wanted.transaction) | ({"at": wanted.at} if wanted.at is not None else {})
    if wanted.above is not None:
        conditions.append("c.id > :above")
        parameters["above"] = wanted.above
    return conditions, times, parameters


def _of_row(wanted: LogFilter, chosen: list[str], parameters: dict[str, Any]) -> str:
    """The changes of one row: those of its key, the newest of them by the index, and the runs that cover it."""
    parameters["key"] = key = key_spelled(str(wanted.key))
    few = "\n    order by c.id desc limit :limit" if wanted.limit is not None and wanted.actor is None else ""
    single = " and ".join([*chosen, "c.key = :key and c.key_last is null"])
    parts = [f"    (select c.* from holdfast.change as c where {single}{few})"]
    if key.removeprefix("-").isdecimal() and abs(int(key)) < 2**63:
        runs = " and ".join([*chosen, covers(":key")])
        parts.append(f"    select c.* from holdfast.change as c where {runs}")
    return "\n    union all\n".join(parts)


# [id, key] of each change; one with no later change, or no row, has no row in the answer.
_GIVEN = """\
(
    select g.position - 1 as position, (g.change ->> 0)::bigint as id, g.change ->> 1 as key
    from json_array_elements(cast(:changes as json)) with ordinality as g (change, position)
) as g"""


class PostgreSQLLog(Log):
    def changes(self, wanted: LogFilter) -> Query:
        """Chosen first, then joined: that is work for each row.

        A change's number is taken while its row is locked, so their order is that of the commits, row by row; that of the
        times is not: a transaction may begin first and write last.
        """
        conditions, times, parameters = _conditions(wanted)
        chosen = [*conditions, *(f"c.at {each}" for each in times)]
        source = "holdfast.change as c"
        limit = ""
        if wanted.limit is not None:
            limit = "\nlimit :limit"
            parameters["limit"] = wanted.limit
        if wanted.key is not None:
            source = f"(\n{_of_row(wanted, chosen, parameters)}\n) as c"
            chosen = []
        if wanted.actor is not None:
            source += "\njoin holdfast.transaction as t on t.xid = c.xid and t.at = c.at"
            # A day of one actor is found by the time, of both.
            chosen += ["t.actor = :actor", *(f"t.at {each}" for each in times)]
            parameters["actor"] = wanted.actor
        return Query(
            f"""\
with c as materialized (
    select c.*
    from {source}
    where {" and ".join(chosen) or "true"}
    order by c.id desc{limit}
),
joined as materialized (
    select c.*, t.id as transaction_id, t.actor, t.tenant as acted_for, t.reason, t.committed
    from c
    left join holdfast.transaction as t on t.xid = c.xid and t.at = c.at
)
select c.id, coalesce(c.transaction_id::text, 'x' || c.xid::text) as transaction, c.at, c.actor,
    c.acted_for as tenant, c.reason, c.relation, r.schema_name, r.table_name, k.key, c.operation::text as operation,
    coalesce(c.committed, c.at) as committed, c.before, c.after
from joined as c
join holdfast.relation as r on r.id = c.relation
{_EACH if wanted.key is None else _ONE}
order by c.id desc, k.number desc{limit}""",
            parameters,
        )

    def names(self, relations: Collection[int]) -> Query:
        """As the function holdfast.named calls them, which looks them up for each document."""
        listed = ", ".join(str(int(each)) for each in relations) or "null"
        return Query(
            f"""\
select c.relation, json_object_agg(c.id, c.name || case when c.dropped and exists (
        select from holdfast.relation_column as o
        where o.relation = c.relation and o.name = c.name and not o.dropped
    ) then ' (dropped)' else '' end)::text as names
from holdfast.relation_column as c
where c.relation in ({listed})
group by c.relation""",
            {},
        )

    def windows(self, until: datetime | None, sizes: Sequence[int]) -> Query:
        newest = _UNTIL if until is not None else "select max(t.id) from holdfast.transaction as t"
        listed = ", ".join(str(int(each)) for each in sizes)
        return Query(
            f"""\
with newest (id) as materialized (
{indent(newest, "    ")}
)
select (select t.at from holdfast.transaction as t where t.id <= n.id - w.size order by t.id desc limit 1) as at
from newest as n
cross join unnest(array[{listed}]) with ordinality as w (size, position)
order by w.position""",
            {"until": until} if until is not None else {},
        )

    def transaction(self, transaction: str) -> Query:
        if transaction.startswith("x"):
            return Query(
                "select 'x' || c.xid::text as id, c.at, null as actor, null as tenant, null as reason, null as context,\n"
                "    null as session_user_name, null as application_name, null as client_address\n"
                "from holdfast.change as c where c.xid = cast(cast(:transaction as text) as xid8) order by c.at desc limit 1",
                target_parameters(transaction),
            )
        return Query(
            "select t.id::text as id, t.at, t.actor, t.tenant, t.reason, t.context::text as context, t.session_user_name,\n"
            "    t.application_name, host(t.client_address) as client_address\n"
            "from holdfast.transaction as t where t.id = cast(cast(:transaction as text) as bigint)",
            target_parameters(transaction),
        )

    def current_transaction(self) -> Query:
        return Query(
            "select t.id::text from holdfast.transaction as t where t.xid = pg_current_xact_id() and t.at = now()", {}
        )

    def tables(self, transaction: str) -> Query:
        xid, at = target(transaction)
        return Query(
            "select r.id as relation, r.schema_name, r.table_name,\n"
            "    sum(case when c.key_last is null then 1 else c.key_last - c.key::bigint + 1 end)::bigint as changes\n"
            "from holdfast.change as c\njoin holdfast.relation as r on r.id = c.relation\n"
            f"where c.xid = {xid} and c.at = {at}\n"
            "group by r.id, r.schema_name, r.table_name\norder by r.schema_name, r.table_name",
            target_parameters(transaction),
        )

    def row_images(self, protection: Protection) -> str:
        part = TableUndo(protection)
        recorder = Recorder(protection, protection.get(Audit) or Audit())
        return (
            f"select g.position, {recorder.image('t')} as document\n"
            f"from {_GIVEN}\njoin {qualified(protection.table.name)} as t on {part.same_row('t', 'g.key')}"
        )

    def later_images(self, protection: Protection) -> str:
        return (
            f"select g.position, c.before as document\nfrom {_GIVEN}\n"
            f"join holdfast.change as c on c.relation = {protection.relation.id} and c.key = g.key and c.id > g.id\n"
            "order by c.id"
        )
