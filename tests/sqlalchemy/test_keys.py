"""Keys in the order of time, and the mixins that bring them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import ForeignKey, create_engine, inspect, make_url, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, declarative_base, mapped_column

from holdfast.errors import DeclarationError
from holdfast.sqlalchemy.keys import PublicId, UUIDKey, uuid7


class Base(DeclarativeBase):
    pass


class Invoice(UUIDKey, Base):
    __tablename__ = "invoices"

    note: Mapped[str | None]


class Customer(PublicId, Base):
    __tablename__ = "customers"

    name: Mapped[str]


def milliseconds(key: uuid.UUID) -> int:
    return key.int >> 80


def test_a_key_is_of_version_7_and_tells_its_time() -> None:
    before = time.time_ns() // 1_000_000
    key = uuid7()
    after = time.time_ns() // 1_000_000
    assert (key.version, key.variant) == (7, uuid.RFC_4122)
    # Within this process it may be ahead of the clock by as much as the clock went back before.
    assert before <= milliseconds(key) <= max(after, milliseconds(key))
    assert datetime.fromtimestamp(milliseconds(key) / 1000, UTC).year >= 2024


def test_keys_grow_within_the_millisecond_and_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [uuid7()]
    start = time.time_ns() + 60_000_000_000
    for now in (start, start, start - 3_600_000_000_000, start - 1, start + 1_000_000):
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        keys += [uuid7() for _ in range(200)]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    # The time does not run ahead of the latest that the clock showed.
    assert milliseconds(keys[-1]) == (start + 1_000_000) // 1_000_000


def test_a_millisecond_that_is_full_goes_on_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    uuid7()
    now = time.time_ns() + 120_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: now)
    first = uuid7()
    monkeypatch.setattr("holdfast.sqlalchemy.keys._clock.counter", (1 << 74) - 1)
    following = uuid7()
    assert following > first
    assert milliseconds(following) == milliseconds(first) + 1
    assert (following.version, following.variant) == (7, uuid.RFC_4122)


def test_keys_of_many_threads_are_different_and_each_sees_them_grow() -> None:
    made: list[list[uuid.UUID]] = []

    def make() -> None:
        made.append([uuid7() for _ in range(1000)])

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(keys == sorted(keys) for keys in made)
    assert len({key for keys in made for key in keys}) == 8000


FORKING = """
import os, threading
from holdfast.sqlalchemy.keys import _clock, uuid7

last = uuid7()
# As if another thread were at it at this very moment: its lock is never given back in the child.
_clock.lock.acquire()
children = []
for _ in range(4):
    end, start = os.pipe()
    if os.fork() == 0:
        keys = [uuid7() for _ in range(500)]
        os.write(start, "".join(f"{key}\\n" for key in keys).encode())
        os._exit(0)
    os.close(start)
    children.append(end)
_clock.lock.release()
print(last)
print("".join(str(uuid7()) + "\\n" for _ in range(500)), end="")
for end in children:
    with os.fdopen(end) as pipe:
        print(pipe.read(), end="")
"""


@pytest.mark.skipif(not hasattr(sys, "getswitchinterval") or sys.platform == "win32", reason="Windows has no fork")
def test_a_child_makes_other_keys_than_its_parent() -> None:
    result = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    last, *keys = [uuid.UUID(line) for line in result.stdout.split()]
    assert len(set(keys)) == len(keys) == 2500
    assert all(key > last for key in keys)
    for start in range(0, 2500, 500):
        assert keys[start : start + 500] == sorted(keys[start : start + 500])


def test_the_key_columns_are_what_the_database_has_best(database: str) -> None:
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    columns = {
        (table, column["name"]): str(column["type"])
        for table in ("invoices", "customers")
        for column in inspect(engine).get_columns(table)
    }
    expected = ("UUID", "BIGINT") if engine.dialect.supports_native_uuid else ("CHAR(32)", "INTEGER")
    found = (columns["invoices", "id"], columns["customers", "id"], columns["customers", "public_id"])
    assert found == (*expected, expected[0])
    with Session(engine) as session:
        session.add_all([Invoice() for _ in range(50)] + [Customer(name=str(n)) for n in range(3)])
        session.flush()
        made = [row.id for row in session.scalars(select(Invoice).order_by(Invoice.id))]
        assert made == sorted(made)
        customers = list(session.scalars(select(Customer).order_by(Customer.id)))
        assert [each.id for each in customers] == [1, 2, 3]
        assert [each.public_id for each in customers] == sorted(each.public_id for each in customers)
        assert session.scalars(select(Customer).filter_by(public_id=customers[1].public_id)).one() is customers[1]
        session.commit()
        session.add(Customer(name="twice", public_id=customers[0].public_id))
        with pytest.raises(IntegrityError):
            session.flush()
    engine.dispose()


def test_the_small_key_is_the_rowid_on_sqlite(sqlite_database: str) -> None:
    engine = create_engine(sqlite_database)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("insert into customers (public_id, name) values ('a', 'Ada')")
        assert connection.exec_driver_sql("select id = rowid from customers").scalar() == 1
        connection.exec_driver_sql("insert into customers (id, public_id, name) values (9007199254740993, 'b', 'Bo')")
        assert connection.exec_driver_sql("select max(id) from customers").scalar() == 9007199254740993
    engine.dispose()


def test_keys_are_the_same_through_asynchronous_drivers(database: str) -> None:
    url = make_url(database)
    driver = "postgresql+asyncpg" if url.get_backend_name() == "postgresql" else "sqlite+aiosqlite"

    async def run() -> None:
        engine = create_async_engine(url.set(drivername=driver))
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            invoice, customer = Invoice(), Customer(name="Ada")
            session.add_all([invoice, customer])
            await session.commit()
            await session.refresh(invoice)
            await session.refresh(customer)
            assert (invoice.id.version, customer.id, customer.public_id.version) == (7, 1, 7)
            assert await session.get(Invoice, invoice.id) is invoice
        await engine.dispose()

    asyncio.run(run())


def test_an_association_cannot_get_a_wider_key_by_mistake() -> None:
    """With (order_id, product_id, id) for its key, the same pair could be there twice."""

    for mixin in (UUIDKey, PublicId):
        base = type("Local", (DeclarativeBase,), {})
        with pytest.raises(DeclarationError, match="HF112") as caught:
            type(
                "Item",
                (mixin, base),
                {
                    "__tablename__": f"items_{mixin.__name__}",
                    "__annotations__": {"order_id": Mapped[int], "product_id": Mapped[int]},
                    "order_id": mapped_column(primary_key=True),
                    "product_id": mapped_column(primary_key=True),
                },
            )
        assert "UniqueConstraint('order_id', 'product_id')" in caught.value.hint


def test_a_joined_subclass_has_the_key_of_its_parent() -> None:
    class Local(DeclarativeBase):
        pass

    class Animal(UUIDKey, Local):
        __tablename__ = "animals"

    class Cat(Animal):
        __tablename__ = "cats"
        id: Mapped[uuid.UUID] = mapped_column(ForeignKey("animals.id"), primary_key=True)

    assert list(Cat.__table__.primary_key.columns.keys()) == ["id"]


def test_the_mixins_serve_a_base_of_the_old_form() -> None:
    old = declarative_base()
    model = type("Old", (UUIDKey, old), {"__tablename__": "old"})
    assert list(model.__table__.columns.keys()) == ["id"]
