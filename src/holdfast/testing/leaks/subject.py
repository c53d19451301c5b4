"""What is probed: an application's engine, its models, and two tenants."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, MetaData, Table
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Mapper, registry

import holdfast.sqlalchemy as hs
from holdfast.database import Database
from holdfast.errors import UnsupportedError
from holdfast.granting import named, plan_roles, present_roles
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.policies import Tenant
from holdfast.roles import Roles
from holdfast.signing import SigningKey
from holdfast.sqlalchemy.tables import policy_of
from holdfast.testing.postgresql import PostgreSQLServer

Make = Callable[[Connection, Any], object]


@dataclass(frozen=True)
class LeakSubject:
    """An application on its test database, for ``pytest --holdfast-leaks``.

    ``application`` logs in as the application does, and is bound; ``owner`` is a superuser of the test server, who can
    play the application's role. ``base`` is the declarative base, its registry or its MetaData; ``tenants`` are the
    keys of two tenants. Rows of both are made from the metadata, or by ``make(connection, tenant)`` where that cannot
    know what a row needs. With an ``asynchronous`` engine the probes of the ORM run by it as well; with signed
    contexts give the ``signing_key``. HF418 on a database other than PostgreSQL.
    """

    application: Engine
    owner: Engine
    base: Any
    tenants: tuple[Any, Any]
    make: Make | None = None
    asynchronous: AsyncEngine | None = None
    signing_key: SigningKey | None = None

    def __post_init__(self) -> None:
        if self.application.dialect.name != self.owner.dialect.name or self.owner.dialect.name != "postgresql":
            raise UnsupportedError(
                "HF418",
                f"The probes look at row security, and {self.owner.dialect.name} has none.",
                "Give engines of a PostgreSQL test database.",
            )
        hs.bind(self.owner)

    @property
    def metadata(self) -> MetaData:
        return metadata_of(self.base)

    @property
    def role(self) -> str:
        """By which the application logs in."""
        return str(self.application.url.username)

    def mapper_of(self, table: Table) -> Mapper[Any] | None:
        """The first class that is mapped to the table, if there is one."""
        found = self.base if isinstance(self.base, registry) else getattr(self.base, "registry", None)
        mappers = [] if found is None else [each for each in found.mappers if each.local_table is table]
        return mappers[0] if mappers else None


def metadata_of(base: Any) -> MetaData:
    found: MetaData = base if isinstance(base, MetaData) else base.metadata
    return found


def tables_of(base: Any) -> list[Table]:
    """Those that have tenants, parents first."""
    return [table for table in metadata_of(base).sorted_tables if policy_of(table, Tenant) is not None]


def tenant_column(table: Table) -> sa.Column[Any]:
    policy = policy_of(table, Tenant)
    assert policy is not None
    return table.c[policy.column]


def of_tenant(table: Table, tenant: Any) -> sa.ColumnElement[bool]:
    """A condition: the row is the tenant's."""
    condition: sa.ColumnElement[bool] = tenant_column(table) == as_value(table, tenant)
    return condition


def as_value(table: Table, tenant: Any) -> Any:
    """The tenant as the table's column holds it: what is a number in one may be a text in another."""
    return tenant_column(table).type.python_type(str(tenant))


@contextmanager
def protected_subject(
    server: PostgreSQLServer,
    base: Any,
    *,
    tenants: tuple[Any, Any] = (1, 2),
    make: Make | None = None,
    async_driver: str | None = None,
) -> Iterator[LeakSubject]:
    """A subject made from the models alone: a fresh database, protected, with a role for each duty; gone afterwards.

    With an ``async_driver`` ("postgresql+asyncpg") the ORM is probed by it as well.
    """
    prefix = f"leaks_{uuid.uuid4().hex[:10]}"
    roles = named(prefix, Roles())
    try:
        with server.new_database() as url, ExitStack() as engines:
            owner = _engine(url, engines)
            metadata_of(base).create_all(owner)
            hs.install(owner, base)
            _give(url, roles)
            of_application = sa.make_url(url).set(username=roles.application)
            application = _engine(of_application, engines)
            hs.bind(application)
            given = None if async_driver is None else create_async_engine(of_application.set(drivername=async_driver))
            yield LeakSubject(application, owner, base, tenants, make, given)
    finally:
        server.drop_roles(prefix)


def _engine(url: str | sa.URL, engines: ExitStack) -> Engine:
    engine = sa.create_engine(url)
    engines.callback(engine.dispose)
    return engine


def _give(url: str, roles: Roles) -> None:
    database = Database(url)
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        present = present_roles(connection, dialect)
    schemas = sorted({name.schema for name in inventory.tables if name.schema != "holdfast"})
    apply(database, plan_roles(dialect, inventory, roles, present, schemas=schemas, own=True))
    database.engine.dispose()
