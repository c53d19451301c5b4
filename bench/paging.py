"""Pages of a long list: deep against the first, and where many rows share one key; beside the peers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy import orm, tuple_

from bench import events, peers
from bench.cases import Line, shown
from bench.events import PAGE, Event, place, turned
from bench.peers import Peer, PeerError, Worker
from bench.sampling import SHORTER, Sample, interleaved, ratios, shorter, timed
from bench.subjects import Bench
from holdfast.sqlalchemy.paging import keyset_page
from holdfast.sqlalchemy.paging.cursor import Position, Sealer
from holdfast.sqlalchemy.paging.listing import listing

SECRET = "a secret that only the bench knows"
PEERS = (
    Peer("sqlakeyset", "bench.peers.sqlakeyset", sees_sql=False, serves_orm=True, needs=("sqlalchemy",)),
    Peer(
        "fastapi-pagination",
        "bench.peers.fastapi_pagination",
        sees_sql=False,
        serves_orm=True,
        needs=("sqlalchemy", "sqlakeyset"),
    ),
)
Turn = Callable[[], int]


def lines(bench: Bench, versions: dict[str, str], missing: dict[str, str], *, with_peers: bool) -> list[Line]:
    """``versions`` and ``missing`` learn of the peers that are measured here alone."""
    subject = bench.add("paging")
    rows = bench.sizes.paged
    engine = sa.create_engine(subject.url)
    with engine.begin() as connection:
        events.Base.metadata.create_all(connection)
        connection.exec_driver_sql(events.FILL.format(rows=rows))
    subject.connection.execute("vacuum (analyze) events")
    with ExitStack() as exits:
        runs = _runs(bench, engine)
        for peer in PEERS if with_peers else ():
            try:
                versions[peer.name] = peers.prepare(peer)
            except PeerError as error:
                missing[peer.name] = str(error)
                continue
            for kind in ("first", "deep", "skewed"):
                worker = exits.enter_context(Worker(peer, kind, subject.url, shorter(bench.sizes.pages * 2), rows))
                runs[f"{peer.name} {kind}"] = worker.run
        samples = interleaved(SHORTER * bench.sizes.rounds, runs)
    engine.dispose()
    return _lines(samples, rows, [peer.name for peer in PEERS if f"{peer.name} deep" in runs])


def _lines(samples: Mapping[str, list[Sample]], rows: int, named: list[str]) -> list[Line]:
    def against(name: str, base: str) -> str:
        return shown(ratios(samples[name], samples[base], "wall"))

    deep = ratios(samples["ours deep"], samples["ours first"], "wall")
    title = f"Paging: {PAGE} rows at {rows * 9 // 10:,} of {rows:,}"
    found = [
        Line(
            f"{title}, against the first page, elapsed",
            "1.2x",
            shown(deep),
            deep.median <= 1.2,
            {name: against(f"{name} deep", f"{name} first") for name in named},
        )
    ]
    for kind, words in (
        ("deep", "against SQLAlchemy by hand with an unsigned cursor"),
        ("skewed", "half of them with one key, likewise"),
    ):
        others = {name: against(f"{name} {kind}", f"hand {kind}") for name in named}
        found.append(Line(f"{title}, {words}, elapsed", "", against(f"ours {kind}", f"hand {kind}"), None, others))
    return found


def _runs(bench: Bench, engine: sa.Engine) -> dict[str, Callable[[], Sample]]:
    runs: dict[str, Callable[[], Sample]] = {}
    for kind in ("first", "deep", "skewed"):
        for name, make in ("ours", _ours), ("hand", _by_hand):
            turn = make(engine, kind, bench.sizes.paged)
            turn()
            runs[f"{name} {kind}"] = partial(timed, partial(turned, turn, shorter(bench.sizes.pages * 2)))
    return runs


def _ours(engine: sa.Engine, kind: str, rows: int) -> Turn:
    at = place(kind, rows)
    order = [getattr(Event, at[0] if at else "at")]
    with orm.Session(engine) as session:
        sealer = Sealer(SECRET, listing(session, sa.select(Event), order).identity)
    cursor = sealer.seal(Position(at[1:])) if at else None

    def turn() -> int:
        with orm.Session(engine) as session:
            return len(keyset_page(session, sa.select(Event), order_by=order, size=PAGE, cursor=cursor, secret=SECRET))

    return turn


def _by_hand(engine: sa.Engine, kind: str, rows: int) -> Turn:
    at = place(kind, rows)
    column = getattr(Event, at[0] if at else "at")
    cursor = _cursor(at[1], at[2]) if at else None

    def turn() -> int:
        statement = sa.select(Event).order_by(column, Event.id).limit(PAGE + 1)
        if cursor:
            moment, key = json.loads(base64.urlsafe_b64decode(cursor))
            statement = statement.where(tuple_(column, Event.id) > tuple_(datetime.fromisoformat(moment), key))
        with orm.Session(engine) as session:
            found = session.scalars(statement).all()
            items, more = found[:PAGE], len(found) > PAGE
            return len(items) if not more or _cursor(getattr(items[-1], column.key), items[-1].id) else 0

    return turn


def _cursor(moment: datetime, key: int) -> str:
    """As somebody writes it by hand, who does not sign it."""
    return base64.urlsafe_b64encode(json.dumps([moment.isoformat(), key]).encode()).decode()
