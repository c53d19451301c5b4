"""The change feed: one transaction writes at a time, so the order of the journal is that of the commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from holdfast.dialects.feed import Dropped, Feed, Origin, Position
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.log import document, moment
from holdfast.dialects.sqlite.values import key_shown

TABLES: dict[str, str] = {
    # What tells this journal from another one; a copy of the file is the same journal.
    "holdfast_origin": """\
create table if not exists main.holdfast_origin (
    number integer primary key,
    identity text not null
)""",
    # Who reads the feed, and how far it is done.
    "holdfast_consumer": """\
create table if not exists main.holdfast_consumer (
    name text primary key,
    cursor text not null,
    acknowledged text,
    -- Whoever reads under this name at present, and since when.
    holder text not null,
    entered text not null default (strftime('%Y-%m-%dT%H:%M:%fZ'))
) without rowid""",
}
ORIGIN = (
    "insert into main.holdfast_origin (number, identity)\n"
    "select 1, lower(hex(randomblob(8))) where not exists (select 1 from main.holdfast_origin)"
)

_FAR = 10_000
"""Transactions, between what is acknowledged and what is read."""


def _after(position: Position) -> str:
    """A condition: the change comes after the position.

    Numbers grow with the transactions, so the next change is the next number. Where the change that was read last is
    gone, its number may have been given again.
    """
    return f"""c.id > case
        when exists (select 1 from main.holdfast_change as l
                     where l.id = {position.change} and l.transaction_id = {position.transaction})
        then {position.change}
        else coalesce((select l.id from main.holdfast_change as l
                       where (l.transaction_id, l.id) <= ({position.transaction}, {position.change})
                       order by l.id desc limit 1), 0)
    end"""


class SQLiteFeed(Feed):
    consumer_table = "main.holdfast_consumer"

    def is_there(self) -> str:
        return "select count(*) = 2 from main.sqlite_schema where name in ('holdfast_origin', 'holdfast_consumer')"

    def refused(self) -> None:
        return None

    def state(self) -> Query:
        return Query(
            "select cast(coalesce(t.last, 0) as text) as snapshot, strftime('%Y-%m-%dT%H:%M:%fZ') as now, o.identity,\n"
            "    json_array(json_array(o.number, o.identity, 0)) as origins, null as following,\n"
            "    (select json_group_object(r.id, json(r.dropped)) from main.holdfast_relation as r\n"
            "     where r.dropped is not null) as dropped\n"
            "from main.holdfast_origin as o\n"
            "cross join (select max(t.id) as last from main.holdfast_transaction as t) as t",
            {},
        )

    def begin_origin(self) -> None:
        return None

    def is_ahead(self, position: Position, snapshot: str) -> bool:
        return position.transaction > int(snapshot)

    def is_far(self, position: Position, later: Position) -> bool:
        return later.transaction - position.transaction >= _FAR

    def now(self, origin: Origin, snapshot: str, following: int | None, highest: int) -> Position:
        return Position(origin.number, change=2**63 - 1, transaction=int(snapshot))

    def opened(self, position: Position, snapshot: str, following: int | None) -> Position:
        return replace(position, batch=position.batch + 1, reading=snapshot)

    def since(self, at: datetime, origin: Origin) -> Query:
        return Query(
            'select min(t.id) as "transaction" from main.holdfast_transaction as t where t.at >= :at',
            {"at": moment(at)},
        )

    def before(self, transaction: int, origin: Origin) -> Position:
        return Position(origin.number, transaction=transaction)

    def page(
        self,
        after: Position,
        origin: Origin,
        relations: Sequence[int] | None,
        limit: int,
        look: int,
        window: int | None,
    ) -> Query:
        wanted = "1" if relations is None else f"c.relation in ({', '.join(map(str, relations))})"
        return Query(
            f"""\
select e.id, e.xid, e."transaction", e.at, e.actor, e.tenant, e.reason, e.relation, 'main' as schema_name,
    e.table_name, e.operation, e.key, null as key_last, e.at as committed,
    {document("before", 1)} as before,
    {document("after", 2)} as after,
    e.wanted, e.looked
from (
    select l.*, count(*) over () as looked, row_number() over (order by l.id) as place,
        sum(l.wanted) over (order by l.id) as filled
    from (
        select c.id, c.transaction_id as xid, cast(t.id as text) as "transaction", t.at, t.actor, t.tenant, t.reason,
            r.name as table_name, {key_shown("r", "c.key")} as key, c.operation, c.relation, c.side,
            {wanted} as wanted
        from main.holdfast_change as c
        join main.holdfast_transaction as t on t.id = c.transaction_id
        join main.holdfast_relation as r on r.id = c.relation
        where {_after(after)}
        order by c.id
        limit {look}
    ) as l
) as e
where e.wanted and e.filled - e.wanted < {limit} or e.place = e.looked
order by e.id""",
            {},
        )

    # ------------------------------------------------------------------ retention

    def lacks(self, position: Position, origins: Sequence[Origin], dropped: Dropped) -> bool:
        return (dropped.transaction, dropped.change) > (position.transaction, position.change)

    def unread(self, position: Position, origins: Sequence[Origin]) -> str:
        return f"(c.transaction_id, c.id) > ({position.transaction}, {position.change})"

    # ------------------------------------------------------------------ consumers

    def try_consumer_lock(self, name: str) -> None:
        return None

    def held(self, name: str) -> Query:
        # Written first: whoever reads first may find that another has written when it comes to write.
        return Query(
            "update main.holdfast_consumer set holder = holder where name = :name returning cursor, holder",
            {"name": name},
        )

    def acknowledge(self, name: str, cursor: str) -> Query:
        return Query(
            "update main.holdfast_consumer\n"
            "set cursor = :cursor, acknowledged = strftime('%Y-%m-%dT%H:%M:%fZ') where name = :name",
            {"name": name, "cursor": cursor},
        )
