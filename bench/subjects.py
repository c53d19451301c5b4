"""The server, and on it one database for each thing that is compared: the same table, protected in its way."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import psycopg
import sqlalchemy as sa

from bench import shop
from bench.sizes import Sizes
from holdfast.database import Database
from holdfast.embedded import EmbeddedPostgreSQL
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.plan import plan_protect
from holdfast.policies import Audit, Guard, Policy, SoftDelete, Timestamps, Version

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "jit": "off",
    "autovacuum": "off",
}
POLICIES: Mapping[str, tuple[Policy, ...]] = {
    "plain": (),
    "audit": (Audit(),),
    "audit by row": (Audit(form="row"),),
    "stamps": (Timestamps(), Version()),
    "soft delete": (SoftDelete(),),
    "audited soft delete": (Audit(), SoftDelete()),
    "all": (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=1_000)),
}


def protect(url: str, policies: Sequence[Policy]) -> None:
    database = Database(url)
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
    apply(database, plan_protect(dialect, inventory, {inventory.resolve("orders").name: policies}))


class Subject:
    """One database, with a connection that stays open as a pooled one does."""

    def __init__(self, name: str, url: str, freed: int) -> None:
        self.name = name
        self.url = url
        self.free_large_block = f"select length(repeat(repeat('x', 10000), {freed // 10_000}))"
        """Once a process has freed a large block, glibc keeps memory at hand and its next statements are cheaper.
        Pooled connections get there sooner or later; all start there, or triggers would seem to save time."""
        self.connection = self.connect()

    def connect(self) -> psycopg.Connection[psycopg.rows.TupleRow]:
        url = sa.make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(url, autocommit=True)
        connection.execute(self.free_large_block)
        return connection

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    def refill(self, count: int) -> None:
        """The table as it was at first, with so many rows; the triggers are not asked."""
        self.connection.execute("set session_replication_role = replica")
        self.connection.execute("truncate orders restart identity")
        self.connection.execute(
            "insert into orders overriding system value select * from stock where id <= %s order by id", (count,)
        )
        self.connection.execute("select setval('orders_id_seq', %s, false)", (count + 1,))
        self.connection.execute("reset session_replication_role")
        self.connection.execute("vacuum (analyze) orders")
        self.connection.execute("checkpoint")


class Bench:
    """The running server and its databases."""

    def __init__(
        self, sizes: Sizes, binaries: pathlib.Path | None = None, settings: Mapping[str, str] = SETTINGS
    ) -> None:
        self.sizes = sizes
        self.subjects: dict[str, Subject] = {}
        self._server = EmbeddedPostgreSQL(binaries=binaries, settings=settings)
        self._exits = ExitStack()

    @contextmanager
    def running(self) -> Iterator[Bench]:
        with self._exits, self._server:
            self._make_template()
            for name, policies in POLICIES.items():
                subject = self.add(name)
                if policies:
                    protect(subject.url, policies)
            yield self
            for subject in self.subjects.values():
                subject.connection.close()

    @property
    def version(self) -> str:
        return str(self.subjects["plain"].connection.info.parameter_status("server_version")).split()[0]

    def add(self, name: str) -> Subject:
        database = "bench_" + name.replace(" ", "_").replace("-", "_")
        with psycopg.connect(self._server.url().replace("+psycopg", ""), autocommit=True) as maintenance:
            maintenance.execute(f'create database "{database}" template bench_template')
        self.subjects[name] = Subject(name, self._server.url(database), self.sizes.freed)
        return self.subjects[name]

    def _make_template(self) -> None:
        with psycopg.connect(self._server.url().replace("+psycopg", ""), autocommit=True) as maintenance:
            maintenance.execute("create database bench_template")
        url = self._server.url("bench_template").replace("+psycopg", "")
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(shop.ORDERS)
            cursor.execute("set timezone = 'UTC'")
            with cursor.copy(f"copy orders ({', '.join(shop.COLUMNS)}) from stdin") as copy:
                copy.write(shop.copy_text(max(self.sizes.stock, self.sizes.undone)))
            cursor.execute("create table stock as table orders")
            cursor.execute("create index on stock (id)")
