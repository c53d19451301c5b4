"""Tenants through the ORM: every read carries the tenant, every write is checked, a session is of one tenant."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column, relationship

import holdfast
import holdfast.sqlalchemy as hs
from holdfast.errors import DeclarationError, HoldfastError, TenantError
from holdfast.policies import Audit, Tenant
from tests.harness import Protected

ASYNC = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
SHOP = Tenant("shop_id", reads="application")


class Base(orm.DeclarativeBase):
    pass


@hs.protect(SHOP)
class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int]
    name: Mapped[str]
    orders: Mapped[list[Order]] = relationship(back_populates="customer")


@hs.protect(SHOP)
class Order(hs.SoftDeletable, Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int]
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customers.id"))
    status: Mapped[str]
    customer: Mapped[Customer] = relationship(back_populates="orders")


@hs.protect(Tenant(reads="application"))
class Note(hs.TenantOwned, Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@hs.protect(Tenant("shop_id", global_keys={"code"}, reads="application"))
class Tag(Base):
    __tablename__ = "tags"
    __table_args__ = (
        sa.UniqueConstraint("shop_id", "name", name="tags_own"),
        sa.UniqueConstraint("code", name="tags_code"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int]
    name: Mapped[str]
    code: Mapped[int]


@hs.protect(SHOP, Audit())
class Booking(hs.SoftDeletable, Base):
    __tablename__ = "bookings"

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    room: Mapped[str]
    guests: Mapped[list[Guest]] = relationship(back_populates="booking", order_by="Guest.id", passive_deletes="all")


@hs.protect(SHOP, Audit())
class Guest(hs.SoftDeletable, Base):
    __tablename__ = "guests"
    __table_args__ = (
        sa.ForeignKeyConstraint(["shop_id", "booking_id"], ["bookings.shop_id", "bookings.id"], ondelete="CASCADE"),
    )

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    booking_id: Mapped[int]
    name: Mapped[str]
    booking: Mapped[Booking] = relationship(back_populates="guests")


class BookingRepository(hs.Repository[Booking]):
    writable = ("id", "room")


class OrderRepository(hs.Repository[Order]):
    """Declares nothing but its model."""


customers, notes, orders = Customer.__table__, Note.__table__, Order.__table__


@dataclass
class Shops:
    """Two shops, 1 and 2, of one customer and two orders each; the application's login, and one that sees all."""

    url: sa.URL
    engine: sa.Engine
    owner: sa.Engine

    def session(self) -> hs.Session:
        return hs.Session(self.engine)


def build(url: str) -> None:
    engine = sa.create_engine(url)
    hs.bind(engine)
    Base.metadata.create_all(engine)
    hs.install(engine, Base)
    for shop in (1, 2):
        with holdfast.context(tenant=shop), hs.Session(engine) as session:
            statuses = [Order(status="new"), Order(status="paid")]
            session.add_all([Customer(name=f"customer of {shop}", orders=statuses), Note(text=f"note of {shop}")])
            session.commit()
    engine.dispose()


@pytest.fixture
def shops(database: str) -> Iterator[Shops]:
    owner = sa.create_engine(database, poolclass=sa.pool.NullPool)
    hs.bind(owner)
    url, name = sa.make_url(database), f"app_{uuid.uuid4().hex[:12]}"
    if url.get_backend_name() == "postgresql":
        with owner.begin() as connection:
            for statement in (
                f"create role {name} login",
                f"grant select, insert, update, delete on all tables in schema public to {name}",
                f"grant usage on all sequences in schema public to {name}",
            ):
                connection.exec_driver_sql(statement)
        url = url.set(username=name)
    engine = sa.create_engine(url, poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0)
    hs.bind(engine)
    yield Shops(url, engine, owner)
    engine.dispose()
    if url.get_backend_name() == "postgresql":
        with owner.begin() as connection:
            connection.exec_driver_sql(f"drop owned by {name}")
            connection.exec_driver_sql(f"drop role {name}")


pytestmark = pytest.mark.copy_of(build=build)

A, B = orm.aliased(Order), orm.aliased(Order)
FIRST = sa.select(Order).order_by(Order.id)
ALL = sa.true()
NESTED = orders.join(customers, ALL)
OTHER = orders.alias("other")
PLAIN = sa.select(orders.c.id, orders.c.shop_id).cte("plain")


