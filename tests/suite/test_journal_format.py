"""A journal of another format, or one that lost a column, is refused in one sentence, and never misread."""

from __future__ import annotations

import re

import pytest

from holdfast.consumer import Consumer
from holdfast.database import Database
from holdfast.errors import DriftError
from holdfast.evidence import seal, verify
from holdfast.feed import cursor_at
from holdfast.following import Follower
from holdfast.holds import hold
from holdfast.inspector import inspect
from holdfast.objects import SCHEMA_VERSION
from holdfast.policies import Audit
from holdfast.status import status
from tests.harness import Protected


def given_format(subject: Protected, number: int) -> None:
    if subject.name == "sqlite":
        [(view,)] = subject.rows("select sql from sqlite_schema where name = 'holdfast_version'")
        subject.run("drop view holdfast_version", re.sub(r"schema=\d+", f"schema={number}", view))
        return
    [(marker,)] = subject.rows("select obj_description('holdfast'::regnamespace, 'pg_namespace')")
    subject.run(f"comment on schema holdfast is '{re.sub(r'schema=[0-9]+', f'schema={number}', marker)}'")


def refused(database: Database) -> str:
    with database.snapshot() as connection, pytest.raises(DriftError) as told:
        inspect(connection, database.dialect)
    return told.value.code


def test_formats_and_lost_columns(database: str) -> None:
    subject = Protected(database)
    subject.run("create table orders (id integer primary key, note text)", "insert into orders values (1, 'a')")
    subject.protect({"orders": [Audit()]})
    own = subject.database
    with own.snapshot() as connection:
        _, inventory = inspect(connection, own.dialect)
    assert inventory.state["lacking"] == []
    assert {name: set(columns) for name, columns in inventory.state["columns"].items()} == {
        name: columns for name, columns in own.dialect.journal_columns().items() if columns
    }

    start = cursor_at(own, "beginning")
    for other, code in ((SCHEMA_VERSION - 1, "HF306"), (SCHEMA_VERSION + 1, "HF302")):
        given_format(subject, other)
        assert refused(own) == code
        for begin in (
            lambda: seal(own),
            lambda: verify(own),
            lambda: Follower(own, start).__enter__(),
            lambda: Consumer(own, "search").__enter__(),
        ):
            with pytest.raises(DriftError, match=code):
                begin()
    given_format(subject, SCHEMA_VERSION)

    prefix = "holdfast_" if subject.name == "sqlite" else "holdfast."
    subject.run(f"alter table {prefix}hold rename column reason to because")
    for work in (lambda: hold(own, "orders", 1, reason="case 12"), lambda: subject.protect({"orders": [Audit()]})):
        with pytest.raises(DriftError, match=r"hold has lost its column reason"):
            work()
    with own.snapshot() as connection:
        found = status(*inspect(connection, own.dialect))
    assert [each.state for each in found if each.object.startswith("column reason of ")] == ["missing"]
    subject.run(f"alter table {prefix}relation rename column since to gone")
    assert refused(own) == "HF305"
