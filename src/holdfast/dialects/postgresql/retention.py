"""What may go: old partitions and changes of the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from holdfast.dialects.postgresql.exporting import exported
from holdfast.dialects.postgresql.partitions import PARTITIONS, gaps, make_partition
from holdfast.dialects.postgresql.sql import literal, quote
from holdfast.dialects.query import Query
from holdfast.dialects.retention import Part, Retention, Rules, parameters

_RULES = "unnest(cast(:relations as integer[]), cast(:untils as timestamptz[])) as rule (relation, until)"

# A run of inserted keys is held as long as one of them is.
_HELD_CHANGE = """\
exists (
    select from holdfast.hold as h
    where h.relation = c.relation and (h.key = c.key or c.key_last is not null and case
        when h.key ~ '^-?[0-9]{1,18}$' then h.key::bigint between c.key::bigint and c.key_last end)
)"""

# Not for a tenant, who is given what its rows were and not from where they were written.
_WRITER = "'session_user', t.session_user_name, 'application', t.application_name, 'client', host(t.client_address)"

_PAGES_HOLD = 40
"""How many changes a page of the journal has, about."""


class PostgreSQLRetention(Retention):
    # ------------------------------------------------------------------ partitions

    def try_lock(self) -> str:
        return "select pg_try_advisory_lock(hashtextextended('holdfast.maintain', 0))"

    def identity(self) -> str:
        return """\
select concat('postgresql ', s.system_identifier, ' ', d.oid)
from pg_control_system() as s, pg_database as d
where d.datname = current_database()"""

    def gaps(self, ahead: int) -> str:
        return gaps(ahead)

    def make_partition(self, month: str) -> str:
        return make_partition(month)

    def parts(self) -> str:
        return f"select p.name, p.lower, p.upper from (\n{PARTITIONS}\n) as p order by p.upper nulls last, p.name"

    # ------------------------------------------------------------------ removing

    def keeps_any(self, part: Part, rules: Rules) -> Query | None:
        if part.upper is None or part.lower is None:
            return None
        return Query(
            f"""\
select exists (
    select from only {_name(part)} as c
    left join {_RULES} on rule.relation = c.relation
    where rule.relation is null or c.at >= rule.until or {_HELD_CHANGE} or {rules.unsealed} or {_waited_for(rules)}
) or exists (
    select from holdfast.transaction as t
    join only {_name(part)} as c on c.xid = t.xid and c.at = t.at
    join {_RULES} on rule.relation = c.relation
    where t.at >= :lower and t.at < :upper and (t.committed >= rule.until or {rules.unsealed_transaction})
)""",
            {**parameters(rules), "lower": part.lower, "upper": part.upper},
        )

    def is_empty(self, part: Part) -> str:
        return f"select not exists (select from only {_name(part)})"

    def still(self, part: Part) -> str:
        return f"lock table only {_name(part)} in share mode"

    def empty(self, part: Part) -> str:
        return f"truncate only {_name(part)}"

    def drop(self, part: Part) -> tuple[str, ...]:
        name = _name(part)
        return (
            "lock table only holdfast.change in access exclusive mode",
            f"""\
do $holdfast$
begin
    if to_regclass({literal(name)}) is not null and not exists (select from {name}) then
        drop table {name};
    end if;
end
$holdfast$""",
        )

    def pieces(self, part: Part, rules: Rules, size: int) -> Query:
        return Query(
            f"""\
