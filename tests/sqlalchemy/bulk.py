"""A club, for writing many rows at once, over every driver."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, sessionmaker

from holdfast import Guard
from holdfast.sqlalchemy import (
    AsyncSession,
    Audited,
    ProtectedModel,
    Session,
    SoftDeletable,
    Versioned,
    bind,
    install,
    protect,
)
from holdfast.sqlalchemy.live import unique_live
from holdfast.sqlalchemy.naming import NAMING_CONVENTION, enum_column
from tests.servers import EXTERNAL, Servers, available

T = TypeVar("T")


class Base(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)


class Level(enum.StrEnum):
    NEW = "new"
    OLD = "old"


def initials(context: Any) -> str:
    return "".join(word[0] for word in str(context.get_current_parameters()["name"]).split())


class Member(ProtectedModel, Base):
    """Everything is protected, and the key is made in Python."""

    __tablename__ = "members"
    __table_args__ = (unique_live("email"), unique_live(sa.text("lower(email)"), name="members_lower"))

    email: Mapped[str]
    name: Mapped[str] = mapped_column(default="No Body")
    initials: Mapped[str] = mapped_column(default=initials)
    level: Mapped[Level] = enum_column(Level, default=Level.NEW)
    hits: Mapped[int] = mapped_column(server_default="0")
    club_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clubs.id"))
    club: Mapped[Club | None] = relationship()
    touched: Mapped[int] = mapped_column(default=0, onupdate=7)


@protect(Guard(max_rows=3))
class Club(Base, Audited, Versioned):
    """A key that the database counts, and a guard."""

    __tablename__ = "clubs"
    __table_args__ = (sa.UniqueConstraint("code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(8))
    size: Mapped[float | None]
    made: Mapped[datetime | None] = mapped_column("made_at", default=sa.func.current_timestamp())


class Badge(Base, SoftDeletable, Audited):
    """Unique among the dead too."""

    __tablename__ = "badges"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    text: Mapped[str | None]
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("badges.id", ondelete="CASCADE"))


class Animal(Base):
    """Joined and single-table inheritance; not protected."""

    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]


class Cat(Animal):
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012


class Dog(Animal):
    __tablename__ = "dogs"
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey("animals.id"), primary_key=True)
    tricks: Mapped[int]


@contextlib.contextmanager
def fresh_database(kind: str, servers: Servers, folder: Any) -> Iterator[str]:
    """For a module: its tests roll back what they write."""
    if kind == "sqlite":
        path = folder / "club.db"
        path.touch()
        yield f"sqlite:///{path}"
    else:
        with servers.get(None if EXTERNAL else next(iter(available()), None)).new_database() as url:
            yield url


@contextlib.contextmanager
def club(url: str, base: Any = Base) -> Iterator[sessionmaker[Session]]:
    """The tables, protected, and sessions over them."""
    engine = sa.create_engine(url)
    bind(engine)
    base.metadata.create_all(engine)
    install(engine, base)
    try:
        yield sessionmaker(engine, class_=Session)
    finally:
        engine.dispose()


def in_async_session(url: str, driver: str, work: Callable[[Session], T]) -> T:
    """What it gives, run by an event loop through that driver, and committed."""

    async def main() -> T:
        engine = create_async_engine(sa.make_url(url).set(drivername=driver))
        bind(engine)
        async with AsyncSession(engine) as session:
            result = await session.run_sync(lambda sync: work(cast("Session", sync)))
            await session.commit()
        await engine.dispose()
        return result

    return asyncio.run(main())


@contextlib.contextmanager
def statements(session: Session) -> Iterator[list[str]]:
    """What is sent meanwhile, savepoints aside; many rows sent at once are one."""
    sent: list[str] = []
    connection = session.connection()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)
