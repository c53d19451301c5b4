"""A connection is lost within a tenant's transaction, and the next one on it belongs to whoever begins it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

import holdfast
from holdfast.errors import ConnectionLostError
from holdfast.sqlalchemy import explained
from holdfast.sqlalchemy.tenancy import SchemaPerTenant
from tests.tenancy.conftest import Base, Note


def test_another_tenant_goes_on_where_one_lost_its_connection(new_engine: Callable[..., sa.Engine]) -> None:
    engine = new_engine(pool_size=1, max_overflow=0)
    holdfast.sqlalchemy.bind(engine)
    SchemaPerTenant(engine, Base)
    with engine.connect() as connection:
        with holdfast.context(tenant="acme"):
            with pytest.raises(ConnectionLostError), explained(connection):
                connection.execute(sa.text("select pg_terminate_backend(pg_backend_pid())"))
            connection.rollback()
        with holdfast.context(tenant="beta"):
            assert connection.scalar(sa.select(Note.text)) == "of beta"
