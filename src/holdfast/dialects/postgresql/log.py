"""Reading the journal: its changes, and the transactions that made them."""

from __future__ import annotations

from typing import Any

from holdfast.dialects.log import Log, LogFilter
from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.sql import qualified
from holdfast.dialects.postgresql.undo_rows import TableUndo, target, target_parameters
from holdfast.dialects.postgresql.values import key_spelled
from holdfast.dialects.query import Query
from holdfast.objects import Protection
from holdfast.policies import Audit

_OPERATIONS = {"insert": "I", "update": "U", "delete": "DS", "restore": "R", "truncate": "T"}

# One row for each row that was changed: a run of inserted keys is one change.
_KEYS = """\
cross join lateral (
    select c.key as key, null::bigint as number where c.key_last is null
    union all
    select run.key::text, run.key
    from generate_series(c.key_last, case when c.key_last is not null then c.key::bigint end, -1) as run (key)
) as k"""

# As the function holdfast.named does, which looks them up for each document.
_NAMES = """\
names as (
    select c.relation, jsonb_object_agg(c.id, c.name || case when c.dropped and exists (
            select from holdfast.relation_column as o
            where o.relation = c.relation and o.name = c.name and not o.dropped
        ) then ' (dropped)' else '' end) as names
    from holdfast.relation_column as c
    where c.relation in (select distinct e.relation from e)
    group by c.relation
)"""


def _named(document: str) -> str:
    """An expression: the document with column ids as one with the present names, or NULL."""
    return f"""\
case when {document} is not null then coalesce((
        select json_object_agg(coalesce(n.names ->> d.key, '?' || d.key), d.value order by d.key::integer)
        from json_each({document}::json) as d)::text, '{{}}') end"""


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
    if wanted.operation is not None:
        conditions.append("c.operation::text = any (:operations)")
        parameters["operations"] = list(_OPERATIONS[wanted.operation])
    if wanted.transaction is not None:
        xid, at = target(wanted.transaction)
        conditions.append(f"c.xid = {xid}")
        times.append(f"= {at}")
        parameters |= target_parameters(wanted.transaction)
    if wanted.recent is not None:
        times.append(
            ">= (select min(w.at) from (select at from holdfast.transaction order by id desc limit :recent) as w)"
        )
        parameters["recent"] = wanted.recent
    return conditions, times, parameters


def _of_row(wanted: LogFilter, chosen: list[str], parameters: dict[str, Any]) -> str:
    """The changes of one row: those of its key, the newest of them by the index, and the runs that cover it."""
    parameters["key"] = key = key_spelled(str(wanted.key))
    few = "\n    order by c.id desc limit :limit" if wanted.limit is not None and wanted.actor is None else ""
    single = " and ".join([*chosen, "c.key = :key and c.key_last is null"])
    parts = [f"    (select c.* from holdfast.change as c where {single}{few})"]
    if key.removeprefix("-").isdecimal():
        runs = " and ".join([*chosen, "c.key_last >= cast(:key as bigint) and c.key::bigint <= cast(:key as bigint)"])
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
        """Chosen first, then joined and named: that is work for each row.

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
e as materialized (
    select c.id, c.xid, c.at, c.relation, c.operation::text as operation, c.before, c.after, k.key, k.number
    from c
    {_KEYS}
    {"where k.key = :key" if wanted.key is not None else ""}
    order by c.id desc, k.number desc{limit}
),
{_NAMES}
select e.id, coalesce(t.id::text, 'x' || e.xid::text) as transaction, e.at, t.actor, t.tenant, t.reason, e.relation,
    r.schema_name, r.table_name, e.key, e.operation, coalesce(t.committed, e.at) as committed,
    {_named("e.before")} as before,
    {_named("e.after")} as after
from e
join holdfast.relation as r on r.id = e.relation
left join names as n on n.relation = e.relation
left join holdfast.transaction as t on t.xid = e.xid and t.at = e.at
order by e.id desc, e.number desc""",
            parameters,
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
            f"select g.position, holdfast.named({protection.relation.id}, {recorder.image('t')})::text as document\n"
            f"from {_GIVEN}\njoin {qualified(protection.table.name)} as t on {part.same_row('t', 'g.key')}"
        )

    def later_images(self, protection: Protection) -> str:
        return (
            f"select g.position, holdfast.named(c.relation, c.before)::text as document\nfrom {_GIVEN}\n"
            f"join holdfast.change as c on c.relation = {protection.relation.id} and c.key = g.key and c.id > g.id\n"
            "order by c.id"
        )
