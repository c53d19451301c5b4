"""The list that is paged. Imported by the peers' environments too, so it knows SQLAlchemy alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import orm

PAGE = 50
_BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
_BODY = "x" * 200


class Base(orm.DeclarativeBase):
    pass


class Event(Base):
    """``at`` is of one row each; half of the rows share one ``skewed``."""

    __tablename__ = "events"
    id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, primary_key=True)
    at: orm.Mapped[datetime] = orm.mapped_column(sa.DateTime(timezone=True))
    skewed: orm.Mapped[datetime] = orm.mapped_column(sa.DateTime(timezone=True))
    body: orm.Mapped[str] = orm.mapped_column(sa.Text)
    __table_args__ = (sa.Index("events_at", "at", "id"), sa.Index("events_skewed", "skewed", "id"))


FILL = f"""\
insert into events (id, at, skewed, body)
select i, timestamptz '{_BEGAN.isoformat()}' + i * interval '1 second',
    timestamptz '{_BEGAN.isoformat()}' + case when mod(i, 2) = 0 then 0 else i end * interval '1 second', '{_BODY}'
from generate_series(1, {{rows}}) as i"""


def place(kind: str, rows: int) -> tuple[str, datetime, int] | None:
    """Where a page begins: the column, and its value and the key of the row before. None for the first page."""
    if kind == "first":
        return None
    key = rows * 9 // 10
    if kind == "deep":
        return "at", _BEGAN + timedelta(seconds=key), key
    return "skewed", _BEGAN, key


def serve(turn: Callable[[], int], count: int) -> None:
    """For each line that comes in: turns so many pages, and answers with the seconds."""
    while True:
        try:
            input()
        except EOFError:
            return
        print(turned(turn, count), flush=True)


def turned(turn: Callable[[], int], count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        if turn() != PAGE:
            raise RuntimeError("the page is not full")
    return time.perf_counter() - started
