"""fastapi-pagination's CursorPage as it comes. Runs in the peer's own environment."""

from __future__ import annotations

import sys

import sqlakeyset
import sqlalchemy as sa
from fastapi_pagination import set_page, set_params
from fastapi_pagination.cursor import CursorPage, CursorParams, encode_cursor
from fastapi_pagination.ext.sqlalchemy import paginate
from pydantic import BaseModel, ConfigDict
from sqlalchemy import orm

from bench.events import PAGE, Event, place, serve


class Shown(BaseModel):
    """Without a model of its own it would not make a page; the smallest that it takes."""

    model_config = ConfigDict(from_attributes=True)
    id: int


def main(kind: str, url: str, count: int, rows: int) -> None:
    at = place(kind, rows)
    column = getattr(Event, at[0] if at else "at")
    statement = sa.select(Event).order_by(column, Event.id)
    cursor = encode_cursor(sqlakeyset.serialize_bookmark((at[1:], False))) if at else None
    engine = sa.create_engine(url)

    def turn() -> int:
        with orm.Session(engine) as session, set_page(CursorPage[Shown]):
            with set_params(CursorParams(size=PAGE, cursor=cursor)):
                return len(paginate(session, statement).items)

    serve(turn, count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
