"""Reading the journal, and the small statements around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.dialects.base import LogFilter, Query
from holdfast.dialects.sqlite.recording import Recorder
from holdfast.dialects.sqlite.sql import all_of, literal, qualified, quote
from holdfast.dialects.sqlite.statement import MICROSECONDS
from holdfast.dialects.sqlite.values import ERASED, ERASED_BEFORE, json_text, key_given, key_shown
from holdfast.journal import ERASED as MARK
from holdfast.objects import Protection
from holdfast.policies import Audit, SoftDelete

_OPERATIONS = {"insert": "I", "update": "U", "delete": "DS", "restore": "R", "truncate": "T"}
_NAMED = ("actor", "tenant", "reason", "allow")


def bind_context(context: Mapping[str, Any]) -> tuple[Query, ...]:
    """The context's row. Bound again within one transaction it keeps its token: it is the same transaction."""
    more = {name: value for name, value in context.items() if name not in _NAMED}
    parameters = {name: None if context.get(name) is None else str(context[name]) for name in _NAMED}
    return (
        Query(
            "insert into main.holdfast_context (id, actor, tenant, reason, allow, context)\n"
            "values (1, :actor, :tenant, :reason, :allow, :context)\n"
            "on conflict (id) do update set actor = excluded.actor, tenant = excluded.tenant,\n"
            "    reason = excluded.reason, allow = excluded.allow, context = excluded.context",
            {**parameters, "context": json.dumps(more, default=str) if more else None},
        ),
    )


def unbind_context() -> tuple[Query, ...]:
    return (Query("delete from main.holdfast_context", {}),)


def announced() -> Query:
    return Query("select max(allow) from main.holdfast_context", {})


def announce(words: str | None) -> tuple[Query, ...]:
    """A row that says nothing else goes away again: it must not outlive the transaction."""
    if words:
        return (
            Query(
                "insert into main.holdfast_context (id, allow) values (1, :words)\n"
                "on conflict (id) do update set allow = excluded.allow",
                {"words": words},
            ),
        )
    return (
        Query(
            "delete from main.holdfast_context where not undo and not maintenance\n"
            "    and coalesce(actor, tenant, reason, context, mark) is null",
            {},
        ),
        Query("update main.holdfast_context set allow = null", {}),
    )


def begin_shared_mark() -> tuple[Query, ...]:
    """The mark is taken from the clock of the statements, so that no other statement has it."""
    return (
        Query(f"update main.holdfast_statement set clock = max(clock + 1, {MICROSECONDS})", {}),
        Query(
            "insert into main.holdfast_context (id, mark) select 1, s.clock from main.holdfast_statement as s where true\n"
            "on conflict (id) do update set mark = excluded.mark",
            {},
        ),
    )


def end_shared_mark() -> tuple[Query, ...]:
    """A row that says nothing else goes away again: it must not outlive the transaction."""
    return (
        Query(
            "delete from main.holdfast_context where mark is not null and not undo and not maintenance\n"
            "    and coalesce(actor, tenant, reason, context, allow) is null",
            {},
        ),
        Query("update main.holdfast_context set mark = null where mark is not null", {}),
    )


def document(side: str, given: int) -> str:
    """An expression: the change's values of one side as a JSON object under the present names, or NULL."""
    erased = f"v.masked in ({ERASED}, {ERASED_BEFORE})" if side == "before" else f"v.masked = {ERASED}"
    value = f"case when {erased} then {literal(json.dumps(dict(MARK)))} else {json_text(f'v.{side}')} end"
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


def log(wanted: LogFilter) -> Query:
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
        parameters["transaction"] = _number(wanted.transaction)
    if wanted.recent is not None:
        conditions.append(
            "c.transaction_id in (select w.id from main.holdfast_transaction as w order by w.id desc limit :recent)"
        )
        parameters["recent"] = wanted.recent
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


def moment(value: datetime) -> str:
    """As the journal writes times: UTC, to the millisecond."""
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(transaction: str) -> int:
    return int(transaction) if transaction.isdecimal() else -1


def transaction(name: str) -> Query:
    return Query(
        "select cast(t.id as text) as id, t.at, t.actor, t.tenant, t.reason, t.context, null as session_user_name,\n"
        "    null as application_name, null as client_address\n"
        "from main.holdfast_transaction as t where t.id = :transaction",
        {"transaction": _number(name)},
    )


def current_transaction() -> Query:
    return Query(
        "select cast(t.id as text) as id\nfrom main.holdfast_transaction as t\n"
        "join main.holdfast_context as c on c.token = t.token\norder by t.id desc limit 1",
        {},
    )


def transaction_tables(name: str) -> Query:
    return Query(
        "select r.id as relation, 'main' as schema_name, r.name as table_name, count(*) as changes\n"
        "from main.holdfast_change as c\njoin main.holdfast_relation as r on r.id = c.relation\n"
        "where c.transaction_id = :transaction\ngroup by r.id, r.name\norder by r.name",
        {"transaction": _number(name)},
    )


def key_is(protection: Protection, row: str, given: str = ":key") -> str:
    """A condition: the row has the given key, which is JSON. It goes by the table's index."""
    key = protection.table.key
    conditions = []
    for position, name in enumerate(key):
        path = "$" if len(key) == 1 else f"$[{position}]"
        column, value, kind = (
            f"{row}.{quote(name)}",
            f"json_extract({given}, '{path}')",
            f"json_type({given}, '{path}')",
        )
        conditions.append(
            # A list that the table's index can be searched for; what is no plain value is found by looking at all.
            f"{column} in (\n    select {value} where {kind} not in ('object', 'null')\n    union all\n"
            f"    select b.{quote(name)} from {qualified(protection.table.name)} as b\n"
            f"    where {kind} = 'object' and typeof(b.{quote(name)}) = 'blob'\n"
            f"        and lower(hex(b.{quote(name)})) = json_extract({given}, '{path}.blob'))\n"
            f"and (typeof({column}) = 'blob') = ({kind} = 'object')"
        )
    return all_of(conditions)


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
        parts.append(f"json_quote({literal(column.name)}) || ':' || {shown}")
    joined = " || ','\n    || ".join(parts)
    return f"'{{' || {joined} || '}}'"


def row_images(protection: Protection) -> str:
    key = protection.table.key
    there = f"t.{quote(key[0])} = i.key" if len(key) == 1 else key_is(protection, "t", "i.key")
    return (
        f"select g.key as position, {row_document(protection, 't')} as document\n"
        f"from {_GIVEN} {qualified(protection.table.name)} as t on {there}"
    )


def later_images(protection: Protection) -> str:
    return (
        f"select g.key as position, {document('before', 1)} as document\nfrom {_GIVEN} main.holdfast_change as e\n"
        f"    on e.relation = {protection.relation.id} and e.key is i.key and e.id > i.id\norder by e.id"
    )


def restore(protection: Protection) -> str:
    policy = protection.get(SoftDelete)
    assert policy is not None
    mark = quote(policy.column)
    return (
        f"update {qualified(protection.table.name)} as t\nset {mark} = null\n"
        f"where {key_is(protection, 't')} and t.{mark} is not null\nreturning 1"
    )
