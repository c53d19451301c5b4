"""advanced-alchemy's repository as it comes, and SQLAlchemy by hand, in the peer's own environment."""

from __future__ import annotations

import sys

import sqlalchemy as sa
from advanced_alchemy.base import DefaultBase
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemySyncRepository
from sqlalchemy import orm

from bench.desk import STATUS, by_hand, in_sessions, map_orders
from bench.events import PAGE, serve

Order = map_orders(DefaultBase)


class Orders(SQLAlchemySyncRepository[Order]):  # type: ignore[valid-type]
    model_type = Order


def main(kind: str, url: str, count: int, rows: int) -> None:
    engine = sa.create_engine(url)
    if kind.startswith("hand "):
        serve(by_hand(engine, Order, kind.removeprefix("hand "), rows), count)
        return

    def get(session: orm.Session) -> int:
        return PAGE if Orders(session=session).get_one(Order.deleted_at.is_(None), id=rows // 2).id else 0

    def listed(session: orm.Session) -> int:
        filters = (Order.deleted_at.is_(None), OrderBy("id", "asc"), LimitOffset(PAGE, 0))
        return PAGE if Orders(session=session).list(*filters, status=STATUS) else 0

    def page(session: orm.Session) -> int:
        # It knows pages by their number alone.
        filters = (Order.deleted_at.is_(None), OrderBy("id", "asc"), LimitOffset(PAGE, rows // 2))
        return PAGE if Orders(session=session).list_and_count(*filters)[0] else 0

    def update(session: orm.Session) -> int:
        return PAGE if Orders(session=session).update(Order(id=rows // 2, status="sent")).version else 0

    works = {"get": get, "list": listed, "page": page, "update": update}
    serve(in_sessions(lambda: orm.Session(engine), works[kind]), count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
