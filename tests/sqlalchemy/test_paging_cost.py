"""A page deep in the list costs what the first one costs: counted in blocks, and on SQLite in steps of its machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, select

from holdfast.database import prepare_engine
from holdfast.sqlalchemy.paging import keyset_page
from holdfast.sqlalchemy.paging.cursor import Position, Sealer
from holdfast.sqlalchemy.paging.listing import listing
from tests.sqlalchemy.paging import SECRET

ROWS, DEEP, SIZE = 30_000, 25_000, 10
metadata = sa.MetaData()
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("skewed", sa.Integer, nullable=False),
    sa.Column("sparse", sa.Integer),
    sa.Column("spread", sa.Integer, nullable=False),
    sa.Index("by_skewed", "skewed", "id"),
    sa.Index("by_sparse", "sparse", "id"),
    sa.Index("by_spread", "spread", sa.text("id desc")),
)
# Half of the rows share one value of skewed, and a third has no value of sparse.
FILL = f"""\
insert into events (id, skewed, sparse, spread)
with recursive n (i) as (select 1 union all select i + 1 from n where i < {ROWS})
select i, case when i % 2 = 0 then 7 else i end, case when i % 3 = 0 then null else i end, i / 3 from n"""
ORDERS: dict[str, list[Any]] = {
    "skewed": [events.c.skewed],
    "skewed, descending": [events.c.skewed.desc()],
    "values and nulls": [events.c.sparse],
    "mixed directions": [events.c.spread, events.c.id.desc()],
}


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    engine = sa.create_engine(database)
    prepare_engine(engine)
    with engine.connect() as connection, connection.begin():
        metadata.create_all(connection)
        connection.execute(sa.text(FILL))
        connection.exec_driver_sql("analyze events" if connection.dialect.name == "postgresql" else "analyze")
        yield connection
    engine.dispose()


def cost(connection: Connection, run: Callable[[], object]) -> int:
    """What the database does for all statements that are run: blocks that it looks at, or steps that it takes."""
    if connection.dialect.name == "sqlite":
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(step, 20)
        run()
        driver.set_progress_handler(None, 0)
        return steps
    ran: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        ran.append((sql, parameters))

    sa.event.listen(connection, "before_cursor_execute", note)
    run()
    sa.event.remove(connection, "before_cursor_execute", note)
    blocks = 0
    for sql, parameters in ran:
        [(document,)] = connection.exec_driver_sql(f"explain (analyze, buffers, format json) {sql}", parameters)
        plan = document[0]["Plan"]
        blocks += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert blocks > 0
    return blocks


def cursor_at(connection: Connection, order: list[Any], depth: int, *, backward: bool) -> str:
    """A cursor for a place that was not reached page by page."""
    asked = listing(connection, select(events), order)
    columns = [column.expression for column in asked.columns]
    clauses = [column.clause() for column in asked.columns]
    row = connection.execute(select(*columns).order_by(*clauses).offset(depth).limit(1)).one()
    return Sealer(SECRET, asked.identity).seal(Position(tuple(row), backward=backward))


def test_depth_costs_nothing(connection: Connection) -> None:
    for name, order in ORDERS.items():

        def turn(cursor: str | None = None, order: list[Any] = order) -> None:
            page = keyset_page(connection, select(events), order_by=order, size=SIZE, cursor=cursor, secret=SECRET)
            assert len(page) == SIZE

        first = cost(connection, turn)
        for depth in (100, 12_000, DEEP):
            for backward in (False, True):
                cursor = cursor_at(connection, order, depth, backward=backward)
                found = cost(connection, lambda turn=turn, cursor=cursor: turn(cursor))
                assert found <= 2 * first + 20, (name, depth, backward)


def test_an_offset_of_that_depth_would_be_seen(connection: Connection) -> None:
    def jump(offset: int) -> int:
        statement = select(events).order_by(events.c.skewed, events.c.id).limit(SIZE).offset(offset)
        return cost(connection, lambda: connection.execute(statement).all())

    assert jump(DEEP) > 2 * jump(0) + 20


def test_the_condition_that_follows_from_the_others_is_what_bounds_the_range(connection: Connection) -> None:
    """Without it, mixed directions would be read from the start of the list."""
    [row] = connection.execute(select(events).order_by(events.c.spread, events.c.id.desc()).offset(DEEP).limit(1))
    textbook = (events.c.spread > row.spread) | ((events.c.spread == row.spread) & (events.c.id < row.id))
    statement = select(events).where(textbook).order_by(events.c.spread, events.c.id.desc()).limit(SIZE)
    cursor = cursor_at(connection, ORDERS["mixed directions"], DEEP, backward=False)

    ours = cost(
        connection,
        lambda: keyset_page(
            connection, select(events), order_by=ORDERS["mixed directions"], size=SIZE, cursor=cursor, secret=SECRET
        ),
    )

    assert cost(connection, lambda: connection.execute(statement).all()) > 2 * ours