def walk(begin: Any) -> Any:
    """From each order to the next, of whichever shop it is."""
    step = sa.select(orders.c.id, orders.c.shop_id)
    return begin.union_all(step.where(orders.c.id == begin.c.id + 1))


WALK = walk(sa.select(orders.c.id, orders.c.shop_id).where(orders.c.id % 2 == 1).cte("walk", recursive=True))
WALK_2 = WALK.alias("walk_2")
MIXED = walk(sa.select(Order.id, Order.shop_id).cte(recursive=True))

READS: dict[str, Callable[[Any], Any]] = {
    "entity": lambda s: [o.shop_id for o in s.scalars(FIRST)],
    "columns": lambda s: s.scalars(sa.select(Order.shop_id)).all(),
    "core": lambda s: s.scalars(sa.select(orders.c.shop_id)).all(),
    "alias": lambda s: s.scalars(sa.select(A.shop_id)).all(),
    "core alias": lambda s: s.scalars(sa.select(orders.alias("o").c.shop_id)).all(),
    "join": lambda s: s.scalars(sa.select(Customer.shop_id).join(Order)).all(),
    "join to an alias": lambda s: s.scalars(sa.select(A.shop_id).join(B, A.id == B.id)).all(),
    "join of an alias": lambda s: s.scalars(sa.select(B.shop_id).select_from(Order).join(B, B.id != Order.id)).all(),
    "core join": lambda s: s.scalars(sa.select(orders.c.shop_id).join_from(orders, Customer.__table__)).all(),
    "cte": lambda s: s.scalars(sa.select(sa.select(Order.shop_id).cte().c.shop_id)).all(),
    "subquery": lambda s: s.scalars(sa.select(sa.select(Order.shop_id).subquery().c.shop_id)).all(),
    "core subquery": lambda s: s.scalars(sa.select(sa.select(orders.c.shop_id).subquery().c.shop_id)).all(),
    "union": lambda s: s.scalars(sa.union_all(sa.select(Order.shop_id), sa.select(Customer.shop_id))).all(),
    "exists": lambda s: s.scalars(sa.select(Customer.shop_id).where(Customer.orders.any())).all(),
    "in": lambda s: s.scalars(sa.select(Customer.shop_id).where(Customer.id.in_(sa.select(Order.customer_id)))).all(),
    "scalar subquery": lambda s: [s.scalar(sa.select(sa.select(sa.func.min(Order.shop_id)).scalar_subquery()))],
    "aggregate": lambda s: s.execute(sa.select(sa.func.min(Order.shop_id), sa.func.max(Order.shop_id))).one(),
    "query": lambda s: [o.shop_id for o in s.query(Order)],
    "lazy": lambda s: [o.shop_id for c in s.scalars(sa.select(Customer)) for o in c.orders],
    "selectin": lambda s: [
        o.shop_id for c in s.scalars(sa.select(Customer).options(orm.selectinload(Customer.orders))) for o in c.orders
    ],
    "joined": lambda s: [
        o.shop_id
        for c in s.scalars(sa.select(Customer).options(orm.joinedload(Customer.orders))).unique()
        for o in c.orders
    ],
    "deleted ones too": lambda s: [o.shop_id for o in s.scalars(FIRST.options(hs.include_deleted()))],
    "lambda": lambda s: [o.shop_id for o in s.scalars(sa.lambda_stmt(lambda: sa.select(Order)))],
    "core lambda": lambda s: s.scalars(sa.lambda_stmt(lambda: sa.select(orders.c.shop_id))).all(),
    "core cte": lambda s: s.scalars(sa.select(sa.select(orders.c.shop_id).cte().c.shop_id)).all(),
    "core cte in a cte": lambda s: s.scalars(sa.select(sa.select(PLAIN.c.shop_id).cte().c.shop_id)).all(),
    "alias of a core cte": lambda s: s.scalars(sa.select(PLAIN.alias().c.shop_id)).all(),
    "recursive core cte": lambda s: s.scalars(sa.select(WALK.c.shop_id)).all(),
    "recursive core cte under two names": lambda s: s.scalars(
        sa.select(WALK_2.c.shop_id).where(WALK_2.c.id.in_(sa.select(WALK.c.id)))
    ).all(),
    "core cte that could be recursive": lambda s: s.scalars(
        sa.select(sa.select(orders.c.shop_id).cte(recursive=True).alias().c.shop_id)
    ).all(),
    "recursive cte of both": lambda s: s.scalars(sa.select(MIXED.c.shop_id)).all(),
    "nested core join": lambda s: s.scalars(sa.select(orders.c.shop_id).select_from(notes.join(NESTED, ALL))).all(),
    "core left join": lambda s: s.scalars(sa.select(orders.c.shop_id).select_from(notes.outerjoin(orders, ALL))).all(),
    "core left join of an alias": lambda s: s.scalars(
        sa.select(OTHER.c.shop_id).select_from(notes.outerjoin(OTHER, ALL))
    ).all(),
    "core left join by keys": lambda s: s.scalars(
        sa.select(orders.c.shop_id).select_from(customers).outerjoin(orders)
    ).all(),
    "core left join of a join": lambda s: s.scalars(
        sa.select(customers.c.shop_id).select_from(notes.outerjoin(NESTED, ALL))
    ).all(),
    "core left join of a left join": lambda s: s.scalars(
        sa.select(customers.c.shop_id).select_from(notes.outerjoin(orders.outerjoin(customers, ALL), ALL))
    ).all(),
    "left join of core": lambda s: s.scalars(
        sa.select(orders.c.shop_id).select_from(Note).outerjoin(orders, ALL)
    ).all(),
    "left join of a join": lambda s: s.scalars(
        sa.select(Order.shop_id).select_from(orm.outerjoin(Note, orm.join(Order, Customer, ALL), ALL))
    ).all(),
    "repository": lambda s: [o.shop_id for o in OrderRepository(s).list(limit=9)],
}


