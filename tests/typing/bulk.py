"""Checked by mypy, never run."""

from typing import Any, assert_type

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from holdfast.sqlalchemy import AsyncSession, Session
from holdfast.sqlalchemy.bulk import bulk_delete, bulk_insert, bulk_insert_returning, bulk_update, upsert


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    hits: Mapped[int]


def synchronous(session: Session) -> None:
    assert_type(bulk_insert(session, Order, ({"hits": number} for number in range(3))), int)
    assert_type(bulk_insert(session, Order, [Order(hits=1)], progress=print), int)
    assert_type(bulk_insert_returning(session, Order, [{"hits": 1}]), list[Any])
    assert_type(bulk_update(session, Order, [{"id": 1, "hits": 2}], missing="ignore", allow=5), int)
    assert_type(bulk_delete(session, Order, where=Order.hits > 3, allow="mass"), int)
    assert_type(upsert(session, Order, [{"id": 1, "hits": 2}], on=["id"], update=["hits"]), int)
    counted = {"hits": lambda row, given: row.hits + given.hits}
    assert_type(upsert(session, Order, [{"id": 1, "hits": 2}], on="pk_orders", update=counted, duplicates="last"), int)
    bulk_update(session, Order, [], missing="maybe")  # type: ignore[arg-type]


async def asynchronous(session: AsyncSession) -> None:
    assert_type(await session.run_sync(bulk_insert, Order, [{"hits": 1}], chunk=5), int)
    assert_type(await session.run_sync(upsert, Order, [{"id": 1, "hits": 2}], on=["id"], update=None), int)
    await session.run_sync(bulk_delete, Order, all_rows="yes")  # type: ignore[arg-type]
