"""Reading one tenant's rows under row security, against the same query by a role that sees all and says the tenant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa

from bench.cases import Line, shown
from bench.sampling import Sample, Spread, added, interleaved, measured, ratios
from bench.subjects import Bench
from holdfast.database import Database
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.plan import plan_protect
from holdfast.policies import Tenant

TENANTS = 1_000
GOAL = 1.25
CONTEXT_GOAL = 100
"""Microseconds that the context may cost a transaction."""
TURNS = {"point": 700, "list": 200, "count": 150}
# What differs by few microseconds is told apart by many short rounds: what disturbs the machine lasts longer than two.
ROUNDS = 3
"""Times as many rounds as of what takes longer; of what is no ratio as many times more."""
TITLES = {"point": "a row by its key", "list": "the newest 50", "count": "a count"}
QUERIES = {
    "point": "select id, title from documents where id = %(id)s and shop_id = %(shop)s",
    "list": "select id, title from documents where shop_id = %(shop)s order by created_at desc limit 50",
    "count": "select count(*) from documents where shop_id = %(shop)s",
}
CONTEXT = "select holdfast.set_context(tenant => %(shop)s::text)"

Connection = psycopg.Connection[Any]


def lines(bench: Bench) -> list[Line]:
    subject = bench.add("tenants")
    rows = bench.sizes.tenanted
    _fill(subject.connection, rows)
    _protect(subject.url)
    subject.connection.execute("create role bench_tenants_app login")
    subject.connection.execute("grant select on documents to bench_tenants_app")
    subject.connection.execute("vacuum (analyze) documents")
    url = sa.make_url(subject.url).set(drivername="postgresql", username="bench_tenants_app")
    with psycopg.connect(url.render_as_string(hide_password=False)) as app, subject.connect() as plain:
        runs: dict[str, Callable[[], Sample]] = {}
        for kind in QUERIES:
            turns = min(TURNS[kind], rows // 10)
            runs[f"plain {kind}"] = partial(_turned, plain, kind, rows, turns)
            runs[f"ours {kind}"] = partial(_turned, app, kind, rows, turns)
        samples = interleaved(ROUNDS * bench.sizes.rounds, runs)
        turns = min(TURNS["point"], rows // 10)
        bound = {bound: partial(_transactions, app, turns, bound=bound) for bound in (False, True)}
        contexts = interleaved(ROUNDS**2 * bench.sizes.rounds, bound)
    subject.connection.execute("drop owned by bench_tenants_app")
    subject.connection.execute("drop role bench_tenants_app")
    found = []
    for kind, title in TITLES.items():
        spread = ratios(samples[f"ours {kind}"], samples[f"plain {kind}"], "cpu")
        told = f"Tenants: {title}, under row security, against a WHERE by hand; {rows:,} rows, {TENANTS:,} tenants"
        found.append(Line(told, f"{GOAL:g}x", shown(spread), spread.median <= GOAL, {}))
    cost = Spread.of(added(contexts[True], contexts[False], turns))
    title, goal = "Tenants: the context of a transaction", f"{CONTEXT_GOAL} µs"
    return [*found, Line(title, goal, shown(cost, " µs"), cost.median <= CONTEXT_GOAL)]


def _fill(connection: Connection, rows: int) -> None:
    connection.execute(
        "create table documents (id bigint primary key, shop_id integer not null, created_at timestamptz not null, "
        "title text)"
    )
    connection.execute(
        f"""
        insert into documents
        select n, n % {TENANTS}, now() - n * interval '1 second', 'document ' || n from generate_series(1, {rows}) as n
        """
    )
    connection.execute("create index documents_newest on documents (shop_id, created_at desc)")


def _protect(url: str) -> None:
    database = Database(url)
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
    apply(database, plan_protect(dialect, inventory, {inventory.resolve("documents").name: [Tenant("shop_id")]}))


def _turned(connection: Connection, kind: str, rows: int, turns: int) -> Sample:
    """Within one transaction, so that the context is no part of it."""
    with connection.transaction():
        connection.execute(CONTEXT, {"shop": 7})
        parameters = {"id": 7 + TENANTS * (rows // TENANTS // 2), "shop": 7}
        for _ in range(20):
            connection.execute(QUERIES[kind], parameters, prepare=True)
        with measured(connection.info.backend_pid) as sample:
            for _ in range(turns):
                connection.execute(QUERIES[kind], parameters, prepare=True)
    return sample


def _transactions(connection: Connection, turns: int, *, bound: bool) -> Sample:
    parameters = {"id": 7, "shop": 7}
    with measured(connection.info.backend_pid) as sample:
        for _ in range(turns):
            with connection.transaction():
                if bound:
                    connection.execute(CONTEXT, parameters, prepare=True)
                connection.execute(QUERIES["point"], parameters, prepare=True)
    return sample
