"""A statement about a plain model, with protected ones in the same MetaData: what holdfast adds to it.

The floor is what SQLAlchemy adds for any listener of an engine, be it of ``begin`` alone, at which the context is
bound: it looks for listeners four times in each statement. No other documented hook says that a transaction begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, orm

import holdfast.sqlalchemy
from bench import events
from bench.cases import Line
from bench.desk import map_orders
from bench.subjects import Bench
from holdfast.policies import Audit, SoftDelete, Timestamps, Version

GOAL = 5.0
"""Microseconds for each statement."""
_BEFORE = 50
"""How often each statement runs before it is measured."""
Execute = Callable[[orm.Session, sa.Connection], Any]


class Base(orm.DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "events"
    id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, primary_key=True)
    body: orm.Mapped[str] = orm.mapped_column(sa.Text)


holdfast.sqlalchemy.protect(Audit(), SoftDelete(), Timestamps(), Version())(map_orders(Base))
_ID = sa.inspect(Event).local_table.c.id
KINDS: dict[str, Execute] = {
    "SELECT of the ORM": lambda session, _: session.execute(sa.select(Event.id).where(Event.id == 7)).one(),
    "SELECT of Core in a session": lambda session, _: session.execute(sa.select(_ID).where(_ID == 7)).one(),
    "SELECT of Core on a connection": lambda _, connection: connection.execute(sa.select(_ID).where(_ID == 7)).one(),
    # It finds no row, so none waits for the other's transaction.
    "UPDATE of the ORM": lambda session, _: session.execute(sa.update(Event).where(Event.id == -7).values(body="")),
}


def lines(bench: Bench) -> list[Line]:
    url = bench.add("unused").url
    hand, listened, bound = (sa.create_engine(url) for _ in range(3))
    with hand.begin() as connection:
        events.Base.metadata.create_all(connection)
        connection.exec_driver_sql(events.FILL.format(rows=100))
    event.listen(listened, "begin", lambda connection: None)
    holdfast.sqlalchemy.bind(bound)
    found = []
    with orm.Session(hand) as plain, orm.Session(listened) as listening, holdfast.sqlalchemy.Session(bound) as ours:
        for kind, execute in KINDS.items():
            whole, floor = _added([plain, listening, ours], execute, bench.sizes.pages * 40)
            found.append(
                Line(
                    f"Unused: a plain {kind} beside protected models, added CPU of the client, lower decile",
                    f"{GOAL:g} µs",
                    f"{whole:.1f} µs, of which SQLAlchemy's events {floor:.1f} µs",
                    whole < GOAL,
                )
            )
    for engine in (hand, listened, bound):
        engine.dispose()
    return found


def _added(sessions: list[orm.Session], execute: Execute, rounds: int) -> tuple[float, float]:
    """What holdfast adds, and what a listener that does nothing adds, in microseconds of the lower decile.

    Each in turn, since what is to be seen is less than what a machine's load changes from one second to the next.
    """
    turns = [(session, session.connection()) for session in sessions]
    for turn in turns * _BEFORE:
        execute(*turn)
    taken: list[list[float]] = [[] for _ in turns]
    for number in range(rounds):
        for place in range(len(turns)):
            which = (number + place) % len(turns)
            started = time.thread_time_ns()
            execute(*turns[which])
            taken[which].append((time.thread_time_ns() - started) / 1000)
    # A machine's load makes the others slower by several times.
    plain, floor, ours = (sorted(each)[len(each) // 10] for each in taken)
    return ours - plain, floor - plain
