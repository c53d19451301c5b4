"""Whatever the ORM writes is in the journal, by its verb and with who did it; and the ORM's own events are heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import delete, event, insert, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

import holdfast
import holdfast.sqlalchemy
from holdfast.sqlalchemy import hard_delete, restore
from tests.harness import Protected
from tests.sqlalchemy.conftest import Shop
from tests.sqlalchemy.models import Order


def recorded(shop: Shop, table: str) -> list[tuple[Any, str, str | None]]:
    """Since the shop was filled."""
    url = shop.url.render_as_string(hide_password=False)
    changes = Protected(url).log(table)
    return [(each.key, each.operation, each.actor) for each in changes if each.actor is not None]


def test_every_path_of_the_orm_is_recorded_by_its_verb_with_key_and_actor(shop: Shop) -> None:
    def scenario(session: Session) -> None:
        made = Order(id=11, note="a")
        session.add_all([made, Order(id=12)])
        session.flush()
        session.execute(insert(Order), [{"id": 13}, {"id": 14}])
        session.bulk_save_objects([Order(id=15)])
        made.note = "b"
        session.flush()
        session.execute(update(Order).where(Order.id.in_([12, 13])).values(note="c"))
        session.delete(made)
        session.flush()
        session.execute(delete(Order).where(Order.id.in_([14, 15])))
        restore(session, Order, 11)
        hard_delete(session, session.get_one(Order, 12))
        session.commit()

    with holdfast.context(actor="ada"):
        shop.run(scenario)
    assert recorded(shop, "orders") == [
        *((key, "insert", "ada") for key in (11, 12, 13, 14, 15)),
        *((key, "update", "ada") for key in (11, 12, 13)),
        *((key, "delete", "ada") for key in (11, 14, 15)),
        (11, "restore", "ada"),
        (12, "delete", "ada"),
    ]


def test_what_is_not_committed_is_not_recorded(sync_shop: Shop) -> None:
    def scenario(session: Session) -> None:
        session.add(Order(id=11))
        session.flush()
        session.rollback()

    with holdfast.context(actor="ada"):
        sync_shop.run(scenario)
    assert recorded(sync_shop, "orders") == []


def test_requests_side_by_side_keep_their_actor_and_leave_none_behind(async_shop: Shop) -> None:
    """Two connections serve six requests, one of which fails and one is cancelled; then comes one of nobody's."""
    is_sqlite = async_shop.url.get_backend_name() == "sqlite"

    async def main() -> None:
        engine = create_async_engine(async_shop.url, pool_size=1 if is_sqlite else 2, max_overflow=0)
        holdfast.sqlalchemy.bind(engine)
        written = asyncio.Event()

        async def request(key: int) -> None:
            with holdfast.context(actor=f"request {key}"):
                async with holdfast.sqlalchemy.AsyncSession(engine) as session:
                    session.add(Order(id=key))
                    await session.flush()
                    if key == 13:
                        raise RuntimeError("failed")
                    if key == 14:
                        written.set()
                        await asyncio.Event().wait()
                    await session.commit()

        tasks = {key: asyncio.create_task(request(key)) for key in range(11, 17)}
        await written.wait()
        tasks[14].cancel()
        ended = await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert [type(each) for each in ended if each] == [RuntimeError, asyncio.CancelledError]
        async with holdfast.sqlalchemy.AsyncSession(engine) as session:
            session.add(Order(id=17))
            await session.commit()
        await engine.dispose()

    asyncio.run(main())
    assert sorted(recorded(async_shop, "orders")) == [(key, "insert", f"request {key}") for key in (11, 12, 15, 16)]
    assert async_shop.rows("select count(*) from orders where id = 17") == [(1,)]


def test_what_the_mapper_listens_to_is_heard(sync_shop: Shop) -> None:
    """A delete that becomes a mark is a delete for the ORM, and an update is an update."""
    heard: list[str] = []
    listeners: list[tuple[str, Callable[..., None]]] = []
    for name in ("before_update", "after_update", "before_delete", "after_delete"):

        def listener(_mapper: Any, _connection: Any, target: Order, name: str = name) -> None:
            heard.append(f"{name} {target.id}")

        event.listen(Order, name, listener)
        listeners.append((name, listener))

    def scenario(session: Session) -> None:
        order = session.get_one(Order, 1)
        order.note = "b"
        session.flush()
        session.delete(order)
        session.flush()
        assert sa.inspect(order).deleted

    try:
        sync_shop.run(scenario)
    finally:
        for name, listener in listeners:
            event.remove(Order, name, listener)
    assert heard == ["before_update 1", "after_update 1", "before_delete 1", "after_delete 1"]
