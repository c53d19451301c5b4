"""The change feed: every committed change once, in an order that never goes back.

Numbers are given when a row is written, and transactions commit in another order. So the feed goes from one snapshot to
the next: what is committed in this one and was not in the last one, by number. Of two changes of one row the later one
has the higher number, since the row was locked, and is seen in no snapshot without the other. Ordered by the numbers of the
transactions, which are given when each first writes, the two could come the wrong way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from holdfast.dialects.feed import EVERYTHING, Dropped, Feed, Origin, Position
from holdfast.dialects.postgresql import feed_origin
from holdfast.dialects.postgresql.feed_snapshots import Snapshot, above, between, not_in, worth_keeping
from holdfast.dialects.postgresql.sql import journal_function
from holdfast.dialects.query import Query

TABLES: dict[str, str] = {
    **feed_origin.TABLES,
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

# The trigger that calls it is there only where somebody wants to be woken: it makes commits queue.
_WAKE_UP = """\
begin
    perform pg_notify('holdfast', '');
    return null;
end"""

FUNCTIONS = {**feed_origin.FUNCTIONS, "wake_up()": journal_function("wake_up()", "trigger", _WAKE_UP)}

_TRIGGER_ON = """\
create or replace trigger wake_up after insert on holdfast.transaction
for each statement execute function holdfast.wake_up()"""
_TRIGGER_OFF = "drop trigger if exists wake_up on holdfast.transaction"

_FAR = 10_000
"""Transactions, between what is acknowledged and what is read."""


def _life(position: Position, origins: Sequence[Origin]) -> Origin:
    return next(each for each in origins if each.number == position.origin)


def _rest(position: Position) -> tuple[str, str]:
    """A condition: the change comes after the position; and the first key of its run that does."""
    if position.key is None:
        return f"c.id > {position.change}", "c.key::bigint"
    return (
        f"(c.id > {position.change} or c.id = {position.change} and c.key_last > {position.key})",
        f"case when c.id = {position.change} then {position.key + 1} else c.key::bigint end",
    )


class PostgreSQLFeed(Feed):
    consumer_table = "holdfast.consumer"

    def is_there(self) -> str:
        return "select to_regclass('holdfast.origin') is not null and to_regclass('holdfast.consumer') is not null"

    def refused(self) -> str:
        return "select case when pg_is_in_recovery() then 'a replica does not know which transactions are still running' end"

    def share(self) -> str:
        # It takes no snapshot, so that the one that is taken next knows of all that was emptied.
        return "lock table holdfast.change in access share mode"

    def state(self) -> Query:
        return Query(
            # A transaction's own snapshot does not count itself among those that run.
            "select concat(s, case when s::text not like '%:' and x is not null then ',' end, x) as snapshot, clock_timestamp() as now,\n"
            "    concat((select c.system_identifier from pg_control_system() as c), '/',\n"
            "        'holdfast.change'::regclass::oid) as identity,\n"
            "    (select json_agg(json_build_array(o.number, concat(o.system, '/', o.journal_oid), o.first_change)\n"
            "         order by o.number) from holdfast.origin as o)::text as origins,\n"
            "    (select json_object_agg(r.id, r.dropped::json) from holdfast.relation as r where r.dropped is not null)::text"
            " as dropped,\n"
            # The next transaction, without beginning one: age() counts from it, unless this one has a number itself.
            "    case when x is null then (pg_snapshot_xmax(s)::text::numeric + age(pg_snapshot_xmax(s)::xid))::text end"
            " as following\n"
            "from pg_current_snapshot() as s, pg_current_xact_id_if_assigned() as x",
            {},
        )

    def begin_origin(self) -> str:
        return feed_origin.ORIGIN

    def is_ahead(self, position: Position, snapshot: str) -> bool:
        known = max(Snapshot.parse(position.done).xmax, Snapshot.parse(position.reading or "").xmax)
        return known > Snapshot.parse(snapshot).xmax

    def is_far(self, position: Position, later: Position) -> bool:
        return Snapshot.parse(later.done).xmax - Snapshot.parse(position.done).xmax >= _FAR

    def now(self, origin: Origin, snapshot: str, following: int | None, highest: int) -> Position:
        marks = () if following is None or not highest else ((following, highest),)
        return Position(origin.number, done=snapshot, highest=highest, marks=marks)

    def opened(self, position: Position, snapshot: str, following: int | None) -> Position:
        # What is committed late has lower numbers than what was read already.
        done = Snapshot.parse(position.done)
        first = above(position.marks, min((*Snapshot.parse(snapshot).ended_since(done), done.xmax)))
        return replace(position, batch=position.batch + 1, reading=snapshot, change=first, following=following or 0)

    def closed(self, position: Position) -> Position:
        closed = position.closed()
        begins, highest = max(position.marks, default=(0, 0))
        marks = position.marks
        if position.following > begins and position.highest > highest:
            marks += ((position.following, position.highest),)
        return replace(closed, following=0, marks=worth_keeping(marks, Snapshot.parse(closed.done)))

    def since(self, at: datetime, origin: Origin) -> Query:
        return Query(
            "select min(c.xid::text::numeric)::text as transaction from holdfast.change as c\n"
            f"where c.at >= :at and c.id >= {origin.first} and c.id < {origin.end}",
            {"at": at},
        )

    def before(self, transaction: int, origin: Origin) -> Position:
        return Position(origin.number, done=f"{transaction}:{transaction}:")

    def is_empty(self, opened: Position) -> bool:
        done, reading = Snapshot.parse(opened.done), Snapshot.parse(opened.reading or "")
        return done.xmax == reading.xmax and not reading.ended_since(done)

    def size(self, opened: Position, origin: Origin, most: int) -> Query:
        first = max(opened.change + 1, origin.first)
        return Query(
            "select count(*) as changes from (\n"
            f"    select from holdfast.change as c where c.id >= {first} and c.id < {origin.end} limit {most}\n) as c",
            {},
        )

    def highest(self, origin: Origin, snapshot: str) -> Query:
        return Query(
            "select coalesce(max(c.id), 0) as change from holdfast.change as c\n"
            "where c.at >= (select min(w.at) from (select t.at from holdfast.transaction as t order by t.id desc limit 10) as w)\n"
            f"    and c.id >= {origin.first} and pg_visible_in_snapshot(c.xid, cast(cast(:snapshot as text) as pg_snapshot))",
            {"snapshot": snapshot},
        )

    def page(
        self,
        after: Position,
        origin: Origin,
        relations: Sequence[int] | None,
        limit: int,
        look: int,
        window: int | None,
    ) -> Query:
        wanted = "true"
        if relations is not None:
            wanted = f"c.relation = any ('{{{','.join(map(str, relations))}}}'::integer[])"
        place, first_key = _rest(after)
        if window is not None:
            place += f" and c.id <= {after.change + window}"
        return Query(
            f"""\
