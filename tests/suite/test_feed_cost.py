"""What a page of the feed reads."""

from __future__ import annotations

import re

import pytest

from holdfast.database import execute
from holdfast.feed import changes_after, cursor_at, feed_state
from holdfast.feed_cursor import decode, position_of
from tests.harness import Protected
from tests.stock import prepared, transaction

pytestmark = pytest.mark.copy_of(build=prepared)


def buffers(stock: Protected, cursor: str, limit: int) -> int:
    """What a page reads, before the values are spelt."""
    dialect = stock.database.dialect
    with stock.database.snapshot() as connection:
        state = feed_state(connection, dialect, first=True)
        after = dialect.feed.opened(decode(cursor, dialect, state), state.snapshot, state.following)
        origin = state.origins[-1]
        if dialect.feed.is_empty(after):
            return 0
        size = dialect.feed.size(after, origin, 20_001)
        assert size is not None
        total = 0
        for query in (size, dialect.feed.page(after, origin, None, limit, limit, None)):
            plan = "\n".join(
                row[0] for row in execute(connection, f"explain (analyze, buffers, costs off, timing off) {query.sql}")
            )
            # The first one is of all of the plan; there is none where nothing is read.
            read = re.search(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?", plan.partition("Planning:")[0])
            total += sum(int(each or 0) for each in read.groups()) if read else 0
    return total


def summarise(stock: Protected) -> None:
    """As autovacuum does every minute."""
    stock.run(
        "select brin_summarize_new_values(i.indexrelid) from pg_index as i join pg_class as c on c.oid = i.indexrelid"
        " where c.relname like 'change%_at_id_idx' and c.relkind = 'i'"
    )


def quiet_cursor(stock: Protected) -> str:
    """The end, at a moment at which nothing is running on the server, autovacuum included."""
    while True:
        cursor = cursor_at(stock.database, "now")
        [(next_, _)] = position_of(cursor).marks
        if position_of(cursor).done == f"{next_}:{next_}:":
            return cursor


def test_what_a_page_reads_does_not_grow_with_the_journal(postgresql_database: str) -> None:
    stock = Protected(postgresql_database)
    stock.run("insert into item select g, 0, null from generate_series(1, 2500) as g")
    for _ in range(20):
        stock.run("update item set n = n + 1")
    [(pages,)] = stock.rows(
        "select sum(pg_relation_size(c.oid)) / 8192 from pg_class as c where relname ~ '^change_20'"
    )
    assert pages > 600
    summarise(stock)
    stock.run("analyze holdfast.change")
    cursor = quiet_cursor(stock)
    assert buffers(stock, cursor, 1_000) < pages / 3
    with transaction(postgresql_database, "insert into place values (1, 'x', 0)") as long:
        for _ in range(3):
            stock.run("update item set n = 0 where id = 1")
            assert buffers(stock, cursor, 1_000) < pages / 3
            cursor = changes_after(stock.database, cursor).cursor
        long.commit()
    # It is looked for from where it began.
    assert buffers(stock, cursor, 1_000) < pages / 3
    assert [each.table for each in changes_after(stock.database, cursor).changes] == ["place"]