select 0 as first,
    ceil(pg_relation_size({literal(_name(part))}::regclass) / current_setting('block_size')::numeric)::bigint as end,
    {max(1, size // _PAGES_HOLD)} as step""",
            {},
        )

    def removable(self, part: Part, rules: Rules, piece: tuple[int, int] | None = None) -> Query:
        return Query(f"select c.id, c.relation\n{self._going(part, rules, piece)}", parameters(rules))

    def _going(self, part: Part, rules: Rules, piece: tuple[int, int] | None = None) -> str:
        return f"""\
from only {_name(part)} as c
join {_RULES} on rule.relation = c.relation
left join holdfast.transaction as t on t.xid = c.xid and t.at = c.at
where {_within(piece)}c.at < rule.until and coalesce(t.committed, c.at) < rule.until
    and not {_HELD_CHANGE} and not {rules.unsealed} and not {_waited_for(rules)}"""

    def lines(self, part: Part, rules: Rules | None) -> Query:
        source = (
            f"from only {_name(part)} as c\nleft join holdfast.transaction as t on t.xid = c.xid and t.at = c.at"
            if rules is None
            else self._going(part, rules)
        )
        return Query(
            f"select {exported(_WRITER)}\n{source}",
            parameters(rules) if rules is not None else {},
        )

    def in_utc(self) -> Sequence[str]:
        return ("set local timezone = 'UTC'",)

    def remove(self, part: Part, piece: tuple[int, int], ids: Sequence[int]) -> tuple[Query, ...]:
        return (
            Query(
                f"""\
with gone as (
    delete from only {_name(part)} as c
    where {_within(piece)}c.id = any (cast(:ids as bigint[]))
    returning c.xid, c.at
)
select count(*) as changes, g.xid::text as xid, g.at from gone as g group by g.xid, g.at""",
                {"ids": list(ids)},
            ),
        )

    def bare(self, transactions: Sequence[Sequence[Any]], rules: Rules) -> Query:
        times = [at for _, at in transactions]
        return Query(
            f"""\
select t.id
from unnest(cast(:xids as text[]), cast(:times as timestamptz[])) as g (xid, at)
join holdfast.transaction as t on t.xid = g.xid::xid8 and t.at = g.at
where not {rules.unsealed_transaction} and not exists (
    select from holdfast.change as c where c.xid = t.xid and c.at = t.at and c.at >= :first and c.at <= :last
)""",
            {
                "xids": [xid for xid, _ in transactions],
                "times": times,
                "first": min(times),
                "last": max(times),
            },
        )

    def changes_of(self, part: Part) -> Query:
        return Query(f"select c.id, c.relation from only {_name(part)} as c", {})

    def transactions_of(self, part: Part) -> Query:
        return Query(
            "select t.id from holdfast.transaction as t where t.at >= :lower and t.at < :upper",
            {"lower": part.lower, "upper": part.upper},
        )

    def chosen(self, ids: Sequence[int]) -> Query:
        return Query("select w.id from unnest(cast(:ids as bigint[])) as w (id)", {"ids": list(ids)})

    def remove_transactions(self, ids: Sequence[int]) -> Query:
        return Query(
            "delete from holdfast.transaction as t where t.id = any (cast(:ids as bigint[]))", {"ids": list(ids)}
        )

    def note_dropped(self, part: Part, intervention: int, ids: Sequence[int] | None) -> Query:
        chosen = "" if ids is None else "\n    where c.id = any (cast(:ids as bigint[]))"
        return Query(
            f"""\
update holdfast.relation as r
set dropped = json_build_object('by', cast(:intervention as bigint),
    'change', greatest(g.change, (r.dropped::json ->> 'change')::bigint),
    -- Transactions of another life of the journal are of another counter.
    'transaction', greatest(g.transaction, case when (r.dropped::json ->> 'change')::bigint >= g.first
        then (r.dropped::json ->> 'transaction')::numeric end))::text
from (
    select c.relation, max(c.id) as change, o.first_change as first,
        max(c.xid::text::numeric) filter (where c.id >= o.first_change) as transaction
    from only {_name(part)} as c
    cross join (select coalesce(max(o.first_change), 0) as first_change from holdfast.origin as o) as o{chosen}
    group by c.relation, o.first_change
) as g
where g.relation = r.id""",
            {"intervention": intervention, **({} if ids is None else {"ids": list(ids)})},
        )

    def move_since(self, until: Mapping[int, datetime]) -> Query:
        return Query(
            f"update holdfast.relation as r\nset since = rule.until\nfrom {_RULES}\n"
            "where r.id = rule.relation and r.since < rule.until",
            parameters(Rules(until)),
        )


def _waited_for(rules: Rules) -> str:
    if rules.unread == "false":
        return "false"
    return f"({rules.unread} and c.at >= rule.until - interval '{rules.patience.total_seconds():.0f} seconds')"


def _name(part: Part) -> str:
    return f"holdfast.{quote(part.name)}"


def _within(piece: tuple[int, int] | None) -> str:
    return "" if piece is None else f"c.ctid >= '({piece[0]},0)'::tid and c.ctid < '({piece[1]},0)'::tid and "