select s.id, s.xid::text as xid, coalesce(t.id::text, 'x' || s.xid::text) as transaction, s.at, t.actor, t.tenant,
    t.reason, s.relation, r.schema_name, r.table_name, s.operation,
    case when s.key_last is null then s.key else s.first_key::text end as key, s.key_last,
    coalesce(t.committed, s.at) as committed,
    holdfast.named(s.relation, s.before)::text as before, holdfast.named(s.relation, s.after)::text as after,
    s.wanted, s.looked
from (
    select l.*, row_number() over (order by l.id) as place, count(*) over () as looked,
        sum(l.size) over (order by l.id) as filled
    from (
        select c.id, c.xid, c.at, c.relation, c.operation::text as operation, c.key, c.key_last, c.before, c.after,
            w.wanted, f.first_key, case when w.wanted then coalesce(c.key_last - f.first_key + 1, 1) else 0 end as size
        from holdfast.change as c
        cross join lateral (select {wanted} as wanted) as w
        cross join lateral (select case when c.key_last is not null then {first_key} end as first_key) as f
        where {between(after, origin)} and {place}
        order by c.id
        limit {look}
    ) as l
) as s
join holdfast.relation as r on r.id = s.relation
left join holdfast.transaction as t on t.xid = s.xid and t.at = s.at
where s.wanted and s.filled - s.size < {limit} or s.place = s.looked
order by s.id""",
            {},
        )

    # ------------------------------------------------------------------ retention

    def lacks(self, position: Position, origins: Sequence[Origin], dropped: Dropped) -> bool:
        life, present = _life(position, origins), origins[-1]
        if dropped.change < life.first:
            return False
        if life.number != present.number:
            return dropped.change > (position.change if position.reading == EVERYTHING else position.highest)
        done = Snapshot.parse(position.done)
        if position.reading is None or position.change >= dropped.change:
            return not (Snapshot.parse(position.reading) if position.reading else done).covers(dropped.transaction)
        return not done.covers(dropped.transaction)

    def unread(self, position: Position, origins: Sequence[Origin]) -> str:
        life = _life(position, origins)
        if life.number != origins[-1].number:
            return f"c.id >= {life.first}"
        unread = f"c.id >= {life.first} and {not_in(Snapshot.parse(position.done))}"
        if position.reading is not None:
            reached = position.change + (position.key is None)
            unread += f" and (c.id >= {reached} or {not_in(Snapshot.parse(position.reading))})"
        return f"({unread})"

    # ------------------------------------------------------------------ consumers

    def try_consumer_lock(self, name: str) -> Query:
        return Query(
            "select pg_try_advisory_lock(hashtextextended('holdfast.consumer.' || cast(:name as text), 0))",
            {"name": name},
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

    def listen(self) -> str:
        return "listen holdfast"

    def wake_up(self, *, on: bool) -> str:
        return _TRIGGER_ON if on else _TRIGGER_OFF
