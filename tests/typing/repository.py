"""Checked by mypy, never run."""

from typing import assert_type

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdfast.sqlalchemy.async_repository import AsyncRepository
from holdfast.sqlalchemy.paging import OffsetPage, Page
from holdfast.sqlalchemy.repository import Repository


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


class Orders(Repository[Order]):
    filterable = ("status",)
    sortable = {"status"}  # noqa: RUF012

    def paid(self) -> list[Order]:
        return self.list({"status": "paid"}, limit=50)


class AsyncOrders(AsyncRepository[Order]):
    writable = ("status",)


def synchronous(session: Session) -> None:
    orders = Orders(session)
    assert_type(orders.get(1), Order | None)
    assert_type(orders.get_or_raise(1).status, str)
    assert_type(orders.one(Order.status == "paid"), Order)
    assert_type(orders.list(Order.id > 5, {"status__ne": "paid"}, limit="all", order_by="-status"), list[Order])
    assert_type(orders.paid(), list[Order])
    assert_type(orders.page(order_by=[Order.status.desc(), "status"]), Page[Order])
    assert_type(orders.numbered_page(number=2), OffsetPage[Order])
    assert_type(orders.count(), int)
    assert_type(orders.exists({"status": "paid"}), bool)
    assert_type(orders.create(status="new"), Order)
    assert_type(orders.create(Order(status="new")), Order)
    assert_type(orders.update(1, {Order.status: "paid"}, version=3), Order)
    assert_type(orders.restore(1), Order)
    assert_type(orders.upsert({"id": 1, "status": "x"}, on=["id"], update=["status"]), Order)
    assert_type(orders.delete_where({"status": "x"}), int)
    assert_type(Repository(session, Order).get(1), Order | None)
    assert_type(Repository[Order](session).get(1), Order | None)
    orders.list()  # type: ignore[call-arg]
    orders.list(limit=None)  # type: ignore[arg-type]
    orders.list("status", limit=5)  # type: ignore[arg-type]
    orders.get(1, rows="deleted")  # type: ignore[arg-type]


async def asynchronous(session: AsyncSession) -> None:
    orders = AsyncOrders(session)
    assert_type(await orders.get(1), Order | None)
    assert_type(await orders.list(Order.id > 5, limit=10), list[Order])
    assert_type(await orders.page(), Page[Order])
    assert_type(await orders.update(1, {"status": "paid"}), Order)
    assert_type(await AsyncRepository(session, Order).exists(), bool)
    AsyncOrders(Session())  # type: ignore[arg-type]
