"""sqlakeyset as it comes. Runs in the peer's own environment."""

from __future__ import annotations

import sys

import sqlakeyset
import sqlalchemy as sa
from sqlalchemy import orm

from bench.events import PAGE, Event, place, serve


def main(kind: str, url: str, count: int, rows: int) -> None:
    at = place(kind, rows)
    column = getattr(Event, at[0] if at else "at")
    statement = sa.select(Event).order_by(column, Event.id)
    engine = sa.create_engine(url)

    def turn() -> int:
        with orm.Session(engine) as session:
            return len(sqlakeyset.select_page(session, statement, per_page=PAGE, after=at and at[1:]))

    serve(turn, count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
