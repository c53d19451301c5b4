"""DELETE FROM orders WHERE status = 'pending': by every path that a writer can take, seen in the log, and undone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import orm

import holdfast
from holdfast.policies import Audit
from tests.harness import Protected
from tests.servers import libpq_url, psql

PENDING = [3, 6, 9, 12]
TABLES = ("customers", "orders", "lines")
DELETE = "DELETE FROM orders WHERE status = 'pending'"


class Base(orm.DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]


class Order(Base):
    __tablename__ = "orders"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    customer_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("customers.id", ondelete="CASCADE"))
    status: orm.Mapped[str]
    total: orm.Mapped[float] = orm.mapped_column(sa.Numeric(10, 2, asdecimal=False))
    lines: orm.Mapped[list[Line]] = orm.relationship(passive_deletes=True, cascade="all, delete")


class Line(Base):
    __tablename__ = "lines"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    order_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("orders.id", ondelete="CASCADE"))
    what: orm.Mapped[str]


def stocked(url: str) -> None:
    """Four customers; of twelve orders every third is pending; two lines in each order."""
    protected = Protected(url)
    Base.metadata.create_all(protected.database.engine)
    with orm.Session(protected.database.engine) as session:
        session.add_all(Customer(id=number, name=f"customer {number}") for number in range(1, 5))
        session.add_all(
            Order(
                id=number,
                customer_id=(number - 1) % 3 + 1,
                status="paid" if number % 3 else "pending",
                total=number * 1.1,
                lines=[Line(id=number * 10 + item, what="a 'thing', ü") for item in (1, 2)],
            )
            for number in range(1, 13)
        )
        session.commit()
    protected.protect(dict.fromkeys(TABLES, (Audit(),)))


pytestmark = pytest.mark.copy_of(build=stocked)


def by_core(protected: Protected) -> None:
    with protected.database.begin() as connection:
        connection.execute(sa.delete(Order.__table__).where(Order.status == "pending"))


def by_session_delete(protected: Protected) -> None:
    with orm.Session(protected.database.engine) as session:
        for order in session.scalars(sa.select(Order).where(Order.status == "pending")).all():
            session.delete(order)
        session.commit()


def by_bulk_delete(protected: Protected) -> None:
    with orm.Session(protected.database.engine) as session:
        session.execute(sa.delete(Order).where(Order.status == "pending"))
        session.commit()


def by_another_session_of_the_driver(protected: Protected) -> None:
    if protected.name == "sqlite":
        with closing(sqlite3.connect(str(protected.database.url.database))) as connection:
            connection.execute("pragma foreign_keys = on")
            connection.execute(DELETE)
            connection.commit()
    else:
        with psycopg.connect(libpq_url(protected.url)) as connection:
            connection.execute(DELETE)


def by_customer(protected: Protected) -> None:
    """All pending orders are the third customer's: they go with it."""
    protected.run("delete from customers where id = 3")


def by_one_row_after_the_other(protected: Protected) -> None:
    protected.run(*(f"delete from orders where id = {key}" for key in PENDING))


EVERYWHERE = (
    by_core,
    by_session_delete,
    by_bulk_delete,
    by_another_session_of_the_driver,
    by_customer,
    by_one_row_after_the_other,
)


def by_psql(protected: Protected) -> None:
    psql(protected.url, DELETE)


def by_a_function(protected: Protected) -> None:
    protected.run(
        f"create function tidy() returns bigint language sql as $$ with d as ({DELETE} returning 1)"
        " select count(*) from d $$",
    )
    assert protected.rows("select tidy()") == [(4,)]


def by_merge(protected: Protected) -> None:
    protected.run(
        "merge into orders as o using customers as c on o.customer_id = c.id and o.status = 'pending'"
        " when matched then delete"
    )


def by_common_table_expression(protected: Protected) -> None:
    protected.run(f"with gone as ({DELETE} returning id) select count(*) from gone")


def by_a_view(protected: Protected) -> None:
    protected.run("create view open_orders as select * from orders where status = 'pending'", "delete from open_orders")


