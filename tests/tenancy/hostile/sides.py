"""Two databases with the same tables and rows: one with row security as it is mostly written, and one of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, CursorResult, Engine
from sqlalchemy.exc import DBAPIError

import holdfast.sqlalchemy as hs
from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.doctor import check_roles
from holdfast.errors import RolesError
from holdfast.granting import named
from holdfast.roles import Roles
from tests.duties import drop_roles, give_roles, new_prefix
from tests.harness import Protected
from tests.servers import Server
from tests.tenancy.hostile.models import Base

TABLES = ("customers", "orders", "events", "notes", "bookings")
PLAIN_TABLES = (
    """create table customers (
        id bigint primary key, tenant_id integer, email text unique, secret text)""",
    """create table orders (
        id bigserial primary key, tenant_id integer, customer_id bigint references customers on delete cascade,
        status text)""",
    """create table events (id bigint, tenant_id integer, at date not null, primary key (id, at))
        partition by range (at)""",
    "create table events_1 partition of events for values from ('2020-01-01') to ('2040-01-01')",
    "create table notes (id bigint, tenant_id integer, text text)",
    "create table notes_child () inherits (notes)",
    "create table bookings (tenant_id integer, id bigint, room text, primary key (tenant_id, id))",
)
ROWS = (
    "insert into customers values (1, 1, 'a@x', 's1'), (2, 2, 'b@x', 's2')",
    "insert into orders (id, tenant_id, customer_id, status) values (10, 1, 1, 'new'), (11, 1, 1, 'paid')",
    "insert into orders (id, tenant_id, customer_id, status) values (20, 2, 2, 'new')",
    "insert into events values (1, 1, '2026-01-01'), (2, 2, '2026-01-01')",
    "insert into notes_child values (1, 1, 'mine'), (2, 2, 'theirs')",
    "insert into bookings values (1, 1, 'mine'), (2, 1, 'theirs'), (2, 2, 'theirs')",
)
BOTH = [(1,), (2,)]
MINE = [(1,)]


class Desk:
    """One transaction, begun by the superuser and rolled back: any role can be played in it."""

    def __init__(self, side: Side, connection: Connection) -> None:
        self.side = side
        self.connection = connection

    def do(self, *statements: str) -> None:
        for each in statements:
            self._run(each)

    def _run(self, sql: str) -> CursorResult[Any]:
        # Drivers take it for a parameter.
        return self.connection.exec_driver_sql(sql.replace("%", "%%"))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(row) for row in self._run(sql))

    def value(self, sql: str) -> Any:
        return self._run(sql).scalar()

    def count(self, sql: str) -> int:
        """How many rows a statement wrote."""
        return self._run(sql).rowcount

    def play(self, role: str, tenant: object = None) -> None:
        """As if the role had logged in. A reset of the role does not lead back."""
        self.do(f'set local session authorization "{role}"')
        if tenant is not None:
            self.do(self.side.tell.format(tenant=tenant))

    def app(self, tenant: object = None) -> None:
        self.play(self.side.app, tenant)

    def admin(self) -> None:
        self.do("reset session authorization")

    def refused(self, *statements: str) -> str | None:
        """The SQLSTATE with which the statements were refused, or nothing; what they did is undone."""
        savepoint = self.connection.begin_nested()
        try:
            self.do(*statements)
            # A constraint or trigger that is deferred has its say.
            self.do("set constraints all immediate")
        except DBAPIError as error:
            return str(error.orig.sqlstate)  # type: ignore[union-attr]
        finally:
            savepoint.rollback()
        return None

    def refused_at_start(self) -> set[str]:
        """What keeps the application from starting."""
        try:
            check_roles(self.connection)
        except RolesError as error:
            return {each.rule for each in error.findings if each.severity == "error"}
        return set()

    def doctor(self) -> set[str]:
        """The rules by which the doctor finds something, as the database is in this transaction."""
        doctor = dialect_for("postgresql").doctor
        assert doctor is not None
        return {row[0] for row in execute(self.connection, doctor.findings([self.side.app]))}


@dataclass
class Side:
    """One of the two databases, by its superuser's URL, and two of its roles."""

    url: str
    app: str
    owner: str
    tell: str
    _engines: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self._admin = self.engine()

    @property
    def setting(self) -> str:
        """Which holds the tenant."""
        return "holdfast.tenant" if "holdfast" in self.tell else "app.tenant"

    def engine(self, role: str | None = None, **options: Any) -> Engine:
        """One of a pool of one connection, as the superuser or by a login."""
        url = sa.make_url(self.url)
        given = {"pool_size": 1, "max_overflow": 0, **options}
        engine = sa.create_engine(url if role is None else url.set(username=role), **given)
        self._engines.callback(engine.dispose)
        return engine

    def application(self, **options: Any) -> Engine:
        """The engine of an application that uses holdfast."""
        engine = self.engine(self.app, **options)
        hs.bind(engine)
        return engine

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        with self._admin.connect() as connection:
            yield Desk(self, connection)
            connection.rollback()

    def close(self) -> None:
        self._engines.close()


@dataclass
class Sides:
    plain: Side
    held: Side


@contextmanager
def sides(server: Server) -> Iterator[Sides]:
    prefix = new_prefix()
    try:
        with ExitStack() as stack:
            both = []
            for make in (_plain, _held):
                side = make(stack.enter_context(server.new_database()), prefix)
                stack.callback(side.close)
                both.append(side)
            yield Sides(*both)
    finally:
        drop_roles(server, prefix)


def _plain(url: str, prefix: str) -> Side:
    """ENABLE without FORCE, one policy, everything granted: what the manual shows."""
    side = Side(
        url, f"{prefix}_plain_app", f"{prefix}_plain_owner", "select set_config('app.tenant', '{tenant}', true)"
    )
    mine = "tenant_id = current_setting('app.tenant', true)::integer"
    with side._admin.begin() as connection:
        for statement in (
            f"create role {side.app} login",
            f"create role {side.owner} login",
            *PLAIN_TABLES,
            *ROWS,
            *(f"alter table {each} enable row level security" for each in TABLES),
            *(f"create policy own on {each} using ({mine})" for each in TABLES),
            *(f"alter table {each} owner to {side.owner}" for each in (*TABLES, "events_1", "notes_child")),
            f"grant create, usage on schema public to {side.app}",
            f"grant all on all tables in schema public to {side.app}",
            f"grant all on all sequences in schema public to {side.app}",
        ):
            connection.exec_driver_sql(statement)
    return side


def _held(url: str, prefix: str) -> Side:
    shop = Protected(url, kept=False)
    shop.run(*PLAIN_TABLES, *ROWS)
    engine = sa.create_engine(url)
    hs.install(engine, Base, add_columns=True)
    engine.dispose()
    roles = named(prefix, Roles())
    give_roles(shop, roles, own=True)
    # The other kinds of children are read by themselves in the list.
    shop.run(f"grant select on events_1, notes_child to {roles.application}")
    shop.database.engine.dispose()
    tell = "select holdfast.set_context(tenant => '{tenant}')"
    return Side(url, str(roles.application), str(roles.owner), tell)


Test = Callable[[Sides], None]


@dataclass(frozen=True)
class Row:
    """One way to leak, and what is done about it."""

    number: int
    leak: str
    held: str
    """What holds it here."""
    show: Test | None = None
    hold: Test | None = None
    elsewhere: tuple[str, ...] = ()
    """Tests in other files that are about it too, as file::function."""
    documented: bool = False
    """Whether what is tested is a rule or a text, for it is about a server that is not here."""
    fails: str = ""
    """Why it does not hold, if it does not."""
