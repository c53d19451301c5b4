"""An engine at the address of one that is gone: what was said of that one is not said of it.

SQLAlchemy knows by the address whether somebody listens to an engine, as long as anything of the engine is still held:
its dialect, what it dispatches to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.pool import NullPool

import holdfast
from holdfast import errors
from holdfast.sqlalchemy import bind
from holdfast.sqlalchemy.scopes import session_scope
from holdfast.sqlalchemy.tenancy import keep_to_one_tenant
from holdfast.sqlalchemy.tenancy.switching import bind_tenant

T = TypeVar("T")


def at_the_address_of_another(make: Callable[[], T], used: Callable[[T], Any], held: list[Any]) -> T:
    """``used`` uses one, and gives what is to be held of it when it is gone."""
    addresses = set()
    for _ in range(1000):
        made = make()
        if id(made) in addresses:
            return made
        addresses.add(id(made))
        held.append(used(made))
        del made
    pytest.fail("no address was used again")


@pytest.fixture
def held() -> list[Any]:
    return []


def test_it_is_bound_when_it_is_bound(held: list[Any]) -> None:
    def used(engine: sa.Engine) -> Any:
        bind(engine)
        return engine.dispatch

    engine = at_the_address_of_another(lambda: sa.create_engine("sqlite://"), used, held)
    bind(engine)
    with holdfast.context(actor="ada"), pytest.raises(errors.UnsupportedError, match="HF303"), engine.begin():
        pass
    engine.dispose()


def test_what_failed_does_not_pass_for_a_commit(postgresql_database: str, held: list[Any]) -> None:
    def fail(engine: sa.Engine) -> Any:
        with session_scope(orm.sessionmaker(engine)) as session, pytest.raises(sa.exc.ProgrammingError):
            session.execute(sa.text("select nothing"))
        return engine.dialect

    def used(engine: sa.Engine) -> Any:
        with pytest.raises(errors.AbortedError):
            fail(engine)
        return engine.dialect

    def make() -> sa.Engine:
        return sa.create_engine(postgresql_database, poolclass=NullPool)

    engine = at_the_address_of_another(make, used, held)
    used(engine)


def test_sessions_are_kept_to_one_tenant(held: list[Any]) -> None:
    def used(maker: orm.sessionmaker[orm.Session]) -> Any:
        keep_to_one_tenant(maker)
        return maker.class_

    maker = at_the_address_of_another(orm.sessionmaker, used, held)
    keep_to_one_tenant(maker)
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, maker(bind=connection) as session:
        bind_tenant(connection, "acme")
        session.execute(sa.text("select 1"))
        session.rollback()
        bind_tenant(connection, "other")
        with pytest.raises(errors.TenantError, match="HF203"):
            session.execute(sa.text("select 1"))
    engine.dispose()


def test_to_bind_twice_is_to_bind_once(sqlite_database: str) -> None:
    engine = sa.create_engine(sqlite_database, poolclass=NullPool)
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    for each in (engine, engine, engine.execution_options(read_only=True)):
        bind(each)
    with engine.execution_options(schema_translate_map={}).begin():
        assert sent == ["begin"]
