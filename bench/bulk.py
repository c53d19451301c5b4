"""Many rows at once: against the driver's own COPY, the ORM, ON CONFLICT by hand, and the peer's repository."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import insert

import holdfast.sqlalchemy
from bench import peers, shop
from bench.cases import Line, shown
from bench.desk import map_orders
from bench.peers import Peer, PeerError, Worker
from bench.sampling import Sample, interleaved, ratios
from bench.sizes import Sizes
from bench.subjects import Bench, Subject
from holdfast.policies import Audit
from holdfast.sqlalchemy.bulk import bulk_insert, bulk_update, upsert

PEER = Peer(
    "advanced-alchemy", "bench.peers.advanced_alchemy_bulk", sees_sql=False, serves_orm=True, needs=("sqlalchemy",)
)
TAKEN = ("status", "total")
"""What an upsert takes over."""


class Plain(orm.DeclarativeBase):
    pass


class Base(orm.DeclarativeBase):
    pass


Order = map_orders(Plain)
Audited = holdfast.sqlalchemy.protect(Audit())(map_orders(Base))
Write = Callable[[Subject, list[dict[str, Any]]], float]


def lines(bench: Bench, versions: dict[str, str], missing: dict[str, str], *, with_peers: bool) -> list[Line]:
    """``versions`` and ``missing`` learn of the peer, which is measured here alone."""
    sizes, plain, audited = bench.sizes, bench.subjects["plain"], bench.subjects["audit"]
    there = sizes.planned // 2
    with ExitStack() as exits:
        peer = partial(_peer, bench, exits, versions, missing) if with_peers else lambda *_: {}
        inserting = _measured(
            sizes,
            plain,
            {"base": _copy, "ours": _bulk_insert},
            sizes.loaded,
            0,
            _one(audited, "audited", _audited_insert, sizes.loaded, 0),
        )
        adding = _measured(
            sizes,
            plain,
            {"base": _add_all, "ours": _bulk_insert},
            sizes.added,
            0,
            peer("insert", plain, sizes.added),
        )
        upserting = _measured(
            sizes,
            plain,
            {"base": _on_conflict, "ours": _upsert, "core": _on_conflict_core},
            sizes.planned,
            there,
            {**_one(audited, "audited", _audited_upsert, sizes.planned, there), **peer("upsert", plain, sizes.planned)},
        )
        updating = _measured(sizes, plain, {"base": _orm_update, "ours": _bulk_update}, sizes.planned, there, {})
    insert_title, upsert_title = f"bulk_insert of {sizes.loaded:,} rows", f"upsert of {sizes.planned:,} rows"
    add_title = f"bulk_insert of {sizes.added:,} rows, against add_all"
    return [
        _line(f"{insert_title}, against the driver's COPY", inserting, "ours", "base", 1.1),
        _line(f"{insert_title}, recorded, against the driver's COPY unrecorded", inserting, "audited", "base"),
        _line(add_title, adding, "ours", "base"),
        _line(f"{upsert_title}, against ON CONFLICT by hand with the driver", upserting, "ours", "base", 1.2),
        _line(f"{upsert_title}, against the same by SQLAlchemy Core", upserting, "ours", "core"),
        _line(f"{upsert_title}, recorded, against the driver's unrecorded", upserting, "audited", "base"),
        _line(f"bulk_update of {sizes.planned:,} rows, against the ORM's", updating, "ours", "base"),
    ]


def _line(title: str, samples: dict[str, list[Sample]], ours: str, base: str, goal: float | None = None) -> Line:
    spread = ratios(samples[ours], samples[base], "wall")
    compared = "peer" in samples and ours == "ours"
    others = {PEER.name: shown(ratios(samples["peer"], samples[base], "wall"))} if compared else {}
    met = None if goal is None else spread.median <= goal
    return Line(f"{title}, elapsed", "" if goal is None else f"{goal:g}x", shown(spread), met, others)


def _measured(
    sizes: Sizes,
    subject: Subject,
    works: dict[str, Write],
    count: int,
    there: int,
    more: dict[str, Callable[[], Sample]],
) -> dict[str, list[Sample]]:
    runs: dict[str, Callable[[], Sample]] = {}
    for name, work in works.items():
        runs |= _one(subject, name, work, count, there)
    # Elapsed time varies more than that of the processor, so it takes more rounds to tell two alike apart.
    return interleaved(2 * sizes.rounds + 1, {**runs, **more})


def _one(subject: Subject, name: str, work: Write, count: int, there: int) -> dict[str, Callable[[], Sample]]:
    """``there`` of the rows are in the table already; with none of them the keys are left to the database."""
    rows = list(given(count))

    def run() -> Sample:
        subject.refill(there)
        seconds = work(subject, rows if there == 0 else [{"id": n, **row} for n, row in enumerate(rows, 1)])
        return Sample(seconds, seconds)

    return {name: run}


def given(count: int) -> list[dict[str, Any]]:
    return [dict(zip(shop.COLUMNS, row, strict=True)) for row in shop.rows(count)]


def _peer(
    bench: Bench,
    exits: ExitStack,
    versions: dict[str, str],
    missing: dict[str, str],
    mode: str,
    subject: Subject,
    count: int,
) -> dict[str, Callable[[], Sample]]:
    try:
        versions[PEER.name] = peers.prepare(PEER)
    except PeerError as error:
        missing[PEER.name] = str(error)
        return {}
    worker = exits.enter_context(Worker(PEER, mode, subject.url, count))

    def run() -> Sample:
        subject.refill(0 if mode == "insert" else count // 2)
        return worker.run()

    return {"peer": run}


# ---------------------------------------------------------------------- what is measured


def in_session(work: Callable[[orm.Session, list[dict[str, Any]]], Any], *, bound: bool = False) -> Write:
    """With a connection that has been open for long, as a pool has; the commit counts."""

    def write(subject: Subject, rows: list[dict[str, Any]]) -> float:
        engine = sa.create_engine(subject.url)
        if bound:
            holdfast.sqlalchemy.bind(engine)
        with orm.Session(engine) as session:
            session.connection().exec_driver_sql(subject.free_large_block)
            session.rollback()
            started = time.perf_counter()
            work(session, rows)
            session.commit()
            seconds = time.perf_counter() - started
        engine.dispose()
        return seconds

    return write


def _copy(subject: Subject, rows: list[dict[str, Any]]) -> float:
    """Row by row, as the driver's documentation has it."""
    columns = ", ".join(shop.COLUMNS)
    started = time.perf_counter()
    with subject.connection.cursor() as cursor, cursor.copy(f"copy orders ({columns}) from stdin") as copy:
        for row in rows:
            copy.write_row(tuple(row.values()))
    return time.perf_counter() - started


