"""Cut at any statement, it goes on and comes to the same end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.alembic.expand_contract.people import RENAME, RETYPE, TABLES
from tests.alembic.scripts import Scripts, rows, run, schema


@contextmanager
def each_fails_once() -> Iterator[list[str]]:
    """Every statement of a migration is the last one once: what it is part of ends with it."""
    seen: list[str] = []
    verbs = ("create", "alter", "drop", "comment", "revoke", "lock", "update", "insert", "commit", "delete")

    def listener(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asks = "pg_temp" in statement or "temporary" in statement
        if statement.lower().startswith(verbs) and not asks and statement not in seen:
            seen.append(statement)
            raise _Cut

    event.listen(Engine, "after_cursor_execute", listener)
    try:
        yield seen
    finally:
        event.remove(Engine, "after_cursor_execute", listener)


class _Cut(Exception):
    pass


@pytest.mark.parametrize(
    ("steps", "first"),
    [(RENAME, "a"), (tuple(each.format("amount") for each in RETYPE), "d")],
    ids=["rename", "the swap"],
)
def test_cut_after_each_statement(
    postgresql_database: str, migrations: Callable[..., Scripts], steps: tuple[Any, ...], first: str
) -> None:
    url = postgresql_database
    scripts = migrations(url, "pass", *steps)
    run(url, TABLES)
    scripts.upgrade("e")
    wanted = schema(url)
    run(url, "drop table people, teams", TABLES, "update alembic_version set version_num = 'a'")
    scripts.upgrade(first)
    with each_fails_once() as seen:
        for _ in range(100):
            try:
                scripts.upgrade("e")
            except _Cut:
                continue
            break
    assert len(seen) > (15 if first == "a" else 7), seen
    assert rows(url, "select version_num from alembic_version") == [("e",)]
    assert schema(url) == wanted
    assert rows(url, "select count(*) from people") == [(3,)]
