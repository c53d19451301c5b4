"""Where a tenant lives: rows among those of others, or a schema, of a database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from holdfast.database import Database, execute, explained
from holdfast.dialects.base import Dialect
from holdfast.dialects.tenant_life import Rows, TenantLife
from holdfast.errors import TenantError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.tenant_life.manifest import Manifest, Shared
from holdfast.tenant_life.surveying import life_of, read_manifest
from holdfast.timeline import shown


@dataclass(frozen=True, slots=True)
class Place:
    """A database; with ``schema`` all tables of it are the tenant's, else the rows that its tables say are.

    ``shared`` gives the reason for each table of which no row is a tenant's; ``tenant_*.*`` are all tables of the
    schemas that are called so.
    """

    database: Database
    schema: str | None = None
    shared: Shared = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.database.name + (f" (schema {self.schema})" if self.schema else "")

    @property
    def life(self) -> TenantLife:
        return life_of(self.database.dialect)

    def manifest(self, connection: Connection, *, permissions: bool = True) -> Manifest:
        """HF481 where it has gaps."""
        found = read_manifest(
            connection, self.database.dialect, shared=self.shared, schema=self.schema, permissions=permissions
        )
        found.check()
        return found

    def spelled(self, tenant: str) -> str:
        """The tenant as the columns and the journal have it: 7 for 007. HF480 where no column can have it."""
        with self.database.snapshot() as connection:
            found = read_manifest(
                connection, self.database.dialect, shared=self.shared, schema=self.schema, permissions=False
            )
        rows = (each for group in found.rows_of(self.life, tenant) for each in group)
        return next((each.tenant for each in rows if each.column is not None), tenant)

    def identity(self) -> str:
        with self.database.begin() as connection:
            return str(execute(connection, self.database.dialect.retention.identity())[0][0])


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done for a tenant, by whom and why."""

    place: Place
    tenant: str
    actor: str | None
    reason: str

    @property
    def digest(self) -> str:
        return digest_of(self.tenant)

    def dialect(self, connection: Connection) -> Dialect:
        return inspect(connection, self.place.database.dialect, objects=False)[0]

    @contextmanager
    def transaction(self, connection: Connection, rows: tuple[Rows, ...]) -> Iterator[None]:
        """One that may write the tenant's rows, and sees all of them."""
        dialect = self.place.database.dialect
        with explained(dialect), connection.begin():
            context: dict[str, Any] = {"actor": self.actor, "reason": self.reason}
            for query in dialect.bind_context({name: value for name, value in context.items() if value is not None}):
                execute(connection, query)
            for query in (*self.place.life.settings(), self.place.life.closing.may_write(self.digest)):
                execute(connection, query)
            see_all(connection, dialect, rows, self.reason, self.actor)
            yield

    def record(self, connection: Connection, kind: str, details: dict[str, Any]) -> None:
        query = self.place.database.dialect.record_intervention(
            kind, self.actor, self.reason, {"tenant": self.digest, **details}
        )
        execute(connection, query)


def digest_of(tenant: str) -> str:
    """Stands for the tenant where its name is not to stay."""
    return hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()


def see_all(connection: Connection, dialect: Dialect, rows: tuple[Rows, ...], reason: str, actor: str | None) -> None:
    """Works across tenants where that takes saying so; HF404 where rows would be hidden even then."""
    saying = False
    for each in rows:
        across, always = execute(connection, life_of(dialect).sees_all(each.table))[0]
        if not across:
            raise UnsupportedError(
                "HF404",
                f"Row security hides rows of {shown(each.table.name)} from this role.",
                "Connect as a superuser, or with the role that has the duty all_tenants.",
            )
        saying = saying or not always
    if saying:
        for query in dialect.work_across_tenants(reason, actor):
            execute(connection, query)


def work_for(place: Place, tenant: str, actor: str | None, reason: str) -> Work:
    """HF203 without a reason, HF480 where no column can have such a value."""
    if not reason.strip():
        raise TenantError("HF203", "What is done to a tenant as a whole needs a reason.", "Say why: reason=….")
    return Work(place, place.spelled(tenant), actor, reason)


@contextmanager
def alone(work: Work) -> Iterator[Connection]:
    """A connection that keeps every other run for that tenant away; HF484 where there is one."""
    with work.place.database.connect() as connection:
        with connection.begin():
            got = execute(connection, work.place.life.try_lock(work.digest))[0][0]
        if not got:
            raise TenantError("HF484", f"Another run is at work on tenant {work.tenant!r}.", "Wait until it has ended.")
        yield connection
