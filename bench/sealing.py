"""Sealing and verifying: how fast, and what eight writers lose to a sealer that runs every second."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import sqlalchemy as sa

from bench.cases import Line
from bench.sampling import cpu_seconds
from bench.subjects import Bench, Subject, protect
from holdfast.database import Database
from holdfast.evidence import Sealer, seal, verify
from holdfast.policies import Audit

WRITERS = 8
SHARE = 0.15
"""At most so much of the processors' time may go to sealing."""


def lines(bench: Bench) -> list[Line]:
    subject = bench.add("sealing")
    protect(subject.url, (Audit(),))
    return [*_rates(bench, subject), _share(bench, subject)]


def _rates(bench: Bench, subject: Subject) -> list[Line]:
    database = Database(subject.url)
    seal(database)
    subject.connection.execute("update orders set note = 'sealed' where id <= %s", (bench.sizes.updated,))
    started = time.perf_counter()
    digest = seal(database)
    sealed = time.perf_counter() - started
    started = time.perf_counter()
    verification = verify(database, [digest])
    verified = time.perf_counter() - started
    assert verification.intact
    return [
        Line("Sealing, elapsed", "", f"{digest.changes / sealed:,.0f} changes/s (one core for the client)"),
        Line("Verifying, elapsed", "", f"{verification.changes / verified:,.0f} changes/s (one core for the client)"),
    ]


def _share(bench: Bench, subject: Subject) -> Line:
    """Of processor time, the client's included: where all processors are busy, it is what the writers lose."""
    database = Database(subject.url)
    server = [0.0]

    @sa.event.listens_for(database.engine, "checkin")
    def left(connection: Any, _record: Any) -> None:
        server[0] += cpu_seconds(connection.info.backend_pid)

    def write(number: int) -> None:
        with subject.connect() as connection:
            for turn in range(bench.sizes.committed):
                key = 1 + number + WRITERS * (turn % max(1, bench.sizes.stock // WRITERS))
                connection.execute("update orders set note = %s where id = %s", (f"{number} {turn}", key))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    began, client, seals = time.monotonic(), time.thread_time(), 0
    for thread in threads:
        thread.start()
    with Sealer(database) as sealer:
        while any(thread.is_alive() for thread in threads):
            started = time.monotonic()
            sealer.seal()
            seals += 1
            time.sleep(max(0.0, 1 - (time.monotonic() - started)))
    lasted = time.monotonic() - began
    share = (server[0] + time.thread_time() - client) / (lasted * (os.cpu_count() or 1))
    transactions = WRITERS * bench.sizes.committed
    return Line(
        f"Sealing every second beside {WRITERS} writers of single rows: share of all processors",
        f"{SHARE:.0%}",
        f"{share:.1%} ({seals} seals, {transactions / lasted:,.0f} transactions/s)",
        share <= SHARE,
    )
