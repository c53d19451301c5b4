"""What is not a ratio of two statements: the context's price, the journal's growth, an undo."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import sqlalchemy as sa

from bench import statements
from bench.cases import Line, shown
from bench.sampling import Spread, added, interleaved
from bench.subjects import Bench, Subject
from holdfast import bind, context

JOURNAL_BYTES = """\
select sum(pg_relation_size(c.oid))::bigint
from pg_class as c
where c.relnamespace = 'holdfast'::regnamespace and c.relkind in ('r', 'i', 't')"""


def context_lines(bench: Bench) -> list[Line]:
    """What carrying a context adds to a transaction: round trips, and the server's work."""
    plain = bench.subjects["plain"]
    subject = bench.subjects["audit"]
    samples = interleaved(
        3 * bench.sizes.rounds,
        {
            "without": partial(statements.transactions, subject, bench.sizes, bound=False),
            "with": partial(statements.transactions, subject, bench.sizes, bound=True),
        },
    )
    cost = Spread.of(added(samples["with"], samples["without"], bench.sizes.committed))
    trips = _round_trips(subject, bound=True) - _round_trips(plain, bound=False)
    return [
        Line("Context of a transaction: round trips", "1", str(trips), trips <= 1),
        Line("Context of a transaction: time added", "100 µs", shown(cost, " µs"), cost.median <= 100),
    ]


def _round_trips(subject: Subject, *, bound: bool) -> int:
    engine = sa.create_engine(subject.url)
    sent: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda _c, _k, statement, *_: sent.append(statement))
    if bound:
        bind(engine)
    with engine.connect():
        sent.clear()
    with context(actor="alice", reason="returns"), engine.begin() as connection:
        connection.exec_driver_sql("select 1")
    engine.dispose()
    return len(sent)


def growth_line(bench: Bench) -> Line:
    """By how much the journal grows, its indexes included, for each row of an UPDATE of one column."""
    subject, sizes = bench.subjects["audit"], bench.sizes
    grown = []
    for _ in range(sizes.rounds):
        subject.refill(sizes.stock)
        before = _journal_bytes(subject)
        subject.connection.execute(f"update orders set status = 'returned' where id <= {sizes.updated}")
        grown.append((_journal_bytes(subject) - before) / sizes.updated)
    spread = Spread.of(grown)
    return Line(
        f"Growth of the database for each row of an UPDATE of {sizes.updated:,}",
        "145 bytes",
        shown(spread, " bytes"),
        spread.median <= 145,
    )


def _journal_bytes(subject: Subject) -> int:
    row = subject.connection.execute(JOURNAL_BYTES).fetchone()
    assert row is not None
    return int(row[0])


def undo_lines(bench: Bench) -> list[Line]:
    """An undo in a process of its own, whose memory is then its alone."""
    subject, sizes = bench.subjects["audit"], bench.sizes
    factors, memory = [], []
    for _ in range(sizes.rounds):
        subject.refill(sizes.undone)
        deleted = statements.timed_delete(subject, sizes)
        row = subject.connection.execute("select max(id) from holdfast.transaction").fetchone()
        assert row is not None
        result = subprocess.run(
            [sys.executable, "-m", "bench.undoing", subject.url, str(row[0])],
            check=True,
            capture_output=True,
            text=True,
        )
        undone = json.loads(result.stdout)
        assert undone["rows"] == sizes.undone
        assert deleted.wall is not None
        factors.append(undone["seconds"] / deleted.wall)
        memory.append(undone["bytes"] / 1e6)
    time, size = Spread.of(factors), Spread.of(memory)
    title = f"Undo of a DELETE of {sizes.undone:,} rows"
    return [
        Line(f"{title}, against that DELETE, elapsed", "3x", shown(time), time.median <= 3),
        Line(f"{title}: memory of the client, all of it", "100 MB", shown(size, " MB"), size.median <= 100),
    ]
