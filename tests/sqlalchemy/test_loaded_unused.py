"""A program that has loaded holdfast, and protected models beside its own, and uses none of it: nothing is added."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """\
import collections
import gc
import sys

import sqlalchemy as sa
from sqlalchemy import orm


class Base(orm.DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "events"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    body: orm.Mapped[str]


class Order(Base):
    __tablename__ = "orders"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    deleted_at: orm.Mapped[str | None]


if sys.argv[1] == "loaded":
    from holdfast import Audit, SoftDelete
    from holdfast.sqlalchemy import protect

    protect(Audit(), SoftDelete())(Order)

engine = sa.create_engine("sqlite://")
Base.metadata.create_all(engine)
table = Event.__table__


def work(session):
    session.add(Event(body="a"))
    session.flush()
    found = session.scalars(sa.select(Event).where(Event.body == "a")).one()
    found.body = "b"
    session.execute(sa.select(table.c.id).where(table.c.id == 1)).one()
    session.connection().execute(sa.select(table.c.id).where(table.c.id == 1)).one()
    session.execute(sa.update(Event).where(Event.id == 1).values(body="c"))
    session.execute(sa.text("select 1")).scalar()
    session.delete(found)
    session.commit()


with orm.Session(engine) as session:
    for _ in range(3):
        work(session)
    calls = collections.Counter()

    def note(frame, event, argument):
        if event == "call":
            calls[f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"] += 1

    # A collection would call what waits for an object's end, in the one program and not in the other.
    gc.collect()
    gc.disable()
    sys.setprofile(note)
    work(session)
    sys.setprofile(None)
for name, number in sorted(calls.items()):
    print(number, name)
"""


def called(how: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_plain_program_calls_no_function_more() -> None:
    """Counted instead of timed: what no function is called for takes no time, on any machine."""
    bare = called("bare")
    assert any("sqlalchemy.orm.session.Session.flush" in each for each in bare)
    assert called("loaded") == bare
