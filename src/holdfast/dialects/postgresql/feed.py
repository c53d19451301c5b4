"""The change feed: every committed change once, in an order that never goes back.

Transactions are numbered when they begin to write, and commit in another order. Whoever reads only what is older than
the oldest one still running sees each of them whole, and never has to go back for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from holdfast.dialects.base import Query
from holdfast.dialects.feed import Feed, Origin, Position

TABLES: dict[str, str] = {
    # Where the journal has lived: each cluster counts its transactions from anew, and the changes that were brought
    # along by a dump have numbers that mean nothing here.
    "origin": """\
create table if not exists holdfast.origin (
    number integer primary key,
    system bigint not null,
    journal_oid oid not null,
    first_change bigint not null,
    at timestamptz not null default clock_timestamp()
)""",
    # Who reads the feed, and how far it is done.
    "consumer": """\
create table if not exists holdfast.consumer (
    name text primary key,
    cursor text not null,
    acknowledged timestamptz,
    -- Whoever reads under this name at present, and since when.
    holder text not null,
    entered timestamptz not null default clock_timestamp()
)""",
}

# By transaction, and without the number of the change: equal entries are kept as one, so it is small.
INDEXES: dict[str, str] = {
    "change_xid": """\
create index if not exists change_xid on holdfast.change (xid)""",
}

# While nobody writes: so all that has a lower number is committed or gone, and belongs to the life before.
BEGIN_ORIGIN = """\
declare
    v_system bigint := (select c.system_identifier from pg_control_system() as c);
    v_last holdfast.origin;
begin
    lock table holdfast.origin in share row exclusive mode;
    select o.* into v_last from holdfast.origin as o order by o.number desc limit 1;
    if v_last.number is null then
        insert into holdfast.origin (number, system, journal_oid, first_change)
        values (1, v_system, 'holdfast.change'::regclass, 0);
    elsif (v_last.system, v_last.journal_oid) is distinct from (v_system, 'holdfast.change'::regclass::oid) then
        lock table holdfast.change in share row exclusive mode;
        insert into holdfast.origin (number, system, journal_oid, first_change)
        values (v_last.number + 1, v_system, 'holdfast.change'::regclass, nextval('holdfast.change_id'));
    end if;
end"""

# The trigger that calls it is there only where somebody wants to be woken: it makes commits queue.
WAKE_UP = """\
begin
    perform pg_notify('holdfast', '');
    return null;
end"""

_HEAD = "set search_path = pg_catalog, pg_temp"
FUNCTIONS: dict[str, str] = {
    "begin_origin()": (
        f"create or replace function holdfast.begin_origin()\nreturns void\nlanguage plpgsql\n{_HEAD}\n"
        f"as $holdfast$\n{BEGIN_ORIGIN}\n$holdfast$"
    ),
    "wake_up()": (
        f"create or replace function holdfast.wake_up()\nreturns trigger\nlanguage plpgsql\n{_HEAD}\n"
        f"as $holdfast$\n{WAKE_UP}\n$holdfast$"
    ),
}
ORIGIN = "select holdfast.begin_origin()"

_TRIGGER_ON = """\
create or replace trigger wake_up after insert on holdfast.transaction
for each statement execute function holdfast.wake_up()"""
_TRIGGER_OFF = "drop trigger if exists wake_up on holdfast.transaction"

# A number of 64 bits without a sign goes to the driver as its text.
_XID = "cast(cast(:{} as text) as xid8)"


def _after(position: Position, origin: Origin) -> tuple[str, dict[str, Any]]:
    """A condition: the change, or a part of its run, comes after the position, and is of that life."""
    comparison = ">" if position.key is None else ">="
    return (
        f"(c.xid, c.id) {comparison} ({_XID.format('transaction')}, cast(:change as bigint))"
        " and c.id >= cast(:first as bigint) and c.id < cast(:end as bigint)",
        {
            "transaction": str(position.transaction),
            "change": position.change,
            "first": origin.first,
            "end": origin.end,
        },
    )


class PostgreSQLFeed(Feed):
    channel = "holdfast"

    def is_there(self) -> str:
        return "select to_regclass('holdfast.origin') is not null and to_regclass('holdfast.consumer') is not null"

    def state(self) -> Query:
        return Query(
            "select pg_snapshot_xmin(s)::text as horizon, pg_snapshot_xmax(s)::text as ahead,\n"
            "    concat((select c.system_identifier from pg_control_system() as c), '/',\n"
            "        'holdfast.change'::regclass::oid) as identity,\n"
            "    (select json_agg(json_build_array(o.number, concat(o.system, '/', o.journal_oid), o.first_change)\n"
            "         order by o.number) from holdfast.origin as o)::text as origins\n"
            "from pg_current_snapshot() as s",
            {},
        )

    def begin_origin(self) -> str:
        return ORIGIN

    def page(
        self,
        after: Position,
        origin: Origin,
        horizon: int,
        relations: Sequence[int] | None,
        limit: int,
        look: int,
    ) -> Query:
        condition, parameters = _after(after, origin)
        parameters["horizon"] = str(horizon)
        wanted, part = "true", ""
        if relations is not None:
            wanted = "c.relation = any (cast(:relations as integer[]))"
            parameters["relations"] = list(relations)
        first_key = "c.key::bigint"
        if after.key is not None:
            # The run that the position is in: what is left of it.
            first_key = "case when c.id = cast(:change as bigint) then cast(:key as bigint) + 1 else c.key::bigint end"
            part = " and (c.id <> cast(:change as bigint) or c.key_last > cast(:key as bigint))"
            parameters["key"] = after.key
        return Query(
            f"""\
