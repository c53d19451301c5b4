"""The repository against SQLAlchemy by hand, and the peer's against SQLAlchemy by hand in its own environment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

import holdfast.sqlalchemy
from bench import peers
from bench.cases import Line, shown
from bench.desk import KINDS, STATUS, Turn, by_hand, in_sessions, map_orders
from bench.events import PAGE, turned
from bench.peers import Peer, PeerError, Worker
from bench.sampling import SHORTER, Sample, interleaved, ratios, shorter, timed
from bench.subjects import Bench
from holdfast.policies import Audit, SoftDelete, Timestamps, Version
from holdfast.sqlalchemy.paging.cursor import Position, Sealer
from holdfast.sqlalchemy.paging.listing import listing
from holdfast.sqlalchemy.repository import Repository

PEER = Peer("advanced-alchemy", "bench.peers.advanced_alchemy", sees_sql=False, serves_orm=True, needs=("sqlalchemy",))
SECRET = "a secret that only the bench knows"
GOALS = {"get": 1.15, "list": 1.15, "page": 1.15}
TITLES = {
    "get": "a row by its key",
    "list": f"a list of {PAGE} rows",
    "page": f"a page of {PAGE}",
    "update": "an update",
}


class Plain(orm.DeclarativeBase):
    pass


class Base(orm.DeclarativeBase):
    pass


Order = holdfast.sqlalchemy.protect(Audit(), SoftDelete(), Timestamps(), Version())(map_orders(Base))
ByHand = map_orders(Plain)


class Orders(Repository[Order]):  # type: ignore[valid-type]
    filterable = ("status",)
    writable = ("status",)
    cursor_secret = SECRET


def lines(bench: Bench, versions: dict[str, str], missing: dict[str, str], *, with_peers: bool) -> list[Line]:
    """``versions`` and ``missing`` learn of the peer, which is measured here alone."""
    subject = bench.subjects["all"]
    rows, turns = bench.sizes.stock, shorter(bench.sizes.pages * 4)
    subject.refill(rows)
    engine = sa.create_engine(subject.url)
    bound = sa.create_engine(subject.url)
    holdfast.sqlalchemy.bind(bound)
    with ExitStack() as exits:
        runs: dict[str, Callable[[], Sample]] = {}
        for kind in KINDS:
            for name, turn in ("ours", _ours(bound, kind, rows)), ("hand", by_hand(engine, ByHand, kind, rows)):
                turn()
                runs[f"{name} {kind}"] = partial(timed, partial(turned, turn, turns))
        if with_peers:
            try:
                versions[PEER.name] = peers.prepare(PEER)
                for kind in KINDS:
                    for name in (kind, f"hand {kind}"):
                        worker = exits.enter_context(Worker(PEER, name, subject.url, turns, rows))
                        runs[f"peer {name}"] = worker.run
            except PeerError as error:
                missing[PEER.name] = str(error)
        samples = interleaved(SHORTER * bench.sizes.rounds, runs)
    engine.dispose()
    bound.dispose()
    found = []
    for kind in KINDS:
        spread = ratios(samples[f"ours {kind}"], samples[f"hand {kind}"], "wall")
        goal = GOALS.get(kind)
        others = {}
        if f"peer {kind}" in samples:
            others[PEER.name] = shown(ratios(samples[f"peer {kind}"], samples[f"peer hand {kind}"], "wall"))
        found.append(
            Line(
                f"Repository: {TITLES[kind]}, against SQLAlchemy by hand, elapsed",
                "" if goal is None else f"{goal:g}x",
                shown(spread),
                None if goal is None else spread.median <= goal,
                others,
            )
        )
    return found


def _ours(engine: sa.Engine, kind: str, rows: int) -> Turn:
    model: Any = Order
    with holdfast.sqlalchemy.Session(engine) as session:
        sealer = Sealer(SECRET, listing(session, sa.select(model), [model.id]).identity)
    cursor = sealer.seal(Position((rows // 2,)))

    def get(session: orm.Session) -> int:
        return PAGE if Orders(session).get_or_raise(rows // 2).id else 0

    def listed(session: orm.Session) -> int:
        return PAGE if Orders(session).list({"status": STATUS}, limit=PAGE) else 0

    def page(session: orm.Session) -> int:
        return PAGE if Orders(session).page(size=PAGE, cursor=cursor).items else 0

    def update(session: orm.Session) -> int:
        return PAGE if Orders(session).update(rows // 2, {"status": "sent"}).version else 0

    works = {"get": get, "list": listed, "page": page, "update": update}
    return in_sessions(lambda: holdfast.sqlalchemy.Session(engine), works[kind])
