"""The journal itself: tables beside the user's own, which the application adds to and nobody changes."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.dialects.sqlite import digests, erasure, evidence, feed, holds, interventions, permissions
from holdfast.dialects.sqlite.sql import literal, refusal
from holdfast.dialects.sqlite.statement import MAINTAIN, MAINTAINED
from holdfast.objects import SCHEMA_VERSION, DatabaseObject

# No AUTOINCREMENT: it would leave sqlite_sequence behind, which can never be dropped. The columns that hold
# values and keys have no type, so that SQLite converts nothing.
TABLES = {
    "holdfast_transaction": """\
create table if not exists main.holdfast_transaction (
    id integer primary key,
    at text not null,
    statement integer not null,
    token text,
    actor text,
    tenant text,
    reason text,
    context text
)""",
    # side: 1 the row left (before alone), 2 it came (after alone), 3 it was changed. What happened in which order is
    # told by place, where there is one, else by id: a trigger of somebody else may change a row again before we can
    # record what it did first. late is not 0 then, and tells an outer change (later, so larger) from one within it.
    "holdfast_change": """\
create table if not exists main.holdfast_change (
    id integer primary key,
    transaction_id integer not null,
    statement integer not null,
    relation integer not null,
    operation text not null,
    side integer not null,
    late integer not null,
    place real,
    key
)""",
    "holdfast_value": """\
create table if not exists main.holdfast_value (
    change integer not null,
    column_id integer not null,
    before,
    after,
    masked integer,
    primary key (change, column_id)
) without rowid""",
    "holdfast_relation": """\
create table if not exists main.holdfast_relation (
    id integer primary key,
    name text not null,
    key_columns text not null,
    policies text not null,
    added_columns text not null,
    protected integer not null,
    -- From when on every change is here.
    since text,
    -- What was dropped last: number of the intervention, highest change and transaction that ever were.
    dropped text
)""",
    "holdfast_column": """\
create table if not exists main.holdfast_column (
    relation integer not null,
    id integer not null,
    name text not null,
    position integer not null,
    type text not null,
    dropped integer not null,
    primary key (relation, id)
) without rowid""",
    "holdfast_object": """\
create table if not exists main.holdfast_object (
    name text primary key,
    version text not null,
    source text not null,
    definition text not null
) without rowid""",
    # One row while a transaction that says who it is runs; written and removed within it.
    "holdfast_context": """\
create table if not exists main.holdfast_context (
    id integer primary key default 1 check (id = 1),
    token text not null default (lower(hex(randomblob(8)))),
    actor text,
    tenant text,
    reason text,
    context text,
    allow text,
    mark integer,
    undo integer not null default 0,
    maintenance integer not null default 0,
    permissions text
)""",
    "holdfast_statement": """\
create table if not exists main.holdfast_statement (
    id integer primary key check (id = 1),
    number integer not null,
    at text not null,
    total integer not null,
    clock integer not null,
    mixed integer not null,
    event integer not null default 1,
    keeping text,
    reviving integer not null default 0
)""",
    "holdfast_count": """\
create table if not exists main.holdfast_count (
    relation integer primary key,
    statement integer not null,
    touched integer not null
)""",
    # Rows that a statement might replace: SQLite tells nobody that INSERT OR REPLACE deletes one. A negative
    # statement: it did, and that was recorded.
    "holdfast_replaced": """\
create table if not exists main.holdfast_replaced (
    relation integer not null,
    statement integer not null,
    start integer not null,
    key,
    column_id integer not null,
    value
)""",
    # Updates that began, and what the journal's next change was then: only where others have triggers.
    "holdfast_started": """\
create table if not exists main.holdfast_started (
    id integer primary key,
    relation integer not null,
    statement integer not null,
    start integer not null,
    key,
    image text not null
)""",
    **interventions.TABLES,
    **evidence.TABLES,
    **holds.TABLES,
    **erasure.TABLES,
    **feed.TABLES,
    **permissions.TABLES,
}

INDEXES = {
    "holdfast_change_row": "create index if not exists main.holdfast_change_row on holdfast_change (relation, key, id)",
    "holdfast_change_transaction": """\
create index if not exists main.holdfast_change_transaction on holdfast_change (transaction_id, relation)""",
    "holdfast_started_row": """\
create index if not exists main.holdfast_started_row on holdfast_started (relation, key, id)""",
    "holdfast_replaced_row": """\
create index if not exists main.holdfast_replaced_row on holdfast_replaced (relation, key, column_id)""",
    "holdfast_value_waiting": digests.INDEX,
}

# For people and BI tools; the documents are left to ``log``, which names the present columns.
TIMELINE = f"""\
create view main.holdfast_timeline as
select c.id, t.id as transaction_id, t.at, t.actor, t.tenant, t.reason, r.name as table_name, c.key,
    case c.operation when 'I' then 'insert' when 'U' then 'update' when 'R' then 'restore' else 'delete' end as operation,
    n.name as column_name, {digests.shown("v.before")} as before, {digests.shown("v.after")} as after
