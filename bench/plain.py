"""Statements about a plain model. A program of its own too, that has loaded holdfast or knows SQLAlchemy alone."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from bench.desk import map_orders

_BEFORE = 50
"""How often each statement runs before it is measured."""
Execute = Callable[[orm.Session, sa.Connection], Any]


class Base(orm.DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "events"
    id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, primary_key=True)
    body: orm.Mapped[str] = orm.mapped_column(sa.Text)


_ID = sa.inspect(Event).local_table.c.id
KINDS: dict[str, Execute] = {
    "SELECT of the ORM": lambda session, _: session.execute(sa.select(Event.id).where(Event.id == 7)).one(),
    "SELECT of Core in a session": lambda session, _: session.execute(sa.select(_ID).where(_ID == 7)).one(),
    "SELECT of Core on a connection": lambda _, connection: connection.execute(sa.select(_ID).where(_ID == 7)).one(),
    # It finds no row, so none waits for the other's transaction.
    "UPDATE of the ORM": lambda session, _: session.execute(sa.update(Event).where(Event.id == -7).values(body="")),
}


def deciles(sessions: Sequence[orm.Session], execute: Execute, rounds: int) -> list[float]:
    """The lower decile of the processor's time of each session's execution, in microseconds.

    Each in turn, since what is to be seen is less than what a machine's load changes from one second to the next. The
    lower decile, since that load makes the others slower by several times.
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
    return [sorted(each)[len(each) // 10] for each in taken]


def protect_orders() -> None:
    """A protected model in the plain one's MetaData."""
    from holdfast.policies import Audit, SoftDelete, Timestamps, Version
    from holdfast.sqlalchemy import protect

    protect(Audit(), SoftDelete(), Timestamps(), Version())(map_orders(Base))


def main(url: str, loaded: str, rounds: str) -> None:
    """Prints the lower decile of each kind, by SQLAlchemy's own session over an engine that is not bound."""
    if loaded == "loaded":
        protect_orders()
    else:
        map_orders(Base)
    # What is loaded stays: to look at it again and again would be counted as what a statement takes.
    gc.freeze()
    engine = sa.create_engine(url)
    with orm.Session(engine) as session:
        print(json.dumps([deciles([session], execute, int(rounds))[0] for execute in KINDS.values()]))
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