select s.id, s.xid::text as xid, coalesce(t.id::text, 'x' || s.xid::text) as transaction, s.at, t.actor, t.tenant,
    t.reason, s.relation, r.schema_name, r.table_name, s.operation,
    case when s.key_last is null then s.key else s.first_key::text end as key, s.key_last,
    coalesce(t.committed, s.at) as committed,
    holdfast.named(s.relation, s.before)::text as before, holdfast.named(s.relation, s.after)::text as after,
    s.wanted, s.looked
from (
    select l.*, row_number() over (order by l.xid, l.id) as place, count(*) over () as looked,
        sum(l.size) over (order by l.xid, l.id) as filled
    from (
        select c.id, c.xid, c.at, c.relation, c.operation::text as operation, c.key, c.key_last, c.before, c.after,
            w.wanted, f.first_key, case when w.wanted then coalesce(c.key_last - f.first_key + 1, 1) else 0 end as size
        from holdfast.change as c
        cross join lateral (select {wanted} as wanted) as w
        cross join lateral (select case when c.key_last is not null then {first_key} end as first_key) as f
        where {condition} and c.xid < {_XID.format("horizon")}{part}
        order by c.xid, c.id
        limit {look}
    ) as l
) as s
join holdfast.relation as r on r.id = s.relation
left join holdfast.transaction as t on t.xid = s.xid and t.at = s.at
where s.wanted and s.filled - s.size < {limit} or s.place = s.looked
order by s.xid, s.id""",
            parameters,
        )

    def waiting(self, after: Position, origin: Origin) -> Query:
        condition, parameters = _after(after, origin)
        return Query(
            "select c.xid::text as transaction,\n"
            "    cast(extract(epoch from clock_timestamp() - coalesce(t.committed, c.at)) as float) as seconds\n"
            "from (\n"
            f"    select c.xid, c.at from holdfast.change as c\n    where {condition}\n"
            "    order by c.xid, c.id limit 1\n"
            ") as c\nleft join holdfast.transaction as t on t.xid = c.xid and t.at = c.at",
            parameters,
        )

    def since(self, at: datetime, origin: Origin) -> Query:
        return Query(
            "select min(c.xid::text::numeric)::text as transaction from holdfast.change as c\n"
            "where c.at >= :at and c.id >= cast(:first as bigint) and c.id < cast(:end as bigint)",
            {"at": at, "first": origin.first, "end": origin.end},
        )

    # ------------------------------------------------------------------ consumers

    def try_consumer_lock(self, name: str) -> Query:
        return Query(
            "select pg_try_advisory_lock(hashtextextended('holdfast.consumer.' || cast(:name as text), 0))",
            {"name": name},
        )

    def enter(self, name: str, cursor: str, holder: str) -> Query:
        return Query(
            "insert into holdfast.consumer (name, cursor, holder) values (:name, :cursor, :holder)\n"
            "on conflict (name) do update set holder = excluded.holder, entered = excluded.entered\n"
            "returning cursor",
            {"name": name, "cursor": cursor, "holder": holder},
        )

    def held(self, name: str) -> Query:
        return Query(
            "select c.cursor, c.holder from holdfast.consumer as c where c.name = :name for update", {"name": name}
        )

    def acknowledge(self, name: str, cursor: str) -> Query:
        return Query(
            "update holdfast.consumer set cursor = :cursor, acknowledged = clock_timestamp() where name = :name",
            {"name": name, "cursor": cursor},
        )

    def wake_up(self, *, on: bool) -> str:
        return _TRIGGER_ON if on else _TRIGGER_OFF
