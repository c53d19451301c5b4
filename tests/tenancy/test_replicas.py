"""Reads go to a streaming replica, see what was written before, and lock nothing there."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import pytest
import sqlalchemy as sa
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import holdfast
import holdfast.sqlalchemy
from holdfast.errors import RequestError, StaleVersionError, UnsupportedError
from holdfast.sqlalchemy import (
    Audited,
    Versioned,
    async_read_snapshot,
    async_session_scope,
    read_snapshot,
    session_scope,
)
from holdfast.sqlalchemy.replicas import Replicas
from tests.servers import EXTERNAL, available
from tests.tenancy.standby import Standby, start_primary


class Base(DeclarativeBase):
    pass


class Item(Base, Versioned, Audited):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@dataclass
class Pair:
    """A primary and its replica, with an application's engines on them."""

    standby: Standby
    primary: sa.Engine
    replica: sa.Engine
    now: float = 0.0

    def replicas(self, **options: float) -> Replicas:
        self.made.append(Replicas(self.primary, self.replica, clock=lambda: self.now, **options))
        return self.made[-1]

    def __post_init__(self) -> None:
        self.made: list[Replicas] = []

    def on_replica(self, statement: str) -> None:
        with self.replica.connect() as connection:
            connection.execute(text(statement))

    def catch_up(self) -> None:
        """The replica has replayed all that the primary has written."""
        self.on_replica("select pg_wal_replay_resume()")
        # By an engine of its own: what this one commits is nobody's to wait for.
        with sa.create_engine(self.primary.url, poolclass=sa.NullPool).connect() as connection:
            position = connection.scalar(text("select pg_current_wal_insert_lsn()::text"))
            # The log is sent up to a commit, and this is one.
            connection.execute(text("select pg_logical_emit_message(true, 'test', 'on')"))
            connection.commit()
        with self.replica.connect() as connection:
            replayed = text("select pg_last_wal_replay_lsn() >= cast(:position as pg_lsn) from pg_sleep(0.005)")
            while not connection.scalar(replayed, {"position": position}):
                pass


@pytest.fixture(scope="module")
def standby() -> Iterator[Standby]:
    if EXTERNAL or not available():
        pytest.skip("A streaming replica (no binaries of PostgreSQL to start a second server with)")
    primary = start_primary()
    standby = Standby(primary)
    try:
        engine = sa.create_engine(primary.url())
        holdfast.sqlalchemy.bind(engine)
        Base.metadata.create_all(engine)
        holdfast.sqlalchemy.install(engine, Base)
        engine.dispose()
        standby.copy()
        standby.start()
        yield standby
    finally:
        standby.stop()
        primary.stop()


@pytest.fixture
def pair(standby: Standby) -> Iterator[Pair]:
    if standby.server is None:
        standby.start(standby.port)
    primary, replica = sa.create_engine(standby.primary.url()), sa.create_engine(standby.url("postgres"))
    holdfast.sqlalchemy.bind(primary)
    holdfast.sqlalchemy.bind(replica)
    with primary.begin() as connection:
        connection.execute(sa.delete(Item))
        connection.execute(sa.insert(Item).values(id=1, name="first"))
    pair = Pair(standby, primary, replica)
    pair.catch_up()
    yield pair
    primary.dispose()
    replica.dispose()


def is_replica(session: Session) -> bool:
    return bool(session.scalar(text("select pg_is_in_recovery()")))


def add(session: Session, number: int) -> None:
    session.add(Item(id=number, name=f"number {number}"))


def test_what_is_declared_read_only_goes_to_the_replica_and_all_else_to_the_primary(pair: Pair) -> None:
    replicas = pair.replicas(wait=60)
    sessions = replicas.sessions()
    with holdfast.context(actor="ada"):
        with read_snapshot(sessions) as session:
            assert is_replica(session)
            assert session.get_one(Item, 1).name == "first"
        with session_scope(sessions) as session:
            assert not is_replica(session)
            assert session.get_one(Item, 1, with_for_update=True).name == "first"
    # A session that is used again chooses again.
    one = sessions()
    for _ in range(2):
        with read_snapshot(lambda: one) as session:
            assert is_replica(session)
        with session_scope(lambda: one) as session:
            assert not is_replica(session)
    assert replicas.counts.replica == 2 + 1
    assert replicas.counts.primary == 0


