"""A database under protection, for tests: declare, write by any path, read the journal, undo, compare."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection

from holdfast.context import current
from holdfast.database import Database, execute
from holdfast.dialects.log import LogFilter
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.inventory import Inventory
from holdfast.journal import Change
from holdfast.plan import Plan, plan_protect, plan_unprotect
from holdfast.policies import Audit, Policy
from holdfast.status import ObjectState, status
from holdfast.timeline import log
from holdfast.undo import Undone, undo
from tests.readers import forget, installer, reader, writer


def journal(url: str) -> None:
    """Makes the journal in an empty database, and nothing else: to be copied by tests that do not look at that."""
    protected = Protected(url)
    protected.run("create table t (id integer primary key)")
    plan = protected.plan({"t": [Audit()]})
    apply(protected.database, replace(plan, steps=tuple(step for step in plan.steps if step.title == "journal")))
    protected.run("drop table t")


@dataclass(frozen=True)
class Prepared:
    """Makes those tables and their protection in an empty database: ``copy_of`` takes what is equal for the same."""

    statements: tuple[str, ...]
    declared: tuple[tuple[str, tuple[Policy, ...]], ...]

    def __call__(self, url: str) -> None:
        protected = Protected(url)
        protected.run(*self.statements)
        protected.protect(dict(self.declared))


class Protected:
    """One database; whatever writes but an undo has a session of its own, as separate programs would."""

    def __init__(self, url: str, *, kept: bool = True) -> None:
        """``kept``: what reads or undoes, and what writes, goes through a connection each that stays open."""
        self.url = url
        self.kept = kept
        parsed = sqlalchemy.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            # A fixture gives a name; SQLite makes the file with the first table, holdfast never does.
            Path(parsed.database).touch()
        self.database = Database(url)

    @property
    def reader(self) -> Database:
        return reader(self.database) if self.kept else self.database

    @property
    def writer(self) -> Database:
        return writer(self.database) if self.kept else self.database

    @property
    def installer(self) -> Database:
        # A context is bound to the database's own engine.
        return installer(self.database) if self.kept and not current() else self.database

    @property
    def name(self) -> str:
        return self.database.dialect.name

    def inventory(self) -> Inventory:
        with self.reader.snapshot() as connection:
            return inspect(connection, self.database.dialect)[1]

    def plan(self, declared: Mapping[str, Sequence[Policy]], **options: Any) -> Plan:
        with self.reader.snapshot() as connection:
            dialect, inventory = inspect(connection, self.database.dialect)
        return plan_protect(
            dialect, inventory, {inventory.resolve(name).name: each for name, each in declared.items()}, **options
        )

    def protect(self, declared: Mapping[str, Sequence[Policy]], **options: Any) -> Plan:
        plan = self.plan(declared, **options)
        apply(self.installer, plan)
        return plan

    def unprotect(self, *names: str, purge_history: bool = False) -> None:
        """Those tables, or all of them."""
        with self.reader.snapshot() as connection:
            dialect, inventory = inspect(connection, self.database.dialect)
        tables = [inventory.resolve(name).name for name in names] or None
        apply(self.installer, plan_unprotect(dialect, inventory, tables, purge_history=purge_history))

    def status(self) -> list[ObjectState]:
        with self.reader.snapshot() as connection:
            dialect, inventory = inspect(connection, self.database.dialect)
            return status(dialect, inventory)

    def drift(self) -> list[ObjectState]:
        return [each for each in self.status() if each.state != "current"]

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection to write through, errors as the driver gives them."""
        engine = sqlalchemy.create_engine(self.database.url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def run(self, *statements: str) -> None:
        """All statements in one transaction, errors made ours."""
        if any(statement.startswith(("alter database", "alter role")) for statement in statements):
            forget()
        # What these set is for as long as the connection lasts; and a context is bound to the database's own engine.
        own = current() or any(statement.startswith(("pragma", "attach")) for statement in statements)
        if self.name == "sqlite":
            # What no context tells apart there is one transaction within a millisecond.
            time.sleep(0.001)
        with (self.database if own else self.writer).begin() as connection:
            for statement in statements:
                execute(connection, statement)

    def write(self, *statements: str, actor: str = "writer") -> str:
        """One transaction of a writer who says who it is; gives the transaction's name."""
        dialect = self.database.dialect
        with self.writer.begin() as connection:
            for query in dialect.bind_context({"actor": actor}):
                execute(connection, query)
            for statement in statements:
                execute(connection, statement)
            written = execute(connection, dialect.log.current_transaction())
            for query in dialect.unbind_context():
                execute(connection, query)
        return str(written[0][0])

    def rows(self, sql: str) -> list[Any]:
        with self.reader.begin() as connection:
            return [tuple(row) for row in execute(connection, sql)]

    def log(self, table: str | None = None, **wanted: Any) -> list[Change]:
        """Oldest first, which is the order in which a test tells its story."""
        with self.reader.snapshot() as connection:
            dialect, inventory = inspect(connection, self.database.dialect, objects=False)
            name = inventory.resolve(table).name if table else None
            changes = log(connection, dialect, inventory, LogFilter(table=name, **{"limit": None, **wanted}))
        return changes[::-1]

    def last_transaction(self) -> str:
        return self.log(limit=1)[-1].transaction

    def undo(self, transaction: str | None = None, **options: Any) -> Undone:
        return undo(self.reader, transaction or self.last_transaction(), **options)

    def checksum(self, table: str) -> str:
        """Of all rows of a table, in no order that matters; types and bits included."""
        return self.checksums(table)[table]

    def checksums(self, *tables: str) -> dict[str, str]:
        with self.reader.snapshot() as connection:
            return {table: self._checksum(connection, table) for table in tables}

    def _checksum(self, connection: Connection, table: str) -> str:
        if self.name == "sqlite":
            columns = [row[1] for row in execute(connection, f"pragma table_info({table})")]
            typed = " || ' ' || ".join(f'typeof("{name}") || quote("{name}")' for name in columns)
            rows = sorted(row[0] for row in execute(connection, f"select {typed} from {table}"))
            return hashlib.sha256("\n".join(rows).encode()).hexdigest()
        [(digest,)] = execute(
            connection,
            "select md5(coalesce(string_agg(h, '' order by h), '')) from "
            f"(select md5(record_send(t)::text) as h from (select * from {table}) as t) as each",
        )
        return str(digest)
