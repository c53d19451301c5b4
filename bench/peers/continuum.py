"""SQLAlchemy-Continuum as it comes: it writes from the ORM's flush. Runs in the peer's own environment."""

from __future__ import annotations

import sys

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy_continuum import make_versioned

from bench.models import map_orders, serve


def main(mode: str, url: str, count: int = 0) -> None:
    engine = sa.create_engine(url)
    base = orm.declarative_base()
    if mode == "plain":
        serve(engine, map_orders(base), count)
        return
    make_versioned(user_cls=None)
    order = map_orders(base, __versioned__={})
    orm.configure_mappers()
    if mode == "protect":
        base.metadata.create_all(engine)
    else:
        serve(engine, order, count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
