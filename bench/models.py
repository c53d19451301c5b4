"""The table as an ORM maps it. Imported by the peers' environments too, so it knows SQLAlchemy alone."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from bench import shop


def map_orders(base: Any, **attributes: Any) -> type[Any]:
    """A mapped class over the table ``orders``; the columns that the database fills are left to it."""
    columns = {
        "id": orm.mapped_column(sa.BigInteger, sa.Identity(), primary_key=True),
        "customer_id": orm.mapped_column(sa.Integer),
        "status": orm.mapped_column(sa.Text),
        "total": orm.mapped_column(sa.Numeric(10, 2)),
        "currency": orm.mapped_column(sa.CHAR(3)),
        "email": orm.mapped_column(sa.Text),
        "address": orm.mapped_column(sa.Text),
        "note": orm.mapped_column(sa.Text),
        "placed_at": orm.mapped_column(sa.DateTime(timezone=True)),
    }
    return type("Order", (base,), {"__tablename__": "orders", **columns, **attributes})


def add_all(engine: sa.Engine, order: type[Any], count: int) -> float:
    """The seconds that it takes to make so many objects, flush and commit them."""
    rows = [dict(zip(shop.COLUMNS, row, strict=True)) for row in shop.rows(count)]
    with orm.Session(engine) as session:
        session.connection()
        session.rollback()
        started = time.perf_counter()
        session.add_all([order(**row) for row in rows])
        session.commit()
        return time.perf_counter() - started


def serve(engine: sa.Engine, order: type[Any], count: int) -> None:
    """For each line that comes in: adds so many objects, and answers with the seconds."""
    while True:
        try:
            input()
        except EOFError:
            return
        print(add_all(engine, order, count), flush=True)