@pytest.mark.parametrize("read", READS)
def test_no_read_leaves_the_tenant(shops: Shops, read: str) -> None:
    for shop in (1, 2, 1):
        with holdfast.context(tenant=shop), shops.session() as session:
            assert set(READS[read](session)) == {shop}


@pytest.mark.parametrize("read", READS)
def test_no_read_goes_without_a_tenant(shops: Shops, read: str) -> None:
    with shops.session() as session, pytest.raises((TenantError, sa.exc.StatementError)) as refused:
        READS[read](session)
    cause = refused.value if isinstance(refused.value, TenantError) else refused.value.orig
    assert isinstance(cause, TenantError)


def test_another_tenants_row_is_not_got_by_its_key(shops: Shops) -> None:
    with holdfast.context(tenant=1), shops.session() as session:
        assert session.get(Order, 3) is None
        with pytest.raises(sa.exc.NoResultFound):
            session.get_one(Order, 3)


def rows(shops: Shops) -> list[Any]:
    """Of everybody, as the database has them."""
    with hs.all_tenants(shops.owner, reason="the test looks") as session:
        found = session.execute(sa.select(orders.c.id, orders.c.shop_id, orders.c.customer_id, orders.c.status))
        return sorted(map(tuple, found))


WRITES: dict[str, Callable[[Any], Any]] = {
    "add": lambda s: (s.add(Order(shop_id=2, customer_id=2, status="x")), s.flush()),
    "move": lambda s: (setattr(s.get(Order, 1), "shop_id", 2), s.flush()),
    "to another's parent": lambda s: (s.add(Order(customer_id=2, status="x")), s.flush()),
    "bulk by key": lambda s: s.execute(sa.update(Order), [{"id": 3, "status": "x"}]),
    "bulk insert": lambda s: s.execute(sa.insert(Order), [{"shop_id": 2, "customer_id": 2, "status": "x"}]),
    "core insert": lambda s: s.connection().execute(sa.insert(orders).values(shop_id=2, customer_id=2, status="x")),
    "core move": lambda s: s.connection().execute(sa.update(orders).values(shop_id=2)),
    "merge": lambda s: (s.merge(Order(id=3, shop_id=2, customer_id=2, status="x")), s.flush()),
    "repository": lambda s: OrderRepository(s).create(shop_id=2, customer_id=2, status="x"),
}


@pytest.mark.parametrize("write", WRITES)
def test_no_write_reaches_another_tenant(shops: Shops, write: str) -> None:
    before = rows(shops)
    with holdfast.context(tenant=1), shops.session() as session:
        with pytest.raises((HoldfastError, DBAPIError, orm.exc.StaleDataError)):
            WRITES[write](session)
    assert rows(shops) == before


