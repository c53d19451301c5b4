"""The harm that a migration does to others: how long one statement of a reader, and of a writer, took at the most."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import MigrateOperation, Operations
from sqlalchemy.pool import NullPool

from bench.cases import Line
from bench.sizes import Sizes
from bench.subjects import Bench, Subject
from holdfast.alembic import operations as safe
from holdfast.migrating import MigrationRun, MigrationSettings

READER, WRITER, QUEUE = 100, 400, 150
"""Milliseconds that nobody is to wait longer than."""
FILL = """\
create table sorts (id integer primary key);
insert into sorts select generate_series(1, 1000);
create table big (id integer primary key, sort integer, amount integer, code text, note text);
insert into big
select i, i % 1000 + 1, i % 5000, 'code ' || i, repeat('x', 100) from generate_series(1, {rows}) as i;"""


@dataclass(frozen=True)
class Change:
    """The same change twice: as one would write it, and in steps."""

    title: str
    naive: str
    safe: tuple[MigrateOperation, ...]
    undone: str = ""
    """After each of the two; empty where they are about columns of their own."""


CHANGES = (
    Change(
        "SET NOT NULL",
        "alter table big alter amount set not null",
        (safe.SetNotNullOp("big", "amount"),),
        "alter table big alter amount drop not null",
    ),
    Change(
        "ADD CHECK",
        "alter table big add constraint c check (amount >= 0)",
        (safe.CreateCheckOp("c", "big", "amount >= 0"),),
        "alter table big drop constraint c",
    ),
    Change(
        "ADD FOREIGN KEY",
        "alter table big add constraint f foreign key (sort) references sorts",
        (safe.CreateForeignKeyOp("f", "big", "sorts", ["sort"], ["id"]),),
        "alter table big drop constraint f",
    ),
    Change(
        "CREATE INDEX",
        "create index i on big (amount)",
        (safe.CreateIndexOp("i", "big", ["amount"]),),
        "drop index i",
    ),
    Change(
        "ADD UNIQUE",
        "alter table big add constraint u unique (code)",
        (safe.CreateUniqueOp("u", "big", ["code"]),),
        "alter table big drop constraint u",
    ),
    # The last, for it leaves dead rows behind.
    Change(
        "int to bigint",
        "alter table big alter sort type bigint",
        (
            safe.ExpandColumnOp("big", "amount", "wide", sa.BigInteger()),
            safe.BackfillOp("big", "wide"),
            safe.FinalizeColumnOp("big", "amount", "wide"),
            safe.ContractColumnOp("big", "amount", "wide", swap=True),
        ),
    ),
)


@dataclass
class Stalls:
    """The longest statement of each, in milliseconds."""

    longest: dict[str, float] = field(default_factory=lambda: {"reader": 0.0, "writer": 0.0})

    def __str__(self) -> str:
        return f"{self.longest['reader']:,.0f} / {self.longest['writer']:,.0f} ms"

    def within(self, reader: float, writer: float) -> bool:
        return self.longest["reader"] <= reader and self.longest["writer"] <= writer


def lines(bench: Bench) -> list[Line]:
    rows = bench.sizes.migrated
    subject = bench.add("migrations")
    subject.connection.execute(FILL.format(rows=rows).encode())
    subject.connection.execute("vacuum (analyze) big")
    found = []
    for change in CHANGES:
        with watched(subject, bench.sizes) as naive:
            subject.connection.execute(change.naive.encode())
        subject.connection.execute(change.undone.encode())
        with watched(subject, bench.sizes) as ours:
            for each in change.safe:
                _safely(subject.url, lambda operations, each=each: operations.invoke(each))
        subject.connection.execute(change.undone.encode())
        title = f"Migration: {change.title}, {rows:,} rows: longest stall of a reader / a writer"
        told = f"{ours} (naive: {naive})"
        found.append(Line(title, f"{READER} / {WRITER} ms", told, ours.within(READER, WRITER)))
        # The changes of a large table take minutes each.
        print(f"\n  {change.title}: {told}", end="", file=sys.stderr, flush=True)
    return [*found, _queue(subject, bench.sizes)]


def _queue(subject: Subject, sizes: Sizes) -> Line:
    """Somebody reads for long, and an ALTER TABLE comes, and everybody else."""
    stalls = []
    for add in (_naively, _safely):
        report = subject.connect()
        report.autocommit = False
        report.execute("select * from big limit 1")
        ended = threading.Timer(sizes.report, report.rollback)
        with watched(subject, sizes) as each:
            ended.start()
            add(subject.url, lambda operations: operations.add_column("big", sa.Column("more", sa.Integer)))
        ended.join()
        report.close()
        subject.connection.execute("alter table big drop column more")
        stalls.append(each)
    title = f"Migration: ADD COLUMN behind a reader of {sizes.report} s: longest stall of others"
    told = f"{stalls[1]} (naive: {stalls[0]})"
    return Line(title, f"{QUEUE} / {WRITER} ms", told, stalls[1].within(QUEUE, WRITER))


@contextmanager
def watched(subject: Subject, sizes: Sizes) -> Iterator[Stalls]:
    """One reader and one writer, in loops, for as long as the block takes."""
    # What was written before is on the disk by then, so that nobody waits for the run before.
    subject.connection.execute("checkpoint")
    stalls, over = Stalls(), threading.Event()
    at_work = threading.Barrier(3)
    statements = {
        "reader": "select note from big where id = %s",
        "writer": "update big set note = note where id = %s",
    }

    def work(name: str) -> None:
        connection = subject.connect()
        chosen = random.Random(name)
        connection.execute(statements[name].encode(), (1,))
        at_work.wait()
        while not over.is_set():
            started = time.perf_counter()
            connection.execute(statements[name].encode(), (chosen.randint(1, sizes.migrated),))
            stalls.longest[name] = max(stalls.longest[name], (time.perf_counter() - started) * 1000)
            time.sleep(sizes.pause)
        connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in statements]
    for thread in threads:
        thread.start()
    at_work.wait()
    try:
        yield stalls
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _naively(url: str, change: Callable[[Operations], object]) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            change(Operations(context))


def _safely(url: str, change: Callable[[Operations], object]) -> None:
    """As ``holdfast migrate`` carries out a revision with this in it."""
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        run = MigrationRun(connection, MigrationSettings(), (None, "alembic_version"), lambda _said: None)

        def attempt() -> None:
            context = MigrationContext.configure(connection)
            with context.begin_transaction():
                change(Operations(context))

        with run.running():
            run.carry_out(attempt)