from holdfast_change as c
join holdfast_transaction as t on t.id = c.transaction_id
join holdfast_relation as r on r.id = c.relation
left join holdfast_value as v on v.change = c.id
left join holdfast_column as n on n.relation = c.relation and n.id = v.column_id"""

TIMELINE_ANEW = ("drop view if exists main.holdfast_timeline", TIMELINE)

_MAINTENANCE = "not exists (select 1 from holdfast_context where maintenance)"
_SAME_ROW = {
    "transaction": "id = new.id",
    "change": "id = new.id",
    "value": "change = new.change and column_id = new.column_id",
}


def objects() -> tuple[DatabaseObject, ...]:
    """The journal's own objects, in the order in which they are made."""
    return (
        *(DatabaseObject("table", name, None, "", (create,), ()) for name, create in TABLES.items()),
        *(
            DatabaseObject("index", name, None, "", (create,), (f"drop index if exists main.{name}",))
            for name, create in INDEXES.items()
        ),
        *_append_only(),
        DatabaseObject("view", "holdfast_timeline", None, "", TIMELINE_ANEW, TIMELINE_ANEW[:1]),
    )


def _append_only() -> list[DatabaseObject]:
    triggers = []
    for table, same in _SAME_ROW.items():
        raised = refusal(
            "HF201", "The journal of holdfast is append-only.", "History goes with holdfast unprotect --purge-history."
        )
        conditions = {
            "update": _MAINTENANCE,
            "delete": _MAINTENANCE,
            # INSERT OR REPLACE deletes without telling a DELETE trigger.
            "insert": f"exists (select 1 from holdfast_{table} where {same})",
        }
        for event, condition in conditions.items():
            name = f"holdfast_{table}_no_{event}"
            drop = f"drop trigger if exists main.{name}"
            create = (
                f"create trigger main.{name}\nbefore {event} on holdfast_{table}\nfor each row\nwhen {condition}\n"
                f"begin\n    select {raised};\nend"
            )
            triggers.append(DatabaseObject("trigger", name, None, "", (drop, create), (drop,)))
    return triggers


def _mark(made: Iterable[DatabaseObject], version: str) -> str:
    """Writes down how the catalog spells them."""
    listed = ",\n    ".join(f"({literal(each.kind)}, {literal(each.name)}, {literal(each.checksum)})" for each in made)
    return (
        f"with w (kind, name, source) as (values\n    {listed})\n"
        "insert or replace into main.holdfast_object (name, version, source, definition)\n"
        f"select s.name, {literal(version)}, w.source, s.sql\n"
        "from w join main.sqlite_schema as s on s.type = w.kind and s.name = w.name"
    )


def install(version: str) -> tuple[str, ...]:
    """The statements that make the journal, each harmless where its object is there already."""
    made = objects()
    return (
        *(statement for each in made for statement in each.create),
        "insert into main.holdfast_statement (id, number, at, total, clock, mixed)\n"
        "select 1, 0, '', -1, 0, 3 where not exists (select 1 from main.holdfast_statement)",
        feed.ORIGIN,
        _mark(made, version),
        # Read from the catalog alone: a query over a table that may not be there cannot be prepared.
        "drop view if exists main.holdfast_version",
        f"create view main.holdfast_version as select {literal(f'holdfast:{version} schema={SCHEMA_VERSION}')} as marker",
    )


def remove() -> tuple[str, ...]:
    return (
        "drop view if exists main.holdfast_version",
        "drop view if exists main.holdfast_timeline",
        *(f"drop table if exists main.{name}" for name in reversed(TABLES)),
    )


def forget(relation: int) -> tuple[str, ...]:
    """Takes one table's history away. The newest transaction stays, so that its number is not given twice."""
    return (
        MAINTAIN,
        *evidence.purge(relation),
        f"delete from main.holdfast_value\nwhere change in (select id from main.holdfast_change where relation = {relation})",
        # The newest one stays without its content, so that a number that was sealed is not given twice.
        f"delete from main.holdfast_change\nwhere relation in (0, {relation}) and (\n"
        "    id < (select max(id) from main.holdfast_change) or not exists (select 1 from main.holdfast_epoch))",
        "update main.holdfast_change\nset transaction_id = 0, relation = 0, operation = '', key = null, place = null\n"
        f"where relation = {relation}",
        "delete from main.holdfast_transaction\n"
        "where id < (select max(id) from main.holdfast_transaction)\n"
        "    and not exists (select 1 from main.holdfast_change as c where c.transaction_id = holdfast_transaction.id)",
        f"delete from main.holdfast_column where relation = {relation}",
        f"delete from main.holdfast_relation where id = {relation}",
        f"delete from main.holdfast_count where relation = {relation}",
        f"delete from main.holdfast_replaced where relation = {relation}",
        f"delete from main.holdfast_started where relation = {relation}",
        *MAINTAINED,
    )
