"""Whatever the data and the order, and whatever is written between two pages: no row is lost, none comes twice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from holdfast.database import prepare_engine
from holdfast.sqlalchemy.paging import Page, keyset_page
from tests.sqlalchemy.paging import SECRET

metadata = sa.MetaData()
items = sa.Table(
    "items",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("small", sa.Integer, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("rank", sa.Integer),
    sa.Column("size", sa.Double),
    sa.Column("at", sa.DateTime(timezone=True)),
)
NOON = datetime(2024, 3, 31, 12, tzinfo=UTC)
ROW = st.fixed_dictionaries(
    {
        "small": st.integers(0, 2),
        "name": st.sampled_from(["", "a", "A", "b", "é"]),
        "rank": st.none() | st.integers(-1, 1),
        "size": st.none() | st.sampled_from([-math.inf, -0.0, 0.0, 0.1, math.inf, math.nan]),
        "at": st.none() | st.integers(0, 2).map(lambda number: NOON + timedelta(microseconds=number)),
    }
)
ORDER = st.lists(
    st.tuples(
        st.sampled_from([column.name for column in items.c]), st.booleans(), st.sampled_from([None, "first", "last"])
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each[0],
)
WRITES = st.lists(st.tuples(st.lists(ROW, max_size=2), st.lists(st.integers(-15, 15), max_size=4)), max_size=8)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    engine = sa.create_engine(database)
    prepare_engine(engine)
    with engine.connect() as connection, connection.begin():
        metadata.create_all(connection)
        yield connection
    engine.dispose()


def ordered(chosen: list[tuple[str, bool, str | None]]) -> tuple[list[Any], str]:
    """The order as it is asked for, and in full as the SQL that it means."""
    asked, meant = [], []
    for name, descending, nulls in chosen:
        column = items.c[name].desc() if descending else items.c[name].asc()
        asked.append(column if nulls is None else column.nulls_first() if nulls == "first" else column.nulls_last())
        standing = nulls or ("first" if descending else "last")
        meant.append(f"{name} {'desc' if descending else 'asc'} nulls {standing}")
    tie = "desc" if chosen[-1][1] else "asc"
    return asked, ", ".join([*meant, f"id {tie}"])


@given(
    data=st.lists(ROW, max_size=30),
    order=ORDER,
    size=st.integers(1, 11),
    writes=WRITES,
    turn=st.none() | st.integers(0, 6),
)
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_row_that_stayed_is_seen_once_and_in_order(
    connection: Connection,
    data: list[dict[str, Any]],
    order: list[tuple[str, bool, str | None]],
    size: int,
    writes: list[tuple[list[dict[str, Any]], list[int]]],
    turn: int | None,
) -> None:
    connection.execute(items.delete())
    # Keys on both sides of those that are there, and none twice.
    keys = (number if number % 2 else -number for number in itertools.count(1))
    for row in data:
        connection.execute(items.insert(), {"id": next(keys), **row})
    asked, meant = ordered(order)

    def ids() -> list[int]:
        return list(connection.exec_driver_sql(f"select id from items order by {meant}").scalars())

    def page(cursor: str | None) -> Page[int]:
        found: Page[int] = keyset_page(
            connection, select(items.c.id), order_by=asked, size=size, cursor=cursor, secret=SECRET
        )
        assert len(found) <= size
        return found

    def write() -> None:
        if writes:
            inserted, deleted = writes.pop()
            connection.execute(items.delete().where(items.c.id.in_(deleted)))
            for row in inserted:
                connection.execute(items.insert(), {"id": next(keys), **row})

    at_first = ids()
    seen: list[int] = []
    current = page(None)
    pages = 1
    while True:
        seen += current.items
        before = ids()
        write()
        if current.next is None or pages == turn:
            break
        current = page(current.next)
        pages += 1
        assert pages <= 60, "the pages do not end"
    stayed = set(ids()) & set(at_first)
    assert len(seen) == len(set(seen))
    if current.next is None:
        assert [each for each in seen if each in stayed] == [each for each in ids() if each in stayed]

    # And back from there: all that is before the last page that was read.
    first = current.items[0] if current.items else None
    back: list[int] = []
    while current.previous is not None:
        current = page(current.previous)
        back[:0] = current.items
        write()
        assert len(back) <= 200, "the pages do not end"
    assert len(back) == len(set(back))
    if first is not None:
        expected = [each for each in before[: before.index(first)] if each in set(ids())]
        assert [each for each in back if each in expected] == expected
