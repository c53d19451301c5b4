"""Reading the journal: its changes, and the transactions that made them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.dialects.log import Log, LogFilter
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.digests import digest_json
from holdfast.dialects.sqlite.recording import Recorder
from holdfast.dialects.sqlite.sql import literal, qualified, quote
from holdfast.dialects.sqlite.values import ERASED, ERASED_BEFORE, WAITING, json_text, key_given, key_is, key_shown
from holdfast.journal import ERASED as MARK
from holdfast.objects import Protection
from holdfast.policies import Audit

_OPERATIONS = {"insert": "I", "update": "U", "delete": "DS", "restore": "R", "truncate": "T"}


def document(side: str, given: int) -> str:
    """An expression: the change's values of one side as a JSON object under the present names, or NULL."""
    erased = f"v.masked in ({ERASED}, {ERASED_BEFORE})" if side == "before" else f"v.masked = {ERASED}"
    value = (
        f"case when {erased} then {literal(json.dumps(dict(MARK)))}\n"
        f"                when v.masked = {WAITING} then {digest_json(f'v.{side}')} else {json_text(f'v.{side}')} end"
    )
    return (
        f"case when e.side & {given} then (\n"
        # Before 3.39 SQLite takes no HAVING without a GROUP BY.
        f"        select case when count(*) > 0 or e.side & 1 then\n"
        f"            '{{' || coalesce(group_concat(json_quote(v.name) || ':' || v.value, ','), '') || '}}' end\n"
        f"        from (\n"
        f"            select case when n.dropped and exists (\n"
        f"                    select 1 from main.holdfast_column as o\n"
        f"                    where o.relation = n.relation and o.name = n.name and not o.dropped)\n"
        f"                then n.name || ' (dropped)' else coalesce(n.name, '?' || v.column_id) end as name, {value} as value\n"
        f"            from main.holdfast_value as v\n"
        f"            left join main.holdfast_column as n on n.relation = e.relation and n.id = v.column_id\n"
        f"            where v.change = e.id\n"
        f"            order by v.column_id\n"
        f"        ) as v\n"
        f"    ) end"
    )


def moment(value: datetime) -> str:
    """As the journal writes times: UTC, to the millisecond."""
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def transaction_number(transaction: str) -> int:
    return int(transaction) if transaction.isdecimal() else -1


# The change itself has the key as it is in the table, or as JSON where it is of several columns.
_GIVEN = """\
json_each(:changes) as g
cross join main.holdfast_change as i on i.id = json_extract(g.value, '$[0]')
cross join"""


def row_document(protection: Protection, row: str) -> str:
    """An expression: the row as the JSON object that a before-image would be."""
    recorder = Recorder(protection, protection.get(Audit) or Audit())
    parts = []
    for column in recorder.kept:
        value = f"{row}.{quote(column.name)}"
        shown = json_text(value)
        if column.name in recorder.policy.mask:
            shown = f"case when {value} is null then 'null' else '\"***\"' end"
        elif column.name in recorder.policy.large:
            shown = digest_json(value)
        parts.append(f"json_quote({literal(column.name)}) || ':' || {shown}")
    joined = " || ','\n    || ".join(parts)
    return f"'{{' || {joined} || '}}'"


class SQLiteLog(Log):
    def changes(self, wanted: LogFilter) -> Query:
        conditions, parameters = ["true"], dict[str, Any]()
        if wanted.table is not None:
            conditions.append("r.name = :table")
            parameters["table"] = wanted.table.name
        if wanted.key is not None:
            several, single = key_given(wanted.key)
            conditions.append("c.key is case when json_array_length(r.key_columns) > 1 then :several else :single end")
            parameters |= {"several": several, "single": single}
        if wanted.since is not None:
            conditions.append("t.at >= :since")
            parameters["since"] = moment(wanted.since + timedelta(microseconds=999))
        if wanted.until is not None:
            conditions.append("t.at <= :until")
            parameters["until"] = moment(wanted.until)
        if wanted.actor is not None:
            conditions.append("t.actor = :actor")
            parameters["actor"] = wanted.actor
        if wanted.operation is not None:
            conditions.append("instr(:operations, c.operation)")
            parameters["operations"] = _OPERATIONS[wanted.operation]
        if wanted.transaction is not None:
            conditions.append("c.transaction_id = :transaction")
            parameters["transaction"] = transaction_number(wanted.transaction)
        if wanted.above is not None:
            conditions.append("c.id > :above")
            parameters["above"] = wanted.above
        limit = ""
        if wanted.limit is not None:
            limit = "\n    limit :limit"
            parameters["limit"] = wanted.limit
        return Query(
            f"""\
select e.id, e."transaction", e.at, e.actor, e.tenant, e.reason, e.relation,
    'main' as schema_name, e.table_name,
    e.key, e.operation, e.at as committed,
    {document("before", 1)} as before,
    {document("after", 2)} as after
from (
    select c.id, cast(t.id as text) as "transaction", t.at, t.actor, t.tenant, t.reason, r.name as table_name,
        {key_shown("r", "c.key")} as key, c.operation, c.relation, c.side
    from main.holdfast_change as c
    join main.holdfast_transaction as t on t.id = c.transaction_id
    join main.holdfast_relation as r on r.id = c.relation
    where {" and ".join(conditions)}
    order by c.id desc{limit}
) as e
order by e.id desc""",
            parameters,
        )

    def names(self, relations: Collection[int]) -> None:
        return None

    def windows(self, until: datetime | None, sizes: Sequence[int]) -> Query:
        newest = "select max(n.id) from main.holdfast_transaction as n"
        if until is not None:
            newest = "select n.id from main.holdfast_transaction as n where n.at <= :until order by n.id desc limit 1"
        each = (
            f"select (select t.at from main.holdfast_transaction as t where t.id <= ({newest}) - {size}\n"
            "    order by t.id desc limit 1) as at"
            for size in sizes
        )
        return Query("\nunion all\n".join(each), {"until": moment(until)} if until is not None else {})

    def transaction(self, transaction: str) -> Query:
        return Query(
            "select cast(t.id as text) as id, t.at, t.actor, t.tenant, t.reason, t.context, null as session_user_name,\n"
            "    null as application_name, null as client_address\n"
            "from main.holdfast_transaction as t where t.id = :transaction",
            {"transaction": transaction_number(transaction)},
        )

    def current_transaction(self) -> Query:
        return Query(
            "select cast(t.id as text) as id\nfrom main.holdfast_transaction as t\n"
            "join main.holdfast_context as c on c.token = t.token\norder by t.id desc limit 1",
            {},
        )

    def tables(self, transaction: str) -> Query:
        return Query(
            "select r.id as relation, 'main' as schema_name, r.name as table_name, count(*) as changes\n"
            "from main.holdfast_change as c\njoin main.holdfast_relation as r on r.id = c.relation\n"
            "where c.transaction_id = :transaction\ngroup by r.id, r.name\norder by r.name",
            {"transaction": transaction_number(transaction)},
        )

    def row_images(self, protection: Protection) -> str:
        key = protection.table.key
        there = f"t.{quote(key[0])} = i.key" if len(key) == 1 else key_is(protection, "t", "i.key")
        return (
            f"select g.key as position, {row_document(protection, 't')} as document\n"
            f"from {_GIVEN} {qualified(protection.table.name)} as t on {there}"
        )

    def later_images(self, protection: Protection) -> str:
        return (
            f"select g.key as position, {document('before', 1)} as document\nfrom {_GIVEN} main.holdfast_change as e\n"
            f"    on e.relation = {protection.relation.id} and e.key is i.key and e.id > i.id\norder by e.id"
        )
