"""An application's own engines over every driver: synchronous and asyncio, PostgreSQL and SQLite."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from holdfast.database import prepare_engine

ASYNC_DRIVERS = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    __table_args__ = (
        sa.CheckConstraint("balance >= 0", name="balance_not_negative"),
        sa.UniqueConstraint("owner", name="one_account_each"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str]
    balance: Mapped[int] = mapped_column(default=0)
    guarantor_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("accounts.id", name="guarantor", deferrable=True, initially="DEFERRED")
    )


def create(url: str, *accounts: Account) -> None:
    engine = sa.create_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(accounts)
        session.commit()
    engine.dispose()


def balances(url: str) -> dict[int, int]:
    """As another connection sees them."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = {row.id: row.balance for row in connection.execute(sa.select(Account.id, Account.balance))}
    engine.dispose()
    return found


@contextmanager
def sessions(url: str, *, prepared: bool = True, **options: Any) -> Iterator[sessionmaker[Session]]:
    """Over a pool, in which a connection shows what it was left with."""
    engine = sa.create_engine(url, poolclass=sa.pool.QueuePool, **options)
    if prepared:
        prepare_engine(engine)
    try:
        yield sessionmaker(engine)
    finally:
        engine.dispose()


@asynccontextmanager
async def async_sessions(url: str, **options: Any) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    parsed = sa.make_url(url)
    engine = create_async_engine(
        parsed.set(drivername=ASYNC_DRIVERS[parsed.get_backend_name()]),
        poolclass=sa.pool.AsyncAdaptedQueuePool,
        **options,
    )
    prepare_engine(engine.sync_engine)
    try:
        yield async_sessionmaker(engine)
    finally:
        await engine.dispose()


def terminated(session: Session) -> None:
    """The server ends the session's connection, on the word of another one."""
    connection = session.connection()
    [(pid,)] = connection.exec_driver_sql("select pg_backend_pid()")
    engine = sa.create_engine(connection.engine.url.set(drivername="postgresql+psycopg"))
    with engine.connect() as other:
        # The socket is closed once it is gone from the list; with a time limit it waits for that.
        assert other.exec_driver_sql(f"select pg_terminate_backend({pid}, 30000)").scalar()
    engine.dispose()


@contextmanager
def swallowing_the_answer_to_commit(url: str) -> Iterator[str]:
    """A way to the server that breaks once the server has heard the COMMIT, before the client hears of it."""
    parsed = sa.make_url(url)
    listener = socket.create_server(("127.0.0.1", 0))

    def forward() -> None:
        client, _ = listener.accept()
        with client, socket.create_connection((str(parsed.host), parsed.port or 5432)) as server:
            committing = threading.Event()

            def answers() -> None:
                while data := server.recv(65536):
                    if committing.is_set():
                        return
                    client.sendall(data)

            answering = threading.Thread(target=answers)
            answering.start()
            while data := client.recv(65536):
                if b"COMMIT" in data:
                    committing.set()
                server.sendall(data)
                if committing.is_set():
                    break
            answering.join()

    forwarding = threading.Thread(target=forward)
    forwarding.start()
    try:
        yield parsed.set(host="127.0.0.1", port=listener.getsockname()[1]).render_as_string(hide_password=False)
    finally:
        forwarding.join()
        listener.close()
