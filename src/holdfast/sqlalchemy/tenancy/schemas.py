"""A schema for each tenant, in one database: the same models, and a search path that ends with the transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast.database import Database, execute
from holdfast.dialects import dialect_for
from holdfast.dialects.tenancy import Tenancy
from holdfast.errors import HeldError, RequestError, TenantError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.plan import plan_unprotect
from holdfast.sqlalchemy.installing import sync_engine
from holdfast.sqlalchemy.scopes import refuse_autocommit
from holdfast.sqlalchemy.tenancy.building import build_tables
from holdfast.sqlalchemy.tenancy.names import TenantNames, unknown
from holdfast.sqlalchemy.tenancy.switching import bind_tenant, refuse_switching, refuse_unbound_statements

_KEPT = "holdfast_schema_per_tenant"
"""The execution option of an engine whose transactions are each in one tenant's schema."""


class SchemaPerTenant:
    """Every transaction of the engine sees the schema of the context's tenant, and of no other; HF491 without one.

    The search path is set when the transaction begins, and ends with it: safe behind a pooler that gives each
    transaction another connection. ``shared`` are schemas to look in after the tenant's own. A statement in the context
    of another tenant than its transaction's raises HF203, and so does a session that goes on for another one.

    ``models`` (a declarative base, a registry or a MetaData) are the tables of a tenant: those that name no schema.
    ``build(connection)`` makes them in another way. ``owner`` is the URL as which schemas are made and dropped, the
    engine's by default; ``application`` is the role to which a tenant's tables are granted then.
    """

    def __init__(
        self,
        engine: Engine | AsyncEngine,
        models: Any = None,
        *,
        names: TenantNames | None = None,
        shared: Sequence[str] = (),
        build: Callable[[Connection], object] | None = None,
        owner: str | URL | None = None,
        application: str | None = None,
    ) -> None:
        self.engine = sync_engine(engine)
        self.names = names or TenantNames()
        self.shared = tuple(shared)
        self.build = build or build_tables(models)
        self.application = application
        self.owner = owner or self.engine.url
        self._dialect = dialect_for(self.engine.dialect.name)
        self._tenancy = _tenancy_of(self.engine)
        if self.engine.get_execution_options().get(_KEPT):
            raise ValueError("This engine has its SchemaPerTenant already: make it once, with the engine.")
        self.engine.update_execution_options(**{_KEPT: True})
        event.listen(self.engine, "begin", self._begun)
        event.listen(self.engine, "begin_twophase", _refuse_twophase)
        refuse_switching(self.engine)
        refuse_unbound_statements(self.engine)

    def list(self) -> list[str]:
        """The tenants that have a schema."""
        with Database(self.owner).begin() as connection:
            found = [self.names.tenant(name) for (name,) in execute(connection, self._schemas())]
        return [tenant for tenant in found if tenant is not None]

    def create(self, tenant: str, *, build: Callable[[Connection], object] | None = None) -> None:
        """Makes the tenant's schema with all its tables, protected as declared: all of it or, on an error, nothing.

        ``build`` makes the tables of this one. Raises HF494 where it is there already.
        """
        schema = self.names.identifier(tenant)
        with Database(self.owner).begin() as connection:
            if self._is_there(connection, schema):
                raise RequestError("HF494", f"The tenant {tenant!r} has a schema already.", "Nothing was changed.")
            execute(connection, self._tenancy.create_schema(schema))
            self._use(connection, schema, for_transaction=True)
            (build or self.build)(connection)
            if self.application is not None:
                for statement in self._tenancy.grant_schema(schema, self.application):
                    execute(connection, statement)

    def drop(self, tenant: str) -> None:
        """Drops the tenant's schema with all its rows; the journal keeps their history. HF494 where there is none.

        Raises HF421, and drops nothing, where one of its rows is under legal hold.
        """
        schema = self.names.identifier(tenant)
        with Database(self.owner).begin() as connection:
            if not self._is_there(connection, schema):
                raise unknown(tenant)
            self._unprotect(connection, schema)
            execute(connection, self._tenancy.drop_schema(schema))

    @contextmanager
    def connection(self, tenant: str) -> Iterator[Connection]:
        """A connection of its own, in the tenant's schema whatever it begins, for what changes the schema itself.

        A statement outside of a transaction (AUTOCOMMIT) sets the search path for the whole connection, so connect to
        the server itself here, not to a pooler. HF494 where the tenant has no schema.
        """
        schema = self.names.identifier(tenant)
        database = Database(self.owner)

        @event.listens_for(database.engine, "begin")
        def begun(connection: Connection) -> None:
            driver = connection.connection.dbapi_connection
            if not self._use(connection, schema, for_transaction=not getattr(driver, "autocommit", False)):
                raise unknown(tenant)

        with database.connect() as connection:
            # By this name SQLAlchemy knows a table that names no schema.
            connection.dialect.default_schema_name = schema
            yield connection

    def _begun(self, connection: Connection) -> None:
        try:
            tenant = self.names.present()
            refuse_autocommit(connection)
            if not self._use(connection, self.names.identifier(tenant), for_transaction=True):
                raise unknown(tenant)
        except BaseException:
            # SQLAlchemy takes the transaction for one that is about to begin from then on, and would send what comes
            # next without asking us again.
            connection.close()
            raise
        bind_tenant(connection, tenant)

    def _use(self, connection: Connection, schema: str, *, for_transaction: bool) -> bool:
        query = self._tenancy.use_schemas((schema, *self.shared), for_transaction=for_transaction)
        return bool(execute(connection, query)[0][0])

    def _schemas(self) -> Any:
        return self._tenancy.schemas(self.names.prefix)

    def _is_there(self, connection: Connection, schema: str) -> bool:
        return schema in {name for (name,) in execute(connection, self._schemas())}

    def _unprotect(self, connection: Connection, schema: str) -> None:
        dialect, inventory = inspect(connection, self._dialect)
        if not inventory.has_journal:
            return
        for number in sorted(inventory.held):
            if inventory.relations[number].table.schema == schema:
                raise HeldError(
                    "HF421",
                    f"Rows of {inventory.relations[number].table} are under legal hold, so the schema stays.",
                    "See them with: holdfast hold; end one with: holdfast hold TABLE KEY --release.",
                )
        plan = plan_unprotect(dialect, inventory, [name for name in inventory.tables if name.schema == schema])
        for step in plan.steps:
            for statement in step.statements:
                execute(connection, statement)


def _tenancy_of(engine: Engine) -> Tenancy:
    dialect = dialect_for(engine.dialect.name)
    if dialect.tenancy is None:
        raise UnsupportedError(
            "HF499", f"{dialect.title} has no schemas.", "Give each tenant a database of its own: DatabasePerTenant."
        )
    return dialect.tenancy


def _refuse_twophase(_connection: Connection, _xid: object) -> None:
    raise TenantError(
        "HF491",
        "A two-phase transaction cannot be given a tenant when it begins.",
        "Use ordinary transactions with this engine.",
    )
