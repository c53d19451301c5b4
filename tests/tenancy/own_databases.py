"""A database for each tenant, on a server that others use as well."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from holdfast.sqlalchemy.tenancy import DatabasePerTenant, TenantNames


@contextmanager
def own_databases(server_url: str) -> Iterator[tuple[str, TenantNames]]:
    """The URL of tenants' databases, and names that nobody else has; what was made under them is dropped afterwards."""
    names = TenantNames(prefix=f"t{uuid.uuid4().hex[:8]}_")
    url = sa.make_url(server_url).set(drivername="postgresql+psycopg", database="{tenant}")
    try:
        yield url.render_as_string(hide_password=False), names
    finally:
        databases = DatabasePerTenant(url, names=names)
        for tenant in databases.list():
            databases.drop(tenant, force=True)
