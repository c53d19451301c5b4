"""One transaction with rows of two tenants, in which the application's role is played; rolled back at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Executable, Table
from sqlalchemy.exc import DBAPIError

from holdfast.context import context
from holdfast.database import Database, execute
from holdfast.dialects import dialect_for
from holdfast.doctor import Finding, doctor
from holdfast.signing import signed
from holdfast.testing.leaks.filling import fill
from holdfast.testing.leaks.probe import DoesNotApplyError
from holdfast.testing.leaks.subject import LeakSubject, as_value, of_tenant, tables_of, tenant_column

Row = Mapping[str, Any]


class Stage:
    """What a probe works with: ``a`` is at work, and what is of ``b`` must neither be seen nor changed."""

    def __init__(self, connection: Connection, subject: LeakSubject) -> None:
        self.connection = connection
        self.subject = subject
        self.a, self.b = subject.tenants
        self.dialect = dialect_for(connection.dialect.name)
        self._findings: list[Finding] | None = None
        # Another run may be at work on the same rows: better an error than a test that never ends.
        connection.exec_driver_sql("set local lock_timeout = '20s'")
        fill(connection, subject)

    @property
    def tables(self) -> list[Table]:
        return tables_of(self.subject.base)

    def name(self, table: Table) -> str:
        """As it is written in SQL."""
        return self.connection.dialect.identifier_preparer.format_table(table)

    def tenant(self, table: Table) -> str:
        """The column that says whose row it is, as it is written in SQL."""
        return self.connection.dialect.identifier_preparer.format_column(tenant_column(table))

    def row_of(self, table: Table, tenant: Any) -> Row:
        """One of the tenant's rows, by the keys of the columns."""
        found = self.connection.execute(sa.select(table).where(of_tenant(table, tenant)).limit(1)).first()
        if found is None:
            raise DoesNotApplyError(f"There is no row of tenant {tenant} in {table.fullname}.")
        return dict(zip((column.key for column in table.columns), found, strict=True))

    def all_of(self, table: Table, tenant: Any) -> str:
        """All that the tenant has in the table, as a text to be compared."""
        found = self.rows(
            f"select t::text from {self.name(table)} as t where {self.tenant(table)} = :tenant", as_value(table, tenant)
        )
        return "\n".join(sorted(str(row[0]) for row in found))

    def rows(self, sql: str, tenant: Any = None) -> list[tuple[Any, ...]]:
        given = {} if tenant is None else {"tenant": tenant}
        return [tuple(row) for row in self.connection.execute(sa.text(sql), given)]

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is done within the block is taken back, whatever became of it."""
        savepoint = self.connection.begin_nested()
        try:
            yield
        finally:
            if savepoint.is_active:
                savepoint.rollback()

    @contextmanager
    def playing(self, role: str, tenant: Any = None) -> Iterator[None]:
        """As if the role had logged in, and for the tenant; what it does is undone."""
        with self.undone():
            quoted = self.connection.dialect.identifier_preparer.quote(role)
            self.connection.exec_driver_sql(f"set local session authorization {quoted}")
            if tenant is None:
                yield
                return
            with context(tenant=tenant) as bound:
                key = self.subject.signing_key
                if key is not None:
                    execute(self.connection, signed(self.connection, self.dialect, key, bound))
                else:
                    for query in self.dialect.bind_context(bound):
                        execute(self.connection, query)
                yield

    def application(self, tenant: Any = None) -> Any:
        """A block in which the application is at work, for the tenant or for none."""
        return self.playing(self.subject.role, tenant)

    def leave(self) -> None:
        """Within a block of the application: from here on all that is in the tables is seen."""
        self.connection.exec_driver_sql("reset session authorization")

    def refused(self, statement: Executable | str) -> str | None:
        """The SQLSTATE by which the statement is refused, or nothing; it is undone."""
        with self.undone():
            try:
                self.connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
                self.connection.exec_driver_sql("set constraints all immediate")
            except DBAPIError as error:
                return str(getattr(error.orig, "sqlstate", "") or type(error).__name__)
        return None

    def findings(self) -> list[Finding]:
        """All that the doctor finds for the application's role."""
        if self._findings is None:
            url = self.subject.owner.url.set(drivername="postgresql+psycopg")
            database = Database(url.render_as_string(hide_password=False))
            try:
                self._findings = doctor(database, roles=[self.subject.role])
            finally:
                database.engine.dispose()
        return self._findings


@contextmanager
def staged(subject: LeakSubject) -> Iterator[Stage]:
    """The stage, in a transaction of its own that is rolled back."""
    with subject.owner.connect() as connection:
        transaction = connection.begin()
        try:
            yield Stage(connection, subject)
        finally:
            transaction.rollback()
