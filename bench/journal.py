"""Reading a long journal: a row's last changes, one transaction, an actor's day; buffers and milliseconds."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bench.cases import Line
from bench.subjects import Bench, protect
from holdfast.database import Database, execute
from holdfast.dialects.log import LogFilter
from holdfast.dialects.postgresql.journal import INDEXES
from holdfast.inspector import inspect
from holdfast.policies import Audit
from holdfast.tables import TableName
from holdfast.timeline import log, show

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
# Three changes for each transaction, two hundred actors, and sixty changes for each row, in no order of the keys. Each
# tenth transaction brings three new rows by one statement, which is one change.
TRANSACTIONS = """\
insert into holdfast.transaction (xid, at, committed, actor, session_user_name)
select (i + 1000000)::text::xid8, w.at, w.at + interval '1 ms', 'user' || i % 200, 'app'
from generate_series(1, {transactions}) as i
cross join lateral (select now() - interval '{days} days' + i * (interval '{days} days' / {transactions}) as at) as w"""
CHANGES = """\
insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
select (i + 1000000)::text::xid8, now() - interval '{days} days' + i * (interval '{days} days' / {transactions}), 1,
    case when k < 4 then 'U' else 'I' end,
    case when k < 4 then (i::bigint * 7919 + k * 104729) % {rows} + 1 else {rows} + i end::text,
    case when k = 4 then {rows} + i + 2 end,
    case when k < 4 then '{{"2":"pending","3":"' || repeat('x', 20) || '"}}' end,
    case when k < 4 then '{{"2":"shipped","3":"' || repeat('y', 20) || '"}}' end
from generate_series(1, {transactions}) as i
cross join lateral generate_series(1, case when i % 10 = 5 then 4 else 3 end) as k"""
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
        "the last 50 changes of one row": (LogFilter(table=TABLE, key="17", limit=50), 2),
        "a transaction's changes": (LogFilter(transaction=transaction, limit=None), 5),
        "an actor's day": (LogFilter(actor="user7", since=day, until=day + timedelta(days=1), limit=None), 50),
    }


@dataclass(frozen=True)
class Reading:
    """What the server did for one question, all of its statements together."""

    buffers: int
    took: float
    planned: float
    rows: int


def explained(connection: sa.Connection, database: Database, wanted: LogFilter) -> Reading:
    """The statements that answer the question, each run and explained; what was read of the catalog is left out."""
    dialect, inventory = inspect(connection, database.dialect, objects=False)
    statements: list[tuple[str, Any]] = []

    def seen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        statements.append((statement, parameters))

    sa.event.listen(connection, "before_cursor_execute", seen)
    if wanted.transaction is not None:
        _, changes = show(connection, dialect, inventory, wanted.transaction)
    else:
        changes = log(connection, dialect, inventory, wanted)
    sa.event.remove(connection, "before_cursor_execute", seen)
    # To count buffers takes time in each node of the plan, so time is taken by itself.
    read = [_plan(connection, *each, "buffers, timing off")["Plan"] for each in statements]
    took = [_plan(connection, *each, "buffers off, timing off") for each in statements]
    return Reading(
        sum(each["Shared Hit Blocks"] + each["Shared Read Blocks"] for each in read),
        sum(each["Execution Time"] for each in took),
        sum(each["Planning Time"] for each in took),
        len(changes),
    )


def _plan(connection: sa.Connection, statement: str, parameters: Any, options: str) -> dict[str, Any]:
    asked = f"explain (analyze, {options}, summary on, format json) {statement}"
    given = {"no_parameters": True} if not parameters else {}
    answer = connection.exec_driver_sql(asked, parameters or None, execution_options=given).scalar_one()
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
            took = statistics.median(run.took for run in runs)
            planned = statistics.median(run.planned for run in runs)
            found.append(
                Line(
                    f"Journal of {bench.sizes.journal:,} changes: {title}, elapsed in the server",
                    f"{goal:g} ms",
                    f"{took:.2f} ms, planned in {planned:.2f} ms ({runs[-1].buffers} buffers, {runs[-1].rows} rows)",
                    took <= goal,
                )
            )
    return found
