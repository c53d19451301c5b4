"""advanced-alchemy's add_many and upsert_many, as they come, in the peer's own environment."""

from __future__ import annotations

import sys
import time
from typing import Any

import sqlalchemy as sa
from advanced_alchemy.base import DefaultBase
from advanced_alchemy.repository import SQLAlchemySyncRepository
from sqlalchemy import orm

from bench import shop
from bench.desk import map_orders

Order = map_orders(DefaultBase)


class Orders(SQLAlchemySyncRepository[Order]):  # type: ignore[valid-type]
    model_type = Order


def main(mode: str, url: str, count: int) -> None:
    engine = sa.create_engine(url)
    rows: list[dict[str, Any]] = [dict(zip(shop.COLUMNS, row, strict=True)) for row in shop.rows(count)]
    while True:
        try:
            input()
        except EOFError:
            return
        with orm.Session(engine) as session:
            session.connection()
            session.rollback()
            started = time.perf_counter()
            orders = Orders(session=session)
            if mode == "insert":
                orders.add_many([Order(**row) for row in rows])
            else:
                orders.upsert_many([Order(id=number, **row) for number, row in enumerate(rows, 1)])
            session.commit()
            print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
