"""What may go: old partitions and changes of the journal; and what must stay, the rows under legal hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.sql import literal, quote
from holdfast.dialects.postgresql.undo_rows import TableUndo
from holdfast.dialects.postgresql.values import key_spelled
from holdfast.dialects.query import Query
from holdfast.dialects.retention import Part, Retention, Rules, parameters
from holdfast.objects import Protection

TABLES: dict[str, str] = {
    # Rows of which nothing is purged, dropped or erased. A row may be held for several reasons.
    "hold": """\
create table if not exists holdfast.hold (
    id bigint generated always as identity primary key,
    relation integer not null references holdfast.relation,
    key text collate "C" not null,
    at timestamptz not null default clock_timestamp(),
    actor text,
    reason text not null,
    session_user_name text not null default session_user,
    -- The hold that somebody placed, where the same row had another key then.
    first bigint,
    unique (relation, key, reason)
)""",
}

_PARTITIONS = """\
select c.relname as name,
    (regexp_match(b.bound, 'FROM [(]''([^'']+)''[)]'))[1]::timestamptz as lower,
    (regexp_match(b.bound, 'TO [(]''([^'']+)''[)]'))[1]::timestamptz as upper,
    b.bound = 'DEFAULT' as is_default
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
cross join lateral (select pg_get_expr(c.relpartbound, c.oid) as bound) as b
where i.inhparent = 'holdfast.change'::regclass"""

_RULES = "unnest(cast(:relations as integer[]), cast(:untils as timestamptz[])) as rule (relation, until)"

# A run of inserted keys is held as long as one of them is.
_HELD_CHANGE = """\
exists (
    select from holdfast.hold as h
    where h.relation = c.relation and (h.key = c.key or c.key_last is not null and case
        when h.key ~ '^-?[0-9]{1,18}$' then h.key::bigint between c.key::bigint and c.key_last end)
)"""

_PAGES_HOLD = 40
"""How many changes a page of the journal has, about."""


def _months(month: str) -> tuple[datetime, datetime]:
    year, number = int(month[:4]), int(month[4:])
    return (
        datetime(year, number, 1, tzinfo=UTC),
        datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC),
    )


class PostgreSQLRetention(Retention):
    # ------------------------------------------------------------------ legal holds

    def hold(self, relation: int, key: str, actor: str | None, reason: str, first: int | None = None) -> Query:
        return Query(
            "insert into holdfast.hold (relation, key, actor, reason, first)\n"
            "values (:relation, :key, :actor, :reason, :first)\non conflict do nothing\nreturning id",
            {"relation": relation, "key": key_spelled(key), "actor": actor, "reason": reason, "first": first},
        )

    def release(self, relation: int, key: str, reason: str | None) -> Query:
        return Query(
            "with ended as (\n    delete from holdfast.hold as h\n    where coalesce(h.first, h.id) in (\n"
            "        select coalesce(g.first, g.id) from holdfast.hold as g\n"
            "        where g.relation = :relation and g.key = :key\n"
            "            and (cast(:reason as text) is null or g.reason = :reason))\n    returning h.id, h.reason\n)\n"
            "select e.reason from ended as e group by e.reason order by min(e.id)",
            {"relation": relation, "key": key_spelled(key), "reason": reason},
        )

    def holds(self) -> str:
        return "select h.relation, h.key, h.at, h.actor, h.reason, coalesce(h.first, h.id) as first from holdfast.hold as h order by h.id"

    def held(self, relation: int, key: str) -> Query:
        return Query(
            "select h.reason from holdfast.hold as h where h.relation = :relation and h.key = :key order by h.id",
            {"relation": relation, "key": key_spelled(key)},
        )

    def held_relations(self) -> str:
        return "select distinct h.relation from holdfast.hold as h"

    def is_held(self, relation: int, key: str) -> str:
        return f"exists (select from holdfast.hold as h where h.relation = {relation} and h.key = {key})"

    def freeze(self) -> str:
        return "lock table holdfast.hold in share mode"

    def known_key(self, protection: Protection | None, relation: int, key: str) -> Query:
        parameters: dict[str, Any] = {"relation": relation, "key": key_spelled(key)}
        run = ""
        if parameters["key"].removeprefix("-").isdecimal():
            run = (
                " or c.key_last is not null and c.key_last >= cast(cast(:key as text) as bigint)"
                " and cast(c.key as bigint) <= cast(cast(:key as text) as bigint)"
            )
        found = (
            "select cast(:key as text) as key where exists (\n"
            f"    select from holdfast.change as c where c.relation = :relation and (c.key = cast(:key as text){run}))"
        )
        if protection is not None:
            part = TableUndo(protection)
            spelled = Recorder(protection, part.audit).key("t")
            found = (
                f"select {spelled} as key from {part.table} as t where {part.same_row('t', 'cast(:key as text)')}\n"
                f"union all\n{found}\nlimit 1"
            )
        return Query(found, parameters)

    # ------------------------------------------------------------------ partitions

    def try_lock(self) -> str:
        return "select pg_try_advisory_lock(hashtextextended('holdfast.maintain', 0))"

    def identity(self) -> str:
        return """\