NARROW: dict[str, Callable[[Any], Any]] = {
    "update": lambda s: s.execute(sa.update(Order).values(status="x")),
    "update from": lambda s: s.execute(
        sa.update(Order).values(status="x").where(Order.customer_id == Customer.id, Customer.name != "")
    ),
    "core update": lambda s: s.execute(sa.update(orders).values(status="x")),
    "core update from": lambda s: s.execute(
        sa.update(orders).values(status="x").where(orders.c.customer_id == customers.c.id, customers.c.name != "")
    ),
}


@pytest.mark.parametrize("write", NARROW)
def test_a_write_of_all_rows_is_of_the_tenants_own(shops: Shops, write: str) -> None:
    with holdfast.context(tenant=1), shops.session() as session:
        NARROW[write](session)
        session.commit()
    assert [(row[1], row[3]) for row in rows(shops)] == [(1, "x"), (1, "x"), (2, "new"), (2, "paid")]


HIGHEST = sa.select(sa.cast(sa.func.max(orders.c.shop_id), sa.String))
TEXT = HIGHEST.scalar_subquery()
READ_BY_WRITES: dict[str, Any] = {
    "update": sa.update(Note).values(text=TEXT),
    "core update": sa.update(notes).values(text=TEXT),
    "insert": sa.insert(Note).values(text=TEXT),
    "core insert": sa.insert(notes).values(text=TEXT),
    "core insert from select": sa.insert(notes).from_select(["text"], HIGHEST),
    "core insert from a cte": sa.insert(notes).from_select(["text"], sa.select(HIGHEST.cte())),
}


@pytest.mark.parametrize("write", READ_BY_WRITES)
def test_what_a_write_reads_is_of_the_tenants_own(shops: Shops, write: str) -> None:
    for shop in (1, 2):
        with holdfast.context(tenant=shop), shops.session() as session:
            session.execute(READ_BY_WRITES[write])
            written = session.scalars(sa.select(Note.text).order_by(Note.id.desc())).first()
            assert written == str(shop)


def test_what_a_write_of_core_returns_is_of_the_tenants_own(shops: Shops) -> None:
    with holdfast.context(tenant=1), shops.session() as session:
        for write in sa.insert(notes).values(text="a"), sa.update(notes).values(text="b"), sa.delete(notes):
            assert set(session.scalars(write.returning(TEXT))) == {"1"}


def test_a_core_write_past_the_session_is_of_the_tenants_own_or_refused(shops: Shops) -> None:
    before, everything = rows(shops), sa.update(orders).values(status="x")
    with holdfast.context(tenant=1), shops.session() as session:
        connection = session.connection()
        if shops.url.get_backend_name() == "sqlite":
            with pytest.raises(DBAPIError):
                connection.execute(everything)
        else:
            connection.execute(everything)
            session.commit()
    assert [row for row in rows(shops) if row[1] == 2] == before[2:]


def test_a_new_row_is_the_present_tenants_by_any_insert(shops: Shops) -> None:
    with holdfast.context(tenant=2), shops.session() as session:
        session.add(Order(customer_id=2, status="a"))
        session.flush()
        session.execute(sa.insert(Order), [{"customer_id": 2, "status": "b"}])
        session.execute(sa.insert(orders).values(customer_id=2, status="c"))
        session.execute(
            sa.insert(Order).from_select(["customer_id", "status"], sa.select(Order.customer_id, Order.status))
        )
        hs.bulk_insert(session, Order, [{"customer_id": 2, "status": "d"}])
        session.add(Note(text="mine"))
        session.commit()
        assert session.scalars(sa.select(Note.tenant_id).distinct()).all() == ["2"]
    assert len([row for row in rows(shops) if row[1] == 2]) == 2 + 3 + 5 + 1


def test_a_session_is_of_one_tenant(shops: Shops) -> None:
    with shops.session() as session:
        with holdfast.context(tenant=1):
            session.get(Order, 1)
            session.commit()
        with holdfast.context(tenant=2):
            for use in (
                lambda: session.get(Order, 1),
                lambda: session.scalars(FIRST).all(),
                lambda: (session.add(Note(text="x")), session.flush()),
            ):
                with pytest.raises(TenantError):
                    use()
                session.rollback()


