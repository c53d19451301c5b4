"""postgresql-audit with statement-level triggers, its default. Runs in the peer's own environment."""

from __future__ import annotations

import sys

import sqlalchemy as sa
from postgresql_audit import VersioningManager
from sqlalchemy import orm

from bench.models import map_orders, serve


def main(mode: str, url: str, count: int = 0) -> None:
    base = orm.declarative_base()
    engine = sa.create_engine(url)
    if mode == "plain":
        serve(engine, map_orders(base), count)
        return
    manager = VersioningManager()
    manager.init(base)
    order = map_orders(base, __versioned__={})
    manager.values = {"client_addr": None}
    orm.configure_mappers()
    if mode == "protect":
        base.metadata.create_all(engine)
        with engine.begin() as connection:
            # The table is there already, so the peer's listener for new tables has not seen it.
            connection.execute(manager.build_audit_table_query(order.__table__))
    else:
        serve(engine, order, count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
