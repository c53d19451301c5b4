"""A stock of items and places whose changes are recorded, and a feed that is read to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from holdfast.database import Database
from holdfast.feed import changes_after
from holdfast.journal import Change
from holdfast.policies import Audit
from tests.harness import Protected
from tests.servers import libpq_url


def told(changes: list[Change]) -> list[tuple[Any, ...]]:
    return [(each.table, each.key, each.operation, each.before, each.after) for each in changes]


def everything(source: Database, cursor: str | None = None, **options: Any) -> list[Change]:
    found = []
    while True:
        batch = changes_after(source, cursor, **options)
        found += batch.changes
        cursor = batch.cursor
        if not batch.more:
            return found


def prepared(url: str) -> Protected:
    stock = Protected(url)
    stock.run(
        "create table item (id integer primary key, n integer, note text)",
        "create table place (shelf integer, slot text, item integer, primary key (shelf, slot))",
    )
    stock.protect({"item": [Audit()], "place": [Audit()]})
    return stock


def history(stock: Protected) -> None:
    """Runs of inserted keys, several changes of one row, keys of two columns, keys that come again."""
    stock.run("insert into item values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 4, 'd')")
    stock.run("insert into item values (7, 7, 'e')")
    stock.write("insert into place values (1, 'x', 3), (2, 'y', 7)", actor="ada")
    stock.write("update item set n = n + 1 where id < 3", "delete from item where id = 3")
    stock.write("insert into item values (3, 33, 'again'), (5, 5, null), (6, 6, null)", "update item set note = 'z'")
    stock.run("delete from place")


@contextmanager
def transaction(url: str, *statements: str) -> Iterator[psycopg.Connection]:
    """Left open; rolled back unless the test commits."""
    with psycopg.connect(libpq_url(url)) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()
