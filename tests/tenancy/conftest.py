"""Databases of tenants: a small model, and engines as an application has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import holdfast.sqlalchemy
from holdfast.sqlalchemy import Audited
from holdfast.sqlalchemy.tenancy import SchemaPerTenant
from tests.servers import Server, Servers
from tests.tenancy import pooler


class Base(DeclarativeBase):
    pass


class Note(Base, Audited):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


def build(url: str) -> None:
    """Two tenants, and a table of their tables' name in the schema that everybody has."""
    engine = sa.create_engine(url)
    tenants = SchemaPerTenant(engine, build=lambda connection: Base.metadata.create_all(connection, checkfirst=False))
    admin = sa.create_engine(url)
    with admin.begin() as connection:
        connection.exec_driver_sql("create table public.notes (id serial primary key, text text not null)")
        connection.exec_driver_sql("insert into public.notes (text) values ('of nobody')")
    for tenant in ("acme", "beta"):
        tenants.create(tenant)
        with tenants.connection(tenant) as connection:
            holdfast.sqlalchemy.install(connection, Base, roles_apart=False)
            connection.exec_driver_sql(f"insert into notes (text) values ('of {tenant}')")
            connection.commit()
    engine.dispose()
    admin.dispose()


@pytest.fixture
def schemas_url(postgresql: Server, servers: Servers) -> Iterator[str]:
    """A database with the schemas of acme and beta, each with its note."""
    with postgresql.new_database(servers.template(postgresql, build)) as url:
        yield url


@pytest.fixture
def new_engine(schemas_url: str) -> Iterator[Callable[..., sa.Engine]]:
    """Makes engines on that database."""
    engines: list[sa.Engine] = []

    def make(**options: Any) -> sa.Engine:
        engines.append(sa.create_engine(schemas_url, **options))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def pooled_url(schemas_url: str) -> Iterator[str]:
    """The same database behind PgBouncer, which gives each transaction the one connection that it has."""
    if pooler.program() is None:
        pytest.skip("PgBouncer (not installed)")
    with pooler.pooled(sa.make_url(schemas_url)) as url:
        yield url.render_as_string(hide_password=False)
