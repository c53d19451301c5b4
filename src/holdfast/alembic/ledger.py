"""What was migrated, tenant by tenant: a table in the control database, by which an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import URL, Column, Connection, DateTime, MetaData, String, Table, Text, delete, insert, select, update

from holdfast.database import Database, execute
from holdfast.dialects.migrating import TENANT_MIGRATIONS
from holdfast.errors import LockedError

State = Literal["pending", "running", "done", "failed"]

_METADATA = MetaData()
LEDGER = Table(
    TENANT_MIGRATIONS,
    _METADATA,
    Column("tenant", String(63), primary_key=True),
    Column("revision", String(255), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("started", DateTime(timezone=True)),
    Column("finished", DateTime(timezone=True)),
    Column("error", Text),
)
"""One row for each tenant and each revision that it was to be brought to."""


@dataclass(frozen=True, slots=True)
class TenantMigration:
    """How one tenant's migration to a revision stands. ``running`` without a run is one that was interrupted."""

    tenant: str
    revision: str
    state: State
    started: datetime | None = None
    finished: datetime | None = None
    error: str | None = None


class Ledger:
    """Written in transactions of its own, before and after each tenant, whatever becomes of the tenant's."""

    def __init__(self, control: str | URL) -> None:
        self.database = Database(control)
        with self.database.begin() as connection:
            _METADATA.create_all(connection)

    @contextmanager
    def locked(self) -> Any:
        """One run at a time, where the database has such a lock; HF304 while there is another."""
        tenancy = self.database.dialect.tenancy
        if tenancy is None:
            yield
            return
        with self.database.connect() as connection:
            taken = execute(connection, tenancy.try_lock(LEDGER.name))[0][0]
            connection.commit()
            if not taken:
                raise LockedError("HF304", "The tenants are being migrated by another run.", "Wait until it is done.")
            yield

    def read(self, revision: str, tenants: Iterable[str]) -> list[TenantMigration]:
        """How each of the tenants stands, in the order given."""
        columns = select(LEDGER).where(LEDGER.c.revision == revision)
        with self.database.begin() as connection:
            found = {row.tenant: TenantMigration(**row._asdict()) for row in connection.execute(columns)}
        return [found.get(tenant, TenantMigration(tenant, revision, "pending")) for tenant in tenants]

    def start(self, tenant: str, revision: str) -> None:
        self._write(tenant, revision, state="running", started=datetime.now(UTC), finished=None, error=None)

    def finish(self, tenant: str, revision: str, error: str | None) -> None:
        state = "done" if error is None else "failed"
        self._write(tenant, revision, state=state, finished=datetime.now(UTC), error=error)

    def forget(self, tenant: str) -> None:
        """Of a tenant that is gone, for another may get its name."""
        with self.database.begin() as connection:
            connection.execute(delete(LEDGER).where(LEDGER.c.tenant == tenant))

    def _write(self, tenant: str, revision: str, **values: Any) -> None:
        with self.database.begin() as connection:
            _upsert(connection, tenant, revision, values)


def _upsert(connection: Connection, tenant: str, revision: str, values: dict[str, Any]) -> None:
    changed = update(LEDGER).where(LEDGER.c.tenant == tenant, LEDGER.c.revision == revision).values(values)
    if connection.execute(changed).rowcount == 0:
        connection.execute(insert(LEDGER).values(tenant=tenant, revision=revision, **values))