select concat('postgresql ', s.system_identifier, ' ', d.oid)
from pg_control_system() as s, pg_database as d
where d.datname = current_database()"""

    def gaps(self, ahead: int) -> str:
        return f"""\
select to_char(m.month, 'YYYYMM') as month
from (
    select generate_series(
        date_trunc('month', now() at time zone 'UTC'),
        (now() at time zone 'UTC') + interval '{int(ahead)} months', interval '1 month') as month
    union
    select date_trunc('month', c.at at time zone 'UTC')
    from only holdfast.change_default as c
    where c.at >= '0001-01-01 00:00Z' and c.at < '9999-12-01 00:00Z'
) as m
where not exists (
    select from (
{_PARTITIONS}
    ) as p
    where p.lower <= m.month at time zone 'UTC' and p.upper > m.month at time zone 'UTC'
)
order by 1"""

    def make_partition(self, month: str) -> str:
        """Attached, for that locks the default partition alone; writers of other months do not notice."""
        lower, upper = (literal(each.isoformat()) for each in _months(month))
        name = f"holdfast.change_{month}"
        return f"""\
do $holdfast$
declare
    v_owner text := (select pg_get_userbyid(c.relowner) from pg_class as c where c.oid = 'holdfast.change'::regclass);
    v_grantee text;
begin
    -- One at a time: the first line is where a second one waits.
    lock table only holdfast.change in share update exclusive mode;
    if exists (select from pg_inherits as i where i.inhrelid = to_regclass('{name}')
                   and i.inhparent = 'holdfast.change'::regclass) then
        return;
    end if;
    lock table only holdfast.change_default in access exclusive mode;
    create table {name} (like holdfast.change including defaults including storage);
    with moved as (
        delete from only holdfast.change_default as c where c.at >= {lower} and c.at < {upper} returning c.*
    )
    insert into {name} select * from moved;
    alter table holdfast.change attach partition {name} for values from ({lower}) to ({upper});
    if v_owner <> current_user then
        execute format('alter table {name} owner to %I', v_owner);
    end if;
    -- What the default privileges of whoever runs this would give away.
    for v_grantee in
        select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
        from pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.oid = '{name}'::regclass and a.grantee <> c.relowner
    loop
        execute format('revoke all on {name} from %s', v_grantee);
    end loop;
end
$holdfast$"""

    def parts(self) -> str:
        return f"select p.name, p.lower, p.upper from (\n{_PARTITIONS}\n) as p order by p.upper nulls last, p.name"

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
            f"""\
select json_build_object(
    'id', c.id, 'transaction', coalesce(t.id::text, 'x' || c.xid::text), 'at', c.at, 'committed', t.committed,
    'actor', t.actor, 'tenant', t.tenant, 'reason', t.reason, 'context', t.context,
    'session_user', t.session_user_name, 'application', t.application_name, 'client', host(t.client_address),
    'table', (select concat(r.schema_name, '.', r.table_name) from holdfast.relation as r where r.id = c.relation),
    'operation', case c.operation
        when 'I' then 'insert' when 'U' then 'update' when 'D' then 'delete' when 'S' then 'delete'
        when 'R' then 'restore' when 'T' then 'truncate' end,
    'key', c.key::json, 'last_key', c.key_last,
    'before', holdfast.named(c.relation, c.before), 'after', holdfast.named(c.relation, c.after)
)::text
{source}""",
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
