"""As-of at every moment, every version and every revert, against a plain model of what was committed."""

from __future__ import annotations

import itertools
import os
from contextlib import ExitStack

import pytest

from holdfast.database import execute
from holdfast.errors import HistoryError
from holdfast.history import as_of, diff, revert, rows_as_of, versions, versions_of
from holdfast.inspector import inspect
from holdfast.policies import Audit
from tests.harness import Protected, journal
from tests.suite.history.moments import as_rows, now
from tests.suite.history.story import Story

pytestmark = pytest.mark.copy_of(build=journal)

SEEDS = range(1, 1 + int(os.environ.get("HOLDFAST_TEST_HISTORY_SEEDS", "2")))
STEPS = 70


@pytest.mark.parametrize("seed", SEEDS)
def test_every_moment_is_as_the_model_has_it(database: str, seed: int) -> None:
    protected = Protected(database)
    protected.run("create table item (id integer primary key, name text, note text, amount bigint)")
    protected.protect({"item": [Audit()]})
    with ExitStack() as stack:
        story = Story(protected, seed, 1 if protected.name == "sqlite" else 3, stack)
        story.marks.append((now(protected), {}))
        for step in range(STEPS):
            if step == STEPS // 3:
                story.alter("alter table item rename column note to remark", {"note": "remark"})
            # SQLite drops no column that a trigger reads.
            if step == STEPS // 2 and protected.name != "sqlite":
                story.alter("alter table item drop column name", {"name": None})
            story.step()
        story.end_all()
    with protected.database.snapshot() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        for at, rows in story.marks:
            then = as_of(connection, dialect, inventory, "item", at=at)
            assert as_rows(list(rows_as_of(connection, dialect, then))) == rows, f"seed {seed}, {at}"
    _versions_are_as_the_model_has_them(protected, story)
    _reverts_are_as_the_model_has_them(protected, story)


def _versions_are_as_the_model_has_them(protected: Protected, story: Story) -> None:
    keys = {key for _, rows in story.marks for key in rows}
    with protected.database.snapshot() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        stored = inventory.recorded("item")
        known_of = {key: versions_of(connection, dialect, inventory, stored, str(key)) for key in keys}
    for key, known in known_of.items():
        assert [each.number for each in known] == list(range(1, len(known) + 1))
        for at, rows in story.marks:
            there = [each for each in known if each.at is not None and each.at <= at]
            # A column that was dropped since is in the history still.
            values = (
                {name: there[-1].values[name] for name in ("id", *story.columns)}
                if there and there[-1].values
                else None
            )
            expected = {"id": key, **rows[key]} if key in rows else None
            assert values == expected, (key, at)
        for a, b in itertools.pairwise(known):
            assert a.values != b.values
            assert bool(diff(a, b)) or a.values is None or b.values is None


def _reverts_are_as_the_model_has_them(protected: Protected, story: Story) -> None:
    key = max(story.committed or {0: {}})
    for each in versions(protected.database, "item", key) if key in story.committed else ():
        if each.values is None:
            with pytest.raises(HistoryError, match="HF437"):
                revert(protected.database, "item", key, version=each.number)
            continue
        revert(protected.database, "item", key, version=each.number)
        newest = versions(protected.database, "item", key)[-1]
        assert newest.values == each.values
    gone = {key for _, rows in story.marks for key in rows} - set(story.committed)
    for key in sorted(gone)[:2]:
        lived = [each for each in versions(protected.database, "item", key) if each.values is not None][-1]
        done = revert(protected.database, "item", key, version=lived.number, actor="zoe")
        newest = versions(protected.database, "item", key)[-1]
        assert (newest.transaction, newest.actor) == (done.transaction, "zoe")
        assert dict(newest.values or {}) == {name: (lived.values or {})[name] for name in ("id", *story.columns)}


DAYS = {
    "chinook_postgresql": ("invoice", "invoice_line", "track", "customer", "playlist_track", "employee"),
    "chinook_sqlite": ("Invoice", "InvoiceLine", "Track", "Customer", "PlaylistTrack", "Employee"),
}


@pytest.mark.parametrize("chinook", DAYS)
def test_chinook_at_every_mark(request: pytest.FixtureRequest, chinook: str) -> None:
    protected = Protected(request.getfixturevalue(chinook))
    invoice, line, track, customer, playlist, employee = tables = DAYS[chinook]
    id_, total, price, phone = ("id", "total", "unit_price", "phone") if chinook == "chinook_postgresql" else (
        "Id", "Total", "UnitPrice", "Phone")  # fmt: skip
    key = {name: f"{name}_{id_}" if chinook == "chinook_postgresql" else f"{name}{id_}" for name in tables}
    protected.protect({name: [Audit()] for name in tables})
    marks = []
    for number, work in enumerate(
        [
            (f"update {track} set {price} = {price} * 2 where {key[track]} % 3 = 0",),
            (f"delete from {line} where {key[invoice]} <= 40", f"delete from {invoice} where {key[invoice]} <= 40"),
            (f"update {customer} set {phone} = null where {key[customer]} < 20",),
            (f"update {invoice} set {total} = {total} + 0.01", f"delete from {playlist} where {key[track]} < 500"),
            (f"update {employee} set {phone} = {phone} || ' %x'",),
        ]
    ):
        marks.append((number, now(protected)))
        protected.run(*(f"create table kept_{number}_{name} as select * from {name}" for name in tables))
        protected.write(*work)
    with protected.database.begin() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        for number, at in marks:
            for name in tables:
                then = as_of(connection, dialect, inventory, name, at=at)
                execute(connection, f"create table past_{number}_{name} as {then.select}")
    sums = protected.checksums(
        *(f"{kind}_{n}_{name}" for kind in ("past", "kept") for n, _ in marks for name in tables)
    )
    for number, _ in marks:
        for name in tables:
            assert sums[f"past_{number}_{name}"] == sums[f"kept_{number}_{name}"], (number, name)
