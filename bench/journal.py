"""Reading a long journal: a row's last changes, one transaction, an actor's day; buffers and milliseconds."""

from __future__ import annotations

import json
import statistics
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bench.cases import Line
from bench.subjects import Bench, protect
from holdfast.database import Database, execute
from holdfast.dialects.log import LogFilter
from holdfast.dialects.postgresql.journal import INDEXES
from holdfast.dialects.query import Query
from holdfast.policies import Audit
from holdfast.tables import TableName

DAYS = 360
"""How far back the journal goes."""
PARTITIONS = """\
do $$
declare
    v_month timestamp;
begin
    for v_month in
        select m from generate_series(date_trunc('month', now() at time zone 'UTC') - interval '12 months',
                                      date_trunc('month', now() at time zone 'UTC') - interval '1 month',
                                      interval '1 month') as m
    loop
        execute format('create table holdfast.change_%s partition of holdfast.change for values from (%L) to (%L)',
            to_char(v_month, 'YYYYMM'), v_month at time zone 'UTC', (v_month + interval '1 month') at time zone 'UTC');
    end loop;
end
$$"""
# Three changes for each transaction, two hundred actors, and sixty changes for each row, in no order of the keys.
TRANSACTIONS = """\
insert into holdfast.transaction (xid, at, committed, actor, session_user_name)
select (i + 1000000)::text::xid8, w.at, w.at + interval '1 ms', 'user' || i % 200, 'app'
from generate_series(1, {transactions}) as i
cross join lateral (select now() - interval '{days} days' + i * (interval '{days} days' / {transactions}) as at) as w"""
CHANGES = """\
insert into holdfast.change (xid, at, relation, operation, key, before, after)
select (i + 1000000)::text::xid8, now() - interval '{days} days' + i * (interval '{days} days' / {transactions}),
    1, 'U', ((i::bigint * 7919 + k * 104729) % {rows} + 1)::text,
    '{{"2":"pending","3":"' || repeat('x', 20) || '"}}', '{{"2":"shipped","3":"' || repeat('y', 20) || '"}}'
from generate_series(1, {transactions}) as i
cross join generate_series(1, 3) as k"""
TABLE = TableName("public", "orders")


def fill(connection: sa.Connection, changes: int) -> None:
    """Writes the journal of a year into the database, whose first relation is ``orders``."""
    transactions = max(200, changes // 3)
    sizes = {"transactions": transactions, "days": DAYS, "rows": max(1, transactions * 3 // 60)}
    execute(connection, PARTITIONS)
    # No trigger notes the moment of the commit: it is given.
    execute(connection, "set local session_replication_role = replica")
    execute(connection, TRANSACTIONS.format(**sizes))
    # A tree of keys in no order is made much faster when all of them are there.
    execute(connection, "drop index holdfast.change_row")
    execute(connection, CHANGES.format(**sizes))
    execute(connection, "set local maintenance_work_mem = '256MB'")
    execute(connection, INDEXES["change_row"])


def questions(changes: int) -> dict[str, tuple[LogFilter, float]]:
    """What is asked, and the goal in milliseconds."""
    day = datetime.now(UTC) - timedelta(days=DAYS // 3)
    transaction = str(max(200, changes // 3) // 2)
    return {
        "the last 50 changes of one row": (LogFilter(table=TABLE, relations=(1,), key="17", limit=50), 2),
        "a transaction's changes": (LogFilter(transaction=transaction, limit=None), 5),
        "an actor's day": (LogFilter(actor="user7", since=day, until=day + timedelta(days=1), limit=None), 50),
    }


def explained(connection: sa.Connection, database: Database, wanted: LogFilter) -> tuple[int, float, int, float]:
    """Buffers that were read, milliseconds of the server, rows, and milliseconds of planning, each time anew."""
    query = database.dialect.log.changes(wanted)
    # To count buffers takes time in each node of the plan, so time is taken by itself.
    read = _plan(connection, query, "buffers, timing off")["Plan"]
    took = _plan(connection, query, "buffers off, timing off")
    buffers = read["Shared Hit Blocks"] + read["Shared Read Blocks"]
    return buffers, took["Execution Time"], read["Actual Rows"], took["Planning Time"]


def _plan(connection: sa.Connection, query: Query, options: str) -> dict[str, Any]:
    asked = Query(f"explain (analyze, {options}, summary on, format json) {query.sql}", query.parameters)
    answer = execute(connection, asked)[0][0]
    [document] = json.loads(answer) if isinstance(answer, str) else answer
    found: dict[str, Any] = document
    return found


def lines(bench: Bench) -> list[Line]:
    subject = bench.add("journal")
    protect(subject.url, (Audit(),))
    database = Database(subject.url)
    with database.begin() as connection:
        fill(connection, bench.sizes.journal)
    for table in ("transaction", "change"):
        subject.connection.execute(f"vacuum (analyze) holdfast.{table}")
    found = []
    with database.connect() as connection:
        for title, (wanted, goal) in questions(bench.sizes.journal).items():
            runs = [explained(connection, database, wanted) for _ in range(bench.sizes.rounds + 1)][1:]
            took = statistics.median(run[1] for run in runs)
            planned = statistics.median(run[3] for run in runs)
            found.append(
                Line(
                    f"Journal of {bench.sizes.journal:,} changes: {title}, elapsed in the server",
                    f"{goal:g} ms",
                    f"{took:.2f} ms, planned in {planned:.2f} ms ({runs[-1][0]} buffers, {runs[-1][2]:g} rows)",
                    took <= goal,
                )
            )
    return found