def test_a_read_sees_what_its_context_wrote_before_it(pair: Pair) -> None:
    replicas = pair.replicas(wait=0)
    sessions = replicas.sessions()
    pair.on_replica("select pg_wal_replay_pause()")
    for number in range(2, 12):
        with session_scope(sessions) as session:
            add(session, number)
        with read_snapshot(sessions) as session:
            assert session.get(Item, number) is not None
            assert not is_replica(session)
    assert replicas.counts.behind == replicas.counts.primary == 10
    # Another context has written nothing, and may read what is old.
    seen: list[tuple[bool, object]] = []

    def elsewhere(token: str | None) -> None:
        with replicas.read_your_writes(token), read_snapshot(sessions) as session:
            seen.append((is_replica(session), session.get(Item, 2) is not None))

    for token in (None, replicas.token()):
        thread = threading.Thread(target=elsewhere, args=(token,))
        thread.start()
        thread.join()
    assert seen == [(True, False), (False, True)]
    pair.catch_up()
    with read_snapshot(sessions) as session:
        assert is_replica(session)
        assert session.get(Item, 11) is not None


def test_a_replica_that_is_behind_is_waited_for(pair: Pair) -> None:
    replicas = pair.replicas(wait=60)
    sessions = replicas.sessions()
    pair.on_replica("select pg_wal_replay_pause()")
    with session_scope(sessions) as session:
        add(session, 2)
    asked = threading.Event()
    sa.event.listen(pair.replica, "checkout", lambda *_: asked.set())

    def resume() -> None:
        asked.wait()
        with sa.create_engine(pair.replica.url, poolclass=sa.NullPool).connect() as connection:
            connection.execute(text("select pg_wal_replay_resume()"))

    thread = threading.Thread(target=resume)
    thread.start()
    with read_snapshot(sessions) as session:
        assert is_replica(session)
        assert session.get(Item, 2) is not None
    thread.join()
    assert asdict(replicas.counts) == {"replica": 1, "primary": 0, "behind": 0, "down": 0, "not_a_replica": 0}


def test_what_was_rolled_back_or_only_read_is_not_waited_for(pair: Pair) -> None:
    replicas = pair.replicas(wait=0)
    sessions = replicas.sessions()
    pair.on_replica("select pg_wal_replay_pause()")
    with sessions() as session:
        add(session, 2)
        session.flush()
        session.rollback()
    for _ in range(2):
        with read_snapshot(sessions) as session:
            assert is_replica(session)
    pair.catch_up()


@pytest.mark.parametrize("fallen_back", [False, True])
def test_nothing_is_locked_or_written_in_what_only_reads(pair: Pair, fallen_back: bool) -> None:
    replicas = pair.replicas(wait=0)
    sessions = replicas.sessions()
    token = "FFFFFFFF/FFFFFFFF" if fallen_back else None

    def refused(code: str, work: Callable[[Session], object]) -> None:
        def read() -> None:
            with replicas.read_your_writes(token), read_snapshot(sessions) as session:
                assert is_replica(session) is not fallen_back
                work(session)
                session.flush()

        with pytest.raises(UnsupportedError, match=code):
            read()

    refused("HF495", lambda session: session.get(Item, 1, with_for_update=True))
    refused("HF495", lambda session: session.scalars(select(Item).with_for_update(read=True)).all())
    refused("HF495", lambda session: session.execute(select(Item.__table__).with_for_update()).all())
    refused("HF495", lambda session: session.refresh(session.get_one(Item, 1), with_for_update=True))
    refused("HF405", lambda session: session.execute(text("select 1 from items for update")))
    refused("HF405", lambda session: add(session, 2))
    refused("HF405", lambda session: session.execute(sa.update(Item).values(name="other")))
    refused("HF405", lambda session: session.delete(session.get_one(Item, 1)))


