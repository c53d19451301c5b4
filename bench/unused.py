"""A statement about a plain model, with protected ones in the same MetaData: what holdfast adds to it.

In a session of SQLAlchemy's own, over an engine that is not bound, holdfast is loaded and no more. In a session of
ours, over a bound engine, it must look at each statement; there the floor is what SQLAlchemy adds for any listener of
an engine, be it of ``begin`` alone, at which the context is bound: it looks for listeners four times in each
statement. No other documented hook says that a transaction begins.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import sqlalchemy as sa
from sqlalchemy import event, orm

import holdfast.sqlalchemy
from bench import events
from bench.cases import Line
from bench.peers import ROOT
from bench.plain import KINDS, deciles, protect_orders
from bench.subjects import Bench

GOAL = 5.0
"""Microseconds for each statement."""

protect_orders()


def lines(bench: Bench) -> list[Line]:
    url, rounds = bench.add("unused").url, bench.sizes.pages * 40
    hand, listened, bound = (sa.create_engine(url) for _ in range(3))
    with hand.begin() as connection:
        events.Base.metadata.create_all(connection)
        connection.exec_driver_sql(events.FILL.format(rows=100))
    event.listen(listened, "begin", lambda connection: None)
    holdfast.sqlalchemy.bind(bound)
    found = [
        Line(
            f"Unused: a plain {kind} where holdfast is loaded and the engine not bound, added CPU of the client, "
            "lower decile, median of the runs",
            f"{GOAL:g} µs",
            f"{statistics.median(added):.1f} µs ({min(added):.1f}–{max(added):.1f})",
            statistics.median(added) < GOAL,
        )
        for kind, added in _added_by_loading(url, bench.sizes.rounds, rounds).items()
    ]
    with orm.Session(hand) as plain, orm.Session(listened) as listening, holdfast.sqlalchemy.Session(bound) as ours:
        for kind, execute in KINDS.items():
            by_hand, floor, whole = deciles([plain, listening, ours], execute, rounds)
            found.append(
                Line(
                    f"Unused: a plain {kind} beside protected models, added CPU of the client, lower decile",
                    f"{GOAL:g} µs",
                    f"{whole - by_hand:.1f} µs, of which SQLAlchemy's events {floor - by_hand:.1f} µs",
                    whole - by_hand < GOAL,
                )
            )
    for engine in (hand, listened, bound):
        engine.dispose()
    return found


def _added_by_loading(url: str, runs: int, rounds: int) -> dict[str, list[float]]:
    """Of each kind the microseconds by which a program that has loaded holdfast was slower than one that has not."""
    added: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(runs):
        bare, loaded = (_program(url, each, rounds) for each in ("bare", "loaded"))
        for kind, one, other in zip(KINDS, bare, loaded, strict=True):
            added[kind].append(other - one)
    return added


def _program(url: str, loaded: str, rounds: int) -> list[float]:
    command = [sys.executable, "-m", "bench.plain", url, loaded, str(rounds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    measured: list[float] = json.loads(done.stdout)
    return measured