def test_threads_and_one_connection_never_mix(shops: Shops) -> None:
    wrong: list[Any] = []

    def work(shop: int) -> None:
        for _ in range(20):
            with holdfast.context(tenant=shop), shops.session() as session:
                found = set(session.scalars(sa.select(Order.shop_id)))
                raw = (
                    shop
                    if shops.url.get_backend_name() == "sqlite"
                    else session.scalar(sa.text("select max(shop_id) from orders"))
                )
                if found != {shop} or raw != shop:
                    wrong.append((shop, found, raw))

    threads = [threading.Thread(target=work, args=(shop,)) for shop in (1, 2, 1, 2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []


def test_tasks_and_a_cancelled_one_never_mix(shops: Shops) -> None:
    async def look(sessions: async_sessionmaker[hs.AsyncSession], shop: int) -> set[int]:
        with holdfast.context(tenant=shop):
            async with sessions() as session:
                return set(await session.scalars(sa.select(Order.shop_id)))

    async def run() -> list[set[int]]:
        engine = create_async_engine(shops.url.set(drivername=ASYNC[shops.url.get_backend_name()]), pool_size=2)
        hs.bind(engine)
        sessions = async_sessionmaker(engine, class_=hs.AsyncSession)
        cancelled = [asyncio.create_task(look(sessions, 1)) for _ in range(5)]
        await asyncio.sleep(0)
        for each in cancelled:
            each.cancel()
        await asyncio.gather(*cancelled, return_exceptions=True)
        found = await asyncio.gather(*(look(sessions, shop) for shop in (1, 2) * 10))
        await engine.dispose()
        return list(found)

    assert asyncio.run(run()) == [{1}, {2}] * 10


def test_all_tenants_are_another_login_and_recorded(shops: Shops) -> None:
    with holdfast.context(actor="ada"), hs.all_tenants(shops.owner, reason="invoices of the month") as session:
        assert {o.shop_id for o in session.scalars(sa.select(Order))} == {1, 2}
        session.get_one(Order, 1).status = "billed"
        session.get_one(Order, 3).status = "billed"
    assert [row[3] for row in rows(shops)].count("billed") == 2
    table = "holdfast.intervention" if shops.url.get_backend_name() == "postgresql" else "holdfast_intervention"
    with shops.owner.connect() as connection:
        found = connection.exec_driver_sql(f"select actor, reason from {table} where kind = 'all_tenants' order by id")
        assert tuple(found.first() or ()) == ("ada", "invoices of the month")


def test_all_tenants_need_a_reason_a_duty_and_no_tenant(shops: Shops) -> None:
    with pytest.raises(TenantError), hs.all_tenants(shops.owner, reason=" "):
        pass
    with holdfast.context(tenant=1), pytest.raises(TenantError), hs.all_tenants(shops.owner, reason="x"):
        pass
    if shops.url.get_backend_name() == "postgresql":
        with pytest.raises(HoldfastError), hs.all_tenants(shops.engine, reason="x") as session:
            session.scalars(FIRST).all()


@pytest.mark.parametrize("tenant", ["", [], (), False, True, 1.5, object()])
def test_what_names_nobody_is_no_tenant(tenant: Any) -> None:
    with pytest.raises(DeclarationError) as refused, holdfast.context(tenant=tenant):
        pass
    assert refused.value.code == "HF120"


def test_zero_is_a_tenant(shops: Shops) -> None:
    with holdfast.context(tenant=0), shops.session() as session:
        assert session.scalars(FIRST).all() == []


def test_a_tenant_of_another_type_is_told(shops: Shops) -> None:
    with (
        holdfast.context(tenant="x"),
        shops.session() as session,
        pytest.raises((HoldfastError, sa.exc.StatementError)),
    ):
        session.scalars(FIRST).all()


class Other(orm.DeclarativeBase):
    pass


@hs.protect(SHOP)
class Label(Other):
    __tablename__ = "labels"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int]
    name: Mapped[str] = mapped_column(unique=True)
    color: Mapped[str]


def test_an_upsert_by_a_key_that_holds_within_each_tenant(shops: Shops) -> None:
    """The model says that the name is unique; the database, since the table has tenants, within each of them."""
    with shops.owner.begin() as connection:
        Other.metadata.create_all(connection)
    if shops.url.get_backend_name() == "sqlite":
        # Keys stay as they are there, so such a one is refused.
        with pytest.raises(DeclarationError) as refused:
            hs.install(shops.owner, Other)
        assert refused.value.code == "HF116"
        return
    with shops.owner.begin() as connection:
        hs.install(connection, Other)
        connection.exec_driver_sql(f"grant all on labels to {shops.url.username}")
        connection.exec_driver_sql(f"grant usage on all sequences in schema public to {shops.url.username}")
    for shop, color in ((1, "red"), (2, "blue"), (1, "green")):
        with holdfast.context(tenant=shop), shops.session() as session:
            hs.upsert(session, Label, [{"name": "new", "color": color}], on=["name"], update=["color"])
            session.commit()
    with hs.all_tenants(shops.owner, reason="the test looks") as session:
        found = session.execute(sa.select(Label.shop_id, Label.color).order_by(Label.shop_id))
        assert [tuple(row) for row in found] == [(1, "green"), (2, "blue")]


def test_an_upsert_by_a_key_that_has_the_tenant(shops: Shops) -> None:
    for shop, code in ((1, 10), (2, 20), (1, 11)):
        with holdfast.context(tenant=shop), shops.session() as session:
            row = {"shop_id": shop, "name": "new", "code": code}
            hs.upsert(session, Tag, [row], on=["shop_id", "name"], update=["code"])
            session.commit()
    with hs.all_tenants(shops.owner, reason="the test looks") as session:
        assert sorted(session.scalars(sa.select(Tag.code))) == [11, 20]


def test_a_row_is_got_by_its_tenant_alone(shops: Shops) -> None:
    """Its statement is made once; whose rows are meant is said at each execution, and by each session."""
    for _ in range(2):
        for shop, own, other in ((1, 1, 3), (2, 3, 1)):
            with holdfast.context(tenant=shop), shops.session() as session:
                repository = OrderRepository(session)
                assert repository.get_or_raise(own).shop_id == shop
                assert repository.get(other) is None
                assert repository.get(other, rows="all") is None
        with hs.all_tenants(shops.owner, reason="the test looks") as session:
            repository = OrderRepository(session)
            assert [repository.get_or_raise(key).shop_id for key in (1, 3)] == [1, 2]
        with shops.session() as session, pytest.raises(TenantError, match="HF203"):
            OrderRepository(session).get(1)


def test_a_primary_key_that_begins_with_the_tenant(shops: Shops) -> None:
    """Two shops count their bookings each by itself, and everything knows a row by both columns."""
    for shop in (1, 2):
        with holdfast.context(tenant=shop), shops.session() as session:
            session.add(Booking(id=1, room=f"{shop}-a", guests=[Guest(id=1, name="ann"), Guest(id=2, name="bo")]))
            session.commit()
    with holdfast.context(tenant=1), shops.session() as session:
        booking = session.get_one(Booking, (1, 1))
        assert [guest.name for guest in booking.guests] == ["ann", "bo"]
        assert [guest.booking.room for guest in session.scalars(sa.select(Guest))] == ["1-a", "1-a"]
        assert session.get(Booking, (2, 1)) is None
        bookings = BookingRepository(session)
        assert [each.room for each in bookings.list(limit=10)] == ["1-a"]
        assert bookings.upsert({"id": 1, "room": "1-b"}, on=["id"], update=["room"]) is booking
        assert bookings.create(id=2, room="1-c").shop_id == 1
        bookings.delete((1, 1))
        session.commit()
    with holdfast.context(tenant=1), shops.session() as session:
        bookings = BookingRepository(session)
        assert [each.id for each in bookings.list(limit=10)] == [2]
        assert session.scalars(sa.select(Guest)).all() == []
        assert [guest.name for guest in bookings.restore((1, 1)).guests] == ["ann", "bo"]
        session.commit()
    with holdfast.context(tenant=2), shops.session() as session:
        assert [(each.room, len(each.guests)) for each in session.scalars(sa.select(Booking))] == [("2-a", 2)]
    journal = Protected(shops.owner.url.render_as_string(hide_password=False))
    changes = [each for each in journal.log() if each.table.endswith("bookings")]
    assert {tuple(each.key) for each in changes} == {(1, 1), (1, 2), (2, 1)}
    [upserted] = [each for each in changes if each.operation == "delete"]
    journal.undo(upserted.transaction, force=True)
    with holdfast.context(tenant=1), shops.session() as session:
        assert [(each.id, each.room) for each in session.scalars(sa.select(Booking).order_by(Booking.id))] == [
            (1, "1-a")
        ]
