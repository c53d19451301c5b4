"""What a permission in a policy adds to an UPDATE of one row."""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa

from bench.cases import Line, shown
from bench.sampling import Sample, Spread, added, interleaved, measured
from bench.subjects import Bench, Subject
from holdfast.database import Database
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.plan import plan_protect
from holdfast.policies import Permit

GOAL = 100
"""Microseconds that asking for the permission may cost a statement."""
ROLE = "bench_permissions_app"
HELD = "set local holdfast.permissions = 'invoice:read note:* order:read'"
WRITE = "update notes set title = 'another' where id = %(id)s"
ROWS = 10_000

Connection = psycopg.Connection[Any]


def lines(bench: Bench) -> list[Line]:
    plain, permitted = (bench.add(name) for name in ("without permissions", "with permissions"))
    plain.connection.execute(f"create role {ROLE} login")
    for subject in (plain, permitted):
        _fill(subject, protected=subject is permitted)
    turns = 10 * bench.sizes.committed
    with _connect(plain) as free, _connect(permitted) as asking:
        samples = interleaved(
            bench.sizes.rounds, {"free": partial(_writes, free, turns), "asking": partial(_writes, asking, turns)}
        )
    for subject in (plain, permitted):
        subject.connection.execute(f"drop owned by {ROLE}")
    plain.connection.execute(f"drop role {ROLE}")
    cost = Spread.of(added(samples["asking"], samples["free"], turns))
    return [
        Line("A permission in a policy: time added to a write", f"{GOAL} µs", shown(cost, " µs"), cost.median <= GOAL)
    ]


def _fill(subject: Subject, *, protected: bool) -> None:
    subject.connection.execute("create table notes (id bigint primary key, title text)")
    subject.connection.execute(f"insert into notes select n, 'note ' || n from generate_series(1, {ROWS}) as n")
    if protected:
        database = Database(subject.url)
        with database.snapshot() as connection:
            dialect, inventory = inspect(connection, database.dialect)
        declared = {inventory.resolve("notes").name: [Permit(update="note:update")]}
        apply(database, plan_protect(dialect, inventory, declared))
    subject.connection.execute(f"grant select, update on notes to {ROLE}")
    subject.connection.execute("vacuum (analyze) notes")


def _connect(subject: Subject) -> Connection:
    url = sa.make_url(subject.url).set(drivername="postgresql", username=ROLE)
    return psycopg.connect(url.render_as_string(hide_password=False))


def _writes(connection: Connection, turns: int) -> Sample:
    with connection.transaction(force_rollback=True):
        connection.execute(HELD)
        with measured(connection.info.backend_pid) as sample:
            for turn in range(turns):
                connection.execute(WRITE, {"id": turn % ROWS + 1}, prepare=True)
    return sample