def by_a_trigger(protected: Protected) -> None:
    protected.run(
        "create table jobs (id int)",
        f"create function job() returns trigger language plpgsql as $$begin {DELETE}; return null; end$$",
        "create trigger job after insert on jobs for each row execute function job()",
        "insert into jobs values (1)",
    )


def by_an_admin_role(protected: Protected) -> None:
    """A role of an administrator's own, that knows nothing of any journal."""
    name = f"admin_{protected.database.url.database}"
    protected.run(f"create role {name}", f"grant all on all tables in schema public to {name}")
    try:
        protected.run(f"set local role {name}", DELETE)
    finally:
        protected.run(f"drop owned by {name}", f"drop role {name}")


def by_a_cursor(protected: Protected) -> None:
    protected.run(
        "do $$ declare r record; begin for r in select id from orders where status = 'pending' loop"
        " execute format('delete from orders where id = %s', r.id); end loop; end $$"
    )


POSTGRESQL = (
    by_psql,
    by_a_function,
    by_merge,
    by_common_table_expression,
    by_a_view,
    by_a_trigger,
    by_an_admin_role,
    by_a_cursor,
)


def name(path: Callable[[Protected], None]) -> str:
    return path.__name__


def undone(shop: Protected, path: Callable[[Protected], None]) -> None:
    before = [shop.checksum(table) for table in TABLES]
    path(shop)
    assert shop.rows("select id from orders where status = 'pending'") == []
    assert shop.rows("select count(*) from lines") == [(16,)]
    deleted = [each for each in shop.log("orders") if each.operation == "delete"]
    assert sorted(each.key for each in deleted) == PENDING
    assert {each.before["status"] for each in deleted if each.before} == {"pending"}
    lines = [each.key for each in shop.log("lines") if each.operation == "delete"]
    assert sorted(lines) == sorted(key * 10 + item for key in PENDING for item in (1, 2))
    for transaction in dict.fromkeys(each.transaction for each in shop.log(operation="delete")[::-1]):
        shop.undo(transaction, actor="on call")
    assert [shop.checksum(table) for table in TABLES] == before
    assert {each.actor for each in shop.log(operation="insert") if each.reason} == {"on call"}


@pytest.mark.parametrize("path", EVERYWHERE, ids=name)
def test_by_every_path(database: str, path: Callable[[Protected], None]) -> None:
    undone(Protected(database), path)


@pytest.mark.parametrize("path", POSTGRESQL, ids=name)
def test_by_every_path_of_postgresql(postgresql_database: str, path: Callable[[Protected], None]) -> None:
    undone(Protected(postgresql_database), path)


def test_who_did_it_and_why(database: str) -> None:
    shop = Protected(database)
    holdfast.bind(shop.database.engine)
    with holdfast.context(actor="ada", reason="cleaning up", request_id="r-7"):
        by_core(shop)
    deleted = shop.log(operation="delete")
    assert {(each.actor, each.reason) for each in deleted} == {("ada", "cleaning up")}
    assert len({each.transaction for each in deleted}) == 1


def test_a_rehearsal_shows_what_would_come_back_and_writes_nothing(database: str) -> None:
    shop = Protected(database)
    by_core(shop)
    before: Iterable[str] = [shop.checksum(table) for table in TABLES]
    rehearsal = shop.undo(dry_run=True)
    assert set(rehearsal.counts) == {("orders", "insert", 4), ("lines", "insert", 8)}
    assert rehearsal.transaction is None
    assert [shop.checksum(table) for table in TABLES] == before
    assert set(shop.undo().counts) == set(rehearsal.counts)


def test_what_was_written_since_stays(database: str) -> None:
    """The night goes on: new orders come in, others are paid, before anybody looks at the log."""
    shop = Protected(database)
    by_core(shop)
    incident = shop.last_transaction()
    shop.run("insert into orders values (100, 1, 'pending', 5)", "update orders set status = 'sent' where id = 1")
    shop.undo(incident)
    assert shop.rows("select id from orders where status = 'pending' order by id") == [
        (key,) for key in [*PENDING, 100]
    ]
    assert shop.rows("select status from orders where id = 1") == [("sent",)]
