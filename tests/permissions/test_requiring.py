"""``require`` in Python: no unless a role says yes, with and without a transaction."""

from __future__ import annotations

import asyncio
import inspect

import pytest
import sqlalchemy as sa

import holdfast
from holdfast.errors import PermissionDeniedError
from holdfast.permissions import acting, define_role, grant, require, requires
from holdfast.sqlalchemy.permissions import async_acting
from tests.permissions.conftest import Order, Shop, build

pytestmark = pytest.mark.copy_of(build=build)


@requires("order:delete")
def delete_order(number: int) -> str:
    return f"deleted {number}"


@requires("order:delete")
async def delete_order_later(number: int) -> str:
    await asyncio.sleep(0)
    return f"deleted {number}"


def test_a_block_knows_who_acts(shop: Shop) -> None:
    engine = shop.engine()
    with pytest.raises(PermissionDeniedError):
        delete_order(1)
    with holdfast.context(actor="ada"), acting(engine) as held:
        assert held.may("order:delete")
        assert delete_order(1) == "deleted 1"
        with requires("order:create"):
            require("order:update")
        with holdfast.context(actor="bob"), acting(engine):
            with pytest.raises(PermissionDeniedError, match="order:delete"):
                delete_order(1)
            with shop.session(engine) as session:
                # Within a transaction it is written down at the end of that.
                session.add(Order(id=9, status="new"))
                session.flush()
                with pytest.raises(PermissionDeniedError, match="note:delete"):
                    require("note:delete")
        assert delete_order(2) == "deleted 2"
    with pytest.raises(PermissionDeniedError):
        delete_order(1)
    assert sorted(shop.denied(), key=str) == [("bob", "note:delete"), ("bob", "order:delete")]
    assert shop.rows("select count(*) from orders") == [(2,)]


def test_a_block_learns_from_each_transaction(shop: Shop) -> None:
    engine = shop.engine()
    with holdfast.context(actor="bob"), acting(engine):
        with pytest.raises(PermissionDeniedError):
            require("order:delete")
        with shop.admin() as connection:
            grant(connection, "bob", "boss")
        with shop.session(engine) as session:
            session.execute(sa.text("delete from orders"))
            session.commit()
        require("order:delete")


def test_asynchronous_functions_stay_so(shop: Shop) -> None:
    assert inspect.iscoroutinefunction(delete_order_later)

    async def as_actor(name: str) -> str:
        with holdfast.context(actor=name):
            async with async_acting(engine):
                try:
                    return await delete_order_later(1)
                except PermissionDeniedError:
                    return "denied"

    async def scenario() -> list[str]:
        # Each task is its own actor, whatever the others are.
        answers = await asyncio.gather(*(as_actor(name) for name in ("ada", "bob", "eve", "ada")))
        await engine.dispose()
        return answers

    engine = shop.async_engine()
    with shop.admin() as connection:
        define_role(connection, "nothing", [])
    assert asyncio.run(scenario()) == ["deleted 1", "denied", "denied", "deleted 1"]
    assert sorted(shop.denied(), key=str) == [("bob", "order:delete"), ("eve", "order:delete")]
