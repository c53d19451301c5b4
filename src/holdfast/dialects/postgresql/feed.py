"""The change feed: every committed change once, in an order that never goes back.

Numbers are given when a row is written, and transactions commit in another order. So the feed goes from one snapshot to
the next: what is committed in this one and was not in the last one, by number. Of two changes of one row the later one
has the higher number, since the row was locked, and is seen in no snapshot without the other. Ordered by the numbers of the
transactions, which are given when each first writes, the two could come the wrong way round.

Where to look is told by marks: (transaction, change), of which a batch makes one when it has been read. A change that
was visible had its number before it was asked which transaction would begin next, so that one and all after it have
higher numbers. A snapshot does not say it: its end is the last transaction that is over, and later ones may be running
that have written already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from holdfast.dialects.feed import EVERYTHING, Dropped, Feed, Origin, Position
from holdfast.dialects.query import Query

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

# While nobody writes. What was recorded here is younger than the triggers, and a restore makes those after the rows.
BEGIN_ORIGIN = """\
declare
    v_system bigint := (select c.system_identifier from pg_control_system() as c);
    v_last holdfast.origin;
    v_triggers integer;
begin
    lock table holdfast.origin in share row exclusive mode;
    select o.* into v_last from holdfast.origin as o order by o.number desc limit 1;
    if v_last.number is null then
        insert into holdfast.origin (number, system, journal_oid, first_change)
        values (1, v_system, 'holdfast.change'::regclass, 0);
    elsif (v_last.system, v_last.journal_oid) is distinct from (v_system, 'holdfast.change'::regclass::oid) then
        lock table holdfast.change in share row exclusive mode;
        select max(age(t.xmin)) into v_triggers
        from pg_trigger as t
        join pg_proc as p on p.oid = t.tgfoid
        where p.pronamespace = 'holdfast'::regnamespace;
        insert into holdfast.origin (number, system, journal_oid, first_change)
        values (v_last.number + 1, v_system, 'holdfast.change'::regclass, coalesce(
            (select min(c.id) from holdfast.change as c where age(c.xmin) < v_triggers),
            nextval('holdfast.change_id')));
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

_FAR = 10_000
"""Transactions, between what is acknowledged and what is read."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is over: the transactions before ``xmax`` without those that were ``running``."""

    xmax: int = 0
    running: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        if not text:
            return cls()
        if text == EVERYTHING:
            return cls(2**64 - 1)
        _, xmax, running = text.split(":")
        return cls(int(xmax), frozenset(int(each) for each in running.split(",") if each))

    def covers(self, transaction: int) -> bool:
        """Whether this one and all before it are over."""
        return transaction < self.xmax and not any(each <= transaction for each in self.running)

    def ended_since(self, earlier: Self) -> frozenset[int]:
        """Of those that were running then."""
        return frozenset(each for each in earlier.running - self.running if each < self.xmax)


def _after(snapshot: Snapshot) -> str:
    """A condition: it was not committed in the snapshot."""
    return f"(c.xid >= '{snapshot.xmax}'::xid8 or c.xid = any ({_xids(snapshot.running)}))"


def _life(position: Position, origins: Sequence[Origin]) -> Origin:
    return next(each for each in origins if each.number == position.origin)


def _above(marks: Sequence[tuple[int, int]], transaction: int) -> int:
    """The changes of that transaction and of all later ones have higher numbers."""
    return max((change for begins, change in marks if begins <= transaction), default=0)


def _kept(marks: Sequence[tuple[int, int]], done: Snapshot) -> tuple[tuple[int, int], ...]:
    """Those that say the most of what is not over yet, or may come to do so."""
    said = {_above(marks, each) for each in (*done.running, done.xmax)}
    return tuple(each for each in marks if each[0] > done.xmax or each[1] in said)


def _batch(position: Position, origin: Origin) -> str:
    """A condition: the change is of that life, and was committed between the two snapshots."""
    life = f"c.id >= {origin.first} and c.id < {origin.end}"
    done, reading = Snapshot.parse(position.done), Snapshot.parse(position.reading or "")
    since = (
        f"c.xid >= '{done.xmax}'::xid8 and c.xid < '{reading.xmax}'::xid8 and c.xid <> all ({_xids(reading.running)})"
    )
    came = reading.ended_since(done)
    return f"{life} and ({since} or c.xid = any ({_xids(came)}))" if came else f"{life} and {since}"


def _xids(numbers: frozenset[int]) -> str:
    return f"'{{{','.join(map(str, sorted(numbers)))}}}'::xid8[]"


class PostgreSQLFeed(Feed):
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
        return ORIGIN

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
        above = _above(position.marks, min((*Snapshot.parse(snapshot).ended_since(done), done.xmax)))
        return replace(position, batch=position.batch + 1, reading=snapshot, change=above, following=following or 0)

    def closed(self, position: Position) -> Position:
        closed = position.closed()
        begins, highest = max(position.marks, default=(0, 0))
        marks = position.marks
        if position.following > begins and position.highest > highest:
            marks += ((position.following, position.highest),)
        return replace(closed, following=0, marks=_kept(marks, Snapshot.parse(closed.done)))

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
        first_key, place = "c.key::bigint", f"c.id > {after.change}"
        if after.key is not None:
            # The run that the position is in: what is left of it.
            first_key = f"case when c.id = {after.change} then {after.key + 1} else c.key::bigint end"
            place = f"(c.id > {after.change} or c.id = {after.change} and c.key_last > {after.key})"
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
        where {_batch(after, origin)} and {place}
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
        unread = f"c.id >= {life.first} and {_after(Snapshot.parse(position.done))}"
        if position.reading is not None:
            reached = position.change + (position.key is None)
            unread += f" and (c.id >= {reached} or {_after(Snapshot.parse(position.reading))})"
        return f"({unread})"

    def consumers(self) -> str:
        return (
            "select c.name, c.cursor, c.acknowledged from holdfast.consumer as c where c.cursor <> '' order by c.name"
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

    def listen(self) -> str:
        return "listen holdfast"

    def wake_up(self, *, on: bool) -> str:
        return _TRIGGER_ON if on else _TRIGGER_OFF
