"""A shop in which each write needs a permission, and an application that has no other right to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool, StaticPool

import holdfast.sqlalchemy
from holdfast.database import execute
from holdfast.permissions import define_role, grant
from holdfast.policies import Audit, Permit, SoftDelete
from holdfast.sqlalchemy.permissions import bind_permissions

ROLE = "holdfast_test_permitted"


class Base(DeclarativeBase):
    pass


@holdfast.sqlalchemy.protect(Audit(), Permit(insert="order:create", update="order:update", delete="order:delete"))
class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


@holdfast.sqlalchemy.protect(SoftDelete(), Permit(update="note:update", delete="note:delete"))
class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    deleted_at: Mapped[datetime | None] = mapped_column(holdfast.sqlalchemy.UTCDateTime())


def build(url: str) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    holdfast.sqlalchemy.bind(engine)
    Base.metadata.create_all(engine)
    holdfast.sqlalchemy.install(engine, Base, roles_apart=False)
    with engine.begin() as connection:
        define_role(connection, "clerk", ["order:create", "order:update", "note:update"])
        define_role(connection, "boss", ["order:delete", "note:delete"], parent="clerk")
        for actor, role, tenant in (("ada", "boss", None), ("bob", "clerk", None), ("cyd", "boss", "acme")):
            grant(connection, actor, role, tenant=tenant)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(
                f"do $$ begin create role {ROLE} login; exception when duplicate_object then null; end $$"
            )
            connection.exec_driver_sql(f"grant select, insert, update, delete, truncate on orders, notes to {ROLE}")
            connection.exec_driver_sql(f"grant usage on all sequences in schema public to {ROLE}")
            connection.exec_driver_sql("insert into orders (id, status) values (1, 'new'), (2, 'new')")
            connection.exec_driver_sql("insert into notes (id, text) values (1, 'one'), (2, 'two')")
        else:
            execute(connection, "insert into holdfast_context (permissions) values ('*')")
            execute(connection, "insert into orders (id, status) values (1, 'new'), (2, 'new')")
            execute(connection, "insert into notes (id, text) values (1, 'one'), (2, 'two')")
            execute(connection, "delete from holdfast_context")
    engine.dispose()


@dataclass
class Shop:
    url: sa.URL
    engines: list[sa.Engine] = field(default_factory=list)

    @property
    def is_postgresql(self) -> bool:
        return self.url.get_backend_name() == "postgresql"

    def engine(self, **options: Any) -> sa.Engine:
        """The application's: on PostgreSQL as a role of its own; bound."""
        url = self.url.set(username=ROLE) if self.is_postgresql else self.url
        engine = sa.create_engine(url, poolclass=StaticPool, **options)
        self.engines.append(engine)
        holdfast.sqlalchemy.bind(engine)
        bind_permissions(engine)
        return engine

    def async_engine(self) -> AsyncEngine:
        url = self.url.set(username=ROLE) if self.is_postgresql else self.url
        driver = "postgresql+asyncpg" if self.is_postgresql else "sqlite+aiosqlite"
        engine = create_async_engine(url.set(drivername=driver), poolclass=NullPool)
        holdfast.sqlalchemy.bind(engine)
        bind_permissions(engine)
        return engine

    @contextmanager
    def session(self, engine: sa.Engine | None = None) -> Iterator[holdfast.sqlalchemy.Session]:
        with holdfast.sqlalchemy.Session(engine or self.engine()) as session:
            yield session

    @contextmanager
    def admin(self) -> Iterator[sa.Connection]:
        """Whom the journal belongs to, in a transaction."""
        engine = sa.create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            yield connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.admin() as connection:
            return [tuple(row) for row in execute(connection, sql)]

    def interventions(self, *kinds: str) -> list[tuple[str, str | None, Any]]:
        table = "holdfast.intervention" if self.is_postgresql else "holdfast_intervention"
        with self.admin() as connection:
            found = connection.execute(sa.text(f"select kind, actor, details from {table} order by id")).all()
        return [
            (kind, actor, json.loads(details) if isinstance(details, str) else details)
            for kind, actor, details in found
            if kind in kinds
        ]

    def denied(self) -> list[tuple[str | None, str]]:
        """Who was denied what."""
        return [(actor, details["permission"]) for _, actor, details in self.interventions("denied")]


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    shop = Shop(sa.make_url(database))
    yield shop
    for engine in shop.engines:
        engine.dispose()


@pytest.fixture
def postgresql_shop(postgresql_database: str) -> Iterator[Shop]:
    shop = Shop(sa.make_url(postgresql_database))
    yield shop
    for engine in shop.engines:
        engine.dispose()
