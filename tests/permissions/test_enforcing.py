"""A write without its permission is refused on every path, and that is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

import holdfast
from holdfast.errors import HoldfastError, PermissionDeniedError, UnsupportedError
from holdfast.permissions import held_by, require
from holdfast.sqlalchemy import explained
from holdfast.sqlalchemy.permissions import async_require
from tests.permissions.conftest import Note, Order, Shop, build

pytestmark = pytest.mark.copy_of(build=build)
Session = holdfast.sqlalchemy.Session


def flush(session: Session) -> None:
    session.delete(session.get_one(Order, 1))
    session.flush()


def bulk(session: Session) -> None:
    session.execute(sa.delete(Order).where(Order.id == 1))


def core(session: Session) -> None:
    session.execute(sa.delete(Order.__table__).where(Order.id == 1))  # type: ignore[arg-type]


def on_the_connection(session: Session) -> None:
    session.connection().execute(sa.delete(Order.__table__).where(Order.id == 1))  # type: ignore[arg-type]


def within_a_cte(session: Session) -> None:
    gone = sa.delete(Order).where(Order.id == 1).returning(Order.id).cte("gone")
    session.execute(sa.select(gone.c.id))


def text(session: Session) -> None:
    session.execute(sa.text("delete from orders where id = 1"))


def test_a_delete_on_every_path(shop: Shop) -> None:
    engine = shop.engine()
    ways = [flush, bulk, core, on_the_connection, text]
    if shop.is_postgresql:
        # SQLite writes in no CTE.
        ways.append(within_a_cte)
    strangers = ("bob", "eve", "cyd", None)
    for delete in ways:
        for actor in strangers:
            with holdfast.context(actor=actor, reason="tidying"), shop.session(engine) as session:
                with pytest.raises(PermissionDeniedError, match=r"HF485.*order:delete") as told, explained(session):
                    delete(session)
                assert told.value.permission == "order:delete"
        with holdfast.context(actor="ada"), shop.session(engine) as session:
            delete(session)
            assert session.scalar(sa.text("select count(*) from orders")) == 1
    assert shop.rows("select id from orders order by id") == [(1,), (2,)]
    assert shop.denied() == [(actor, "order:delete") for _ in ways for actor in strangers]


def test_inserts_updates_and_upserts(shop: Shop) -> None:
    engine = shop.engine()
    with shop.admin() as connection:
        holdfast.permissions.define_role(connection, "writer", ["order:create"])
        holdfast.permissions.grant(connection, "wil", "writer")
    insert = "insert into orders (id, status) values (7, 'new')"
    upsert = f"{insert} on conflict (id) do update set status = 'again'"
    update = "update orders set status = 'paid'"
    with holdfast.context(actor="wil"):
        with shop.session(engine) as session:
            session.add(Order(id=6, status="new"))
            session.execute(sa.text(insert))
            session.commit()
        for statement in (update, upsert):
            with shop.session(engine) as session, pytest.raises(PermissionDeniedError), explained(session):
                session.execute(sa.text(statement))
        with shop.session(engine) as session:
            session.get_one(Order, 1).status = "paid"
            with pytest.raises(PermissionDeniedError):
                session.flush()
        with shop.session(engine) as session, pytest.raises(PermissionDeniedError):
            session.execute(sa.update(Order), [{"id": 1, "status": "paid"}])
    with holdfast.context(actor="bob"), shop.session(engine) as session:
        session.execute(sa.text(upsert))
        session.execute(sa.update(Order).where(Order.id == 1).values(status="paid"))
        session.commit()
    assert shop.rows("select id, status from orders order by id") == [
        (1, "paid"), (2, "new"), (6, "new"), (7, "again")
    ]  # fmt: skip


def test_a_mark_is_a_delete_however_it_is_written(shop: Shop) -> None:
    engine = shop.engine()
    mark = "update notes set deleted_at = current_timestamp where id = 1"

    def by_the_orm(session: Session) -> None:
        session.delete(session.get_one(Note, 1))
        session.flush()

    def by_hand(session: Session) -> None:
        session.execute(sa.update(Note).where(Note.id == 1).values(deleted_at=sa.func.current_timestamp()))

    ways: list[Callable[[Session], object]] = [
        by_the_orm, by_hand, lambda session: session.execute(sa.text(mark)),
        lambda session: session.execute(sa.text("delete from notes where id = 1")),
    ]  # fmt: skip
    for way in ways:
        with holdfast.context(actor="bob"), shop.session(engine) as session:
            session.get_one(Note, 2).text += "!"
            session.commit()
            with pytest.raises(PermissionDeniedError, match="note:delete"), explained(session):
                way(session)
    with shop.admin() as connection:
        holdfast.permissions.define_role(connection, "remover", ["note:delete"])
        holdfast.permissions.grant(connection, "rae", "remover")
    for way in ways:
        with holdfast.context(actor="rae"), shop.session(engine) as session:
            way(session)
            assert session.scalar(sa.text("select count(*) from notes where deleted_at is not null")) == 1
            session.rollback()
            with pytest.raises(PermissionDeniedError, match="note:update"), explained(session):
                session.execute(sa.text("update notes set text = 'mine' where id = 2"))
    assert shop.rows("select text from notes order by id") == [("one",), ("two!!!!",)]


def test_what_a_transaction_holds_is_what_was_so_when_it_began(shop: Shop) -> None:
    engine = shop.engine()
    with holdfast.context(actor="ada", scopes=["order:*", "openid"]), shop.session(engine) as session:
        held = held_by(session.connection())
        assert held.patterns == {"order:create", "order:update", "order:delete"}
        assert not held.may("note:delete")
        require("order:delete", session)
        if shop.is_postgresql:
            # Elsewhere whoever writes waits for whoever writes.
            with shop.admin() as connection:
                assert holdfast.permissions.revoke(connection, "ada", "boss")
        require("order:delete", session)
        session.execute(sa.text("delete from orders where id = 1"))
        session.commit()
        if not shop.is_postgresql:
            with shop.admin() as connection:
                assert holdfast.permissions.revoke(connection, "ada", "boss")
        with pytest.raises(PermissionDeniedError):
            require("order:delete", session)
        # Nothing was written, so the transaction goes on; the record is committed with it.
        session.commit()
    assert shop.denied() == [("ada", "order:delete")]


def test_scopes_narrow_in_the_database_too(shop: Shop) -> None:
    engine = shop.engine()
    for scopes, allowed in (
        (["order:delete"], True), (["order:*"], True), ("openid order:delete", True), (["*"], True), ([], False),
        (["note:*"], False), (["x *"], False),
    ):  # fmt: skip
        with holdfast.context(actor="ada", scopes=scopes), shop.session(engine) as session:
            if not allowed:
                with pytest.raises(PermissionDeniedError), explained(session):
                    session.execute(sa.text("delete from orders"))
            else:
                session.execute(sa.text("delete from orders"))
            session.rollback()
    # A scope grants nothing that the roles do not.
    with holdfast.context(actor="bob", scopes=["*"]), shop.session(engine) as session:
        with pytest.raises(PermissionDeniedError), explained(session):
            session.execute(sa.text("delete from orders"))


def test_an_engine_that_carries_nothing_may_nothing(shop: Shop) -> None:
    engine = sa.create_engine(shop.engine().url)
    holdfast.sqlalchemy.bind(engine)
    with holdfast.context(actor="ada"), Session(engine) as session:
        with pytest.raises(UnsupportedError, match="HF488"):
            require("order:delete", session)
        with pytest.raises(HoldfastError, match="HF485"), explained(session):
            session.execute(sa.text("delete from orders"))
    engine.dispose()


def test_asynchronously(shop: Shop) -> None:
    async def scenario() -> None:
        engine = shop.async_engine()
        with holdfast.context(actor="bob"):
            async with holdfast.sqlalchemy.AsyncSession(engine) as session:
                await delete(session)
        with holdfast.context(actor="ada"):
            async with AsyncSession(engine) as session:
                await async_require("order:delete", session)
                await session.execute(sa.text("delete from orders where id = 1"))
                await session.commit()
        await engine.dispose()

    async def delete(session: AsyncSession) -> None:
        await session.delete(await session.get_one(Order, 1))
        with pytest.raises(PermissionDeniedError):
            await session.commit()
        await session.rollback()
        with pytest.raises(PermissionDeniedError), explained(session):
            await session.execute(sa.text("delete from orders"))
        await session.rollback()
        with pytest.raises(PermissionDeniedError):
            await async_require("order:delete", session)

    asyncio.run(scenario())
    assert shop.rows("select id from orders") == [(2,)]
    assert shop.denied() == [("bob", "order:delete")] * 3