def _on_conflict(subject: Subject, rows: list[dict[str, Any]]) -> float:
    names = ("id", *shop.COLUMNS)
    statement = (
        f"insert into orders ({', '.join(names)}) values ({', '.join(f'%({name})s' for name in names)}) "
        f"on conflict (id) do update set {', '.join(f'{name} = excluded.{name}' for name in TAKEN)}"
    )
    started = time.perf_counter()
    with subject.connection.transaction(), subject.connection.cursor() as cursor:
        cursor.executemany(statement, rows)
    return time.perf_counter() - started


def _core(session: orm.Session, rows: list[dict[str, Any]]) -> None:
    statement = insert(Order.__table__)
    taken = {name: statement.excluded[name] for name in TAKEN}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["id"], set_=taken), rows)


_bulk_insert = in_session(lambda session, rows: bulk_insert(session, Order, rows))
_audited_insert = in_session(lambda session, rows: bulk_insert(session, Audited, rows), bound=True)
_add_all = in_session(lambda session, rows: session.add_all([Order(**row) for row in rows]))
_upsert = in_session(lambda session, rows: upsert(session, Order, rows, on=["id"], update=TAKEN))
_audited_upsert = in_session(lambda session, rows: upsert(session, Audited, rows, on=["id"], update=TAKEN), bound=True)
_on_conflict_core = in_session(_core)


def _changed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": row["id"], "status": "sent", "total": row["total"]} for row in rows[: len(rows) // 2]]


_bulk_update = in_session(lambda session, rows: bulk_update(session, Order, _changed(rows)))
_orm_update = in_session(lambda session, rows: session.execute(sa.update(Order), _changed(rows)))
