"""What a signature adds to a transaction that binds a tenant and reads that tenant's row."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa

from bench.cases import Line, shown
from bench.sampling import Sample, Spread, added, interleaved, measured
from bench.subjects import Bench, Subject
from holdfast.database import Database
from holdfast.dialects.postgresql import PostgreSQL
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.plan import plan_protect
from holdfast.policies import Tenant
from holdfast.signing import SigningKey
from holdfast.signing_keys import create_key, turn_on

GOAL = 100
"""Microseconds that the signature may cost a transaction."""
ROLE = "bench_signing_app"
SAID = {"actor": "alice", "tenant": "7", "reason": "returns of the week"}
PLAIN = "select holdfast.set_context('alice', '7', 'returns of the week')"
SIGNED = "select holdfast.set_signed_context(%(signed)s)"
READ = "select id, title from notes where id = 7 and shop_id = 7"

Connection = psycopg.Connection[Any]


def lines(bench: Bench) -> list[Line]:
    plain, signed = (bench.add(name) for name in ("without signatures", "with signatures"))
    plain.connection.execute(f"create role {ROLE} login")
    for subject in (plain, signed):
        _fill(subject)
    key = SigningKey("bench", create_key(Database(signed.url), "bench"))
    turn_on(Database(signed.url))
    turns = 2 * bench.sizes.committed
    with _connect(plain) as unsigned_app, _connect(signed) as signed_app:
        samples = interleaved(
            bench.sizes.rounds,
            {
                f"{name} {reads}": partial(_transactions, app, signing, turns, reads)
                for reads in (1, 2)
                for name, app, signing in (("plain", unsigned_app, None), ("signed", signed_app, key))
            },
        )
    for subject in (plain, signed):
        subject.connection.execute(f"drop owned by {ROLE}")
    plain.connection.execute(f"drop role {ROLE}")
    once, twice = (added(samples[f"signed {reads}"], samples[f"plain {reads}"], turns) for reads in (1, 2))
    cost = Spread.of(once)
    further = Spread.of([two - one for one, two in zip(once, twice, strict=True)])
    return [
        Line("Signed context: time added to a transaction", f"{GOAL} µs", shown(cost, " µs"), cost.median <= GOAL),
        Line("Signed context: time added to each further statement", "", shown(further, " µs"), None),
    ]


def _fill(subject: Subject) -> None:
    subject.connection.execute("create table notes (id bigint primary key, shop_id integer not null, title text)")
    subject.connection.execute("insert into notes select n, n, 'note ' || n from generate_series(1, 10000) as n")
    database = Database(subject.url)
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
    apply(database, plan_protect(dialect, inventory, {inventory.resolve("notes").name: [Tenant("shop_id")]}))
    subject.connection.execute(f"grant select on notes to {ROLE}")
    subject.connection.execute("vacuum (analyze) notes")


def _connect(subject: Subject) -> Connection:
    url = sa.make_url(subject.url).set(drivername="postgresql", username=ROLE)
    return psycopg.connect(url.render_as_string(hide_password=False))


def _transactions(connection: Connection, key: SigningKey | None, turns: int, reads: int) -> Sample:
    query, parameters = (PLAIN, {}) if key is None else (SIGNED, {"signed": _sign(connection, key)})
    with measured(connection.info.backend_pid) as sample:
        for _ in range(turns):
            with connection.transaction():
                connection.execute(query, parameters, prepare=True)
                for _ in range(reads):
                    connection.execute(READ, prepare=True)
    return sample


def _sign(connection: Connection, key: SigningKey) -> str:
    row = connection.execute(PostgreSQL().signing.home()).fetchone()
    connection.commit()
    assert row is not None
    return key.sign(SAID, database=row[:2], now=time.time())
