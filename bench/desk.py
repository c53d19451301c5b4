"""What a service does with orders, by hand. Imported by the peers' environments too, so it knows SQLAlchemy alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from bench.events import PAGE

KINDS = ("get", "list", "page", "update")
STATUS = "paid"
Turn = Callable[[], int]


def map_orders(base: Any, **attributes: Any) -> type[Any]:
    """A mapped class over all columns of the table ``orders``."""
    moment = sa.DateTime(timezone=True)
    columns = {
        "id": orm.mapped_column(sa.BigInteger, sa.Identity(), primary_key=True),
        "customer_id": orm.mapped_column(sa.Integer),
        "status": orm.mapped_column(sa.Text),
        "total": orm.mapped_column(sa.Numeric(10, 2)),
        "currency": orm.mapped_column(sa.CHAR(3)),
        "email": orm.mapped_column(sa.Text),
        "address": orm.mapped_column(sa.Text),
        "note": orm.mapped_column(sa.Text, nullable=True),
        "placed_at": orm.mapped_column(moment),
        "created_at": orm.mapped_column(moment, server_default=sa.func.now()),
        "updated_at": orm.mapped_column(moment, server_default=sa.func.now()),
        "version": orm.mapped_column(sa.Integer, server_default="1"),
        "deleted_at": orm.mapped_column(moment, nullable=True),
    }
    return type("Order", (base,), {"__tablename__": "orders", **columns, **attributes})


def by_hand(engine: sa.Engine, order: type[Any], kind: str, rows: int) -> Turn:
    """The statements that somebody writes who knows what they want; a page is one by keyset."""

    def get(session: orm.Session) -> int:
        found = session.scalars(sa.select(order).where(order.id == rows // 2, order.deleted_at.is_(None))).one()
        return PAGE if found.id else 0

    def listed(session: orm.Session) -> int:
        statement = sa.select(order).where(order.status == STATUS, order.deleted_at.is_(None))
        return PAGE if session.scalars(statement.order_by(order.id).limit(PAGE)).all() else 0

    cursor = _cursor(rows // 2)

    def page(session: orm.Session) -> int:
        [after] = json.loads(base64.urlsafe_b64decode(cursor))
        statement = sa.select(order).where(order.id > after, order.deleted_at.is_(None))
        found = session.scalars(statement.order_by(order.id).limit(PAGE + 1)).all()
        items, more = found[:PAGE], len(found) > PAGE
        return PAGE if items and (not more or _cursor(items[-1].id)) else 0

    def update(session: orm.Session) -> int:
        statement = sa.update(order).where(order.id == rows // 2, order.deleted_at.is_(None)).values(status="sent")
        options = {"synchronize_session": False}
        return PAGE if session.scalars(statement.returning(order), execution_options=options).one().version else 0

    return in_sessions(lambda: orm.Session(engine), {"get": get, "list": listed, "page": page, "update": update}[kind])


def _cursor(key: int) -> str:
    """As somebody writes it by hand, who does not sign it."""
    return base64.urlsafe_b64encode(json.dumps([key]).encode()).decode()


def in_sessions(session: Callable[[], Any], work: Callable[[Any], int]) -> Turn:
    """Each turn has a session of its own, as a request has."""

    def turn() -> int:
        with session() as opened:
            return work(opened)

    return turn