def test_a_copy_of_an_old_row_is_not_written_over_a_new_one(pair: Pair) -> None:
    replicas = pair.replicas(wait=0)
    sessions = replicas.sessions(expire_on_commit=False)
    pair.on_replica("select pg_wal_replay_pause()")
    with pair.primary.begin() as connection:
        connection.execute(sa.update(Item).values(name="of somebody else"))
    with replicas.read_your_writes(), read_snapshot(sessions) as session:
        assert is_replica(session)
        old = pickle.loads(pickle.dumps(session.get_one(Item, 1)))
    old.name = "mine"
    with pytest.raises(StaleVersionError, match="HF202"), session_scope(sessions) as session:
        session.merge(old)
    pair.catch_up()


def test_a_replica_that_is_gone_is_reported_and_left_out_until_it_may_be_back(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    replicas = pair.replicas(retry_after=10)
    sessions = replicas.sessions()

    def where() -> bool:
        with read_snapshot(sessions) as session:
            return is_replica(session)

    assert where()
    pair.standby.stop()
    with caplog.at_level(logging.WARNING, "holdfast.replicas"):
        assert [where() for _ in range(3)] == [False] * 3
        assert (replicas.counts.down, replicas.counts.primary, len(caplog.records)) == (1, 3, 1)
        assert "does not answer" in caplog.text
        pair.now += 10
        assert not where()
        assert len(caplog.records) == 2
    pair.standby.start(pair.standby.port)
    assert not where()
    pair.now += 10
    assert where()


def test_a_primary_in_the_place_of_a_replica_is_not_read(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    other = sa.create_engine(pair.primary.url)
    replicas = Replicas(pair.primary, other)
    with read_snapshot(replicas.sessions()) as session:
        assert not is_replica(session)
    assert replicas.counts.not_a_replica == 1
    assert "not a replica any more" in caplog.text
    other.dispose()


def test_a_token_from_outside_is_checked(pair: Pair) -> None:
    replicas = pair.replicas()
    for token in ("", "1", "0/0; drop table items", "0/" + "F" * 9, "g/0"):
        with pytest.raises(RequestError, match="HF496"), replicas.read_your_writes(token):
            pass
    sqlite = sa.create_engine("sqlite://")
    with pytest.raises(UnsupportedError, match="HF499"):
        Replicas(sqlite)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
def test_tasks_read_what_they_wrote(pair: Pair, driver: str) -> None:
    async def main() -> None:
        urls = [pair.primary.url, pair.replica.url]
        engines = [create_async_engine(url.set(drivername=f"postgresql+{driver}")) for url in urls]
        for engine in engines:
            holdfast.sqlalchemy.bind(engine)
        replicas = Replicas(*engines, wait=0)
        sessions = replicas.async_sessions()
        wrote: asyncio.Queue[int] = asyncio.Queue()

        async def write(number: int) -> None:
            async with async_session_scope(sessions) as session:
                await session.run_sync(add, number)
            await wrote.put(number)

        async def read(number: int) -> tuple[bool, bool]:
            async with async_read_snapshot(sessions) as session:
                return await session.run_sync(is_replica), await session.get(Item, number) is not None

        async def both(number: int) -> tuple[bool, bool]:
            await write(number)
            return await read(number)

        pair.on_replica("select pg_wal_replay_pause()")
        # Each task writes in a context of its own, and this one has not written at all.
        assert await asyncio.gather(*map(both, range(2, 8))) == [(False, True)] * 6
        assert await read(2) == (True, False)
        with replicas.read_your_writes():
            await asyncio.gather(*map(write, range(8, 12)))
            assert await read(11) == (False, True)
        with replicas.read_your_writes(await replicas.async_token()):
            assert await read(2) == (False, True)
        pair.catch_up()
        with replicas.read_your_writes(await replicas.async_token()):
            pair.catch_up()
            assert await read(11) == (True, True)
        for engine in engines:
            await engine.dispose()

    asyncio.run(main())
