"""N+1: found where it is, named by its line, and nothing else taken for it."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import ForeignKey, orm, select
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    immediateload,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
    sessionmaker,
    subqueryload,
)

from holdfast.sqlalchemy.loading import strict
from holdfast.sqlalchemy.n_plus_one import Detection, NPlusOneError, NPlusOneWarning, detect_n_plus_one


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str] = mapped_column(default="", deferred=True)
    lines: Mapped[list[Line]] = relationship(back_populates="order")


class Gift(Order):
    """Single-table inheritance: the relationship is its parent's."""


class Line(Base):
    __tablename__ = "lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    order: Mapped[Order] = relationship(back_populates="lines")
    parts: Mapped[list[Part]] = relationship(lazy="selectin")


class Part(Base):
    __tablename__ = "parts"

    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))


def fill(session: Session) -> None:
    for _ in range(5):
        session.add(Order(lines=[Line(parts=[Part()]), Line(parts=[Part()])]))
    session.commit()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'shop.db'}")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session
    assert list(Session(engine).dispatch.do_orm_execute) == [], "a listener was left"


def line_of(function: Callable[..., object], text: str) -> int:
    lines, start = inspect.getsourcelines(function)
    return next(start + offset for offset, line in enumerate(lines) if text in line)


def touch_lines(session: Session) -> None:
    for order in session.scalars(select(Order)):
        order.lines  # noqa: B018 - here


def test_a_relationship_that_is_loaded_once_for_each_parent(session: Session) -> None:
    with pytest.raises(NPlusOneError) as caught:
        with detect_n_plus_one():
            touch_lines(session)
    [found] = caught.value.found
    assert (found.what, found.kind, found.count) == ("Order.lines", "relationship", 5)
    assert (found.file, found.line, found.called_from) == (__file__, line_of(touch_lines, "- here"), None)
    assert caught.value.code == "HF631"
    assert f"Order.lines was loaded 5 times, one by one, at {__file__}:{found.line}." in str(caught.value)
    assert "selectinload(Order.lines)" in caught.value.hint


@pytest.mark.parametrize("option", [selectinload, joinedload, subqueryload])
def test_what_a_query_loads_eagerly_is_not_counted(session: Session, option: Callable[..., Any]) -> None:
    # In batches of two and down to the second level: several statements of the same kind from the same line.
    query = select(Order).options(option(Order.lines).selectinload(Line.parts))
    with detect_n_plus_one():
        for _ in range(3):
            session.expunge_all()
            for order in session.scalars(query).unique():
                assert [len(line.parts) for line in order.lines] == [1, 1]


@pytest.mark.skipif(sa.__version__ < "2.1", reason="yield_per with any listener (SQLAlchemy before 2.1 loses its way)")
def test_many_batches_of_one_query_are_not_counted(session: Session) -> None:
    with detect_n_plus_one():
        rows = session.scalars(select(Line).execution_options(yield_per=2))
        assert sum(len(line.parts) for line in rows) == 10


def test_immediateload_is_n_plus_one_at_the_query(session: Session) -> None:
    with detect_n_plus_one(action="collect") as detection:
        session.scalars(select(Order).options(immediateload(Order.lines))).all()  # immediate
    [found] = detection.found
    here = test_immediateload_is_n_plus_one_at_the_query
    assert (found.what, found.count, found.line) == ("Order.lines", 5, line_of(here, "# immediate"))


def test_the_other_direction_and_a_subclass(session: Session) -> None:
    with detect_n_plus_one(action="collect") as detection:
        assert {line.order.id for line in session.scalars(select(Line))} == {1, 2, 3, 4, 5}
        session.expunge_all()
        for gift in session.scalars(select(Gift)):
            assert len(gift.lines) == 2
    assert {(each.what, each.count) for each in detection.found} == {("Line.order", 5), ("Order.lines", 5)} or {
        (each.what, each.count) for each in detection.found
    } == {("Line.order", 5), ("Gift.lines", 5)}


def test_a_to_one_that_the_session_has_costs_nothing_and_is_not_counted(session: Session) -> None:
    orders = session.scalars(select(Order)).all()
    with detect_n_plus_one():
        assert {line.order for line in session.scalars(select(Line))} == set(orders)


def test_deferred_columns_and_columns_that_a_commit_expired(session: Session) -> None:
    orders = session.scalars(select(Order)).all()
    with detect_n_plus_one(action="collect") as detection:
        assert [order.note for order in orders] == [""] * 5
    assert [(each.what, each.kind, each.count) for each in detection.found] == [("Order", "columns", 5)]
    session.commit()
    with pytest.raises(NPlusOneError, match=r"Columns of Order were loaded 5 times") as caught, detect_n_plus_one():
        assert [order.id for order in orders] == [1, 2, 3, 4, 5]
    assert "expire_on_commit=False" in caught.value.hint


def test_the_same_line_in_other_sessions_is_something_else(engine: sa.Engine) -> None:
    def one(key: int) -> None:
        with Session(engine) as session:
            assert len(session.get_one(Order, key).lines) == 2

    with detect_n_plus_one():
        for key in (1, 2, 3):
            one(key)


def test_other_lines_are_counted_apart_and_below_the_threshold_is_nothing(session: Session) -> None:
    first, second = session.scalars(select(Order).limit(2))
    with detect_n_plus_one():
        assert first.lines
        assert second.lines
    session.expire_all()
    with detect_n_plus_one(threshold=6):
        touch_lines(session)
    session.expunge_all()
    with pytest.raises(NPlusOneError), detect_n_plus_one(threshold=5):
        touch_lines(session)
    with pytest.raises(ValueError, match="2 at least"), detect_n_plus_one(threshold=1):
        pass


def test_what_is_ignored_by_name(session: Session) -> None:
    with detect_n_plus_one(ignore={"Order.lines"}):
        touch_lines(session)


def test_a_warning_points_at_the_line(session: Session) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with detect_n_plus_one(action="warn"):
            touch_lines(session)
    [warning] = caught
    assert warning.category is NPlusOneWarning
    assert (warning.filename, warning.lineno) == (__file__, line_of(touch_lines, "- here"))


def test_the_blocks_own_error_is_not_hidden(session: Session) -> None:
    def fail() -> None:
        touch_lines(session)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), detect_n_plus_one():
        fail()


def test_blocks_nest_and_each_counts_what_is_in_it(session: Session) -> None:
    with detect_n_plus_one(action="collect") as outer:
        with detect_n_plus_one(action="collect") as inner:
            touch_lines(session)
        session.expunge_all()
        touch_lines(session)
    assert [each.count for each in inner.found] == [5]
    assert [each.count for each in outer.found] == [10]


def test_a_block_that_ended_counts_no_more(session: Session) -> None:
    with detect_n_plus_one(action="collect") as detection:
        pass
    touch_lines(session)
    assert detection.found == ()


def test_a_thread_counts_for_its_own_block_alone(engine: sa.Engine) -> None:
    ready, done = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)
    found: dict[str, int] = {}

    def work(name: str, times: int) -> None:
        with detect_n_plus_one(action="collect") as detection:
            ready.wait()
            for _ in range(times):
                with Session(engine) as session:
                    touch_lines(session)
            done.wait()
        found[name] = sum(each.count for each in detection.found)

    threads = [threading.Thread(target=work, args=each) for each in (("busy", 1), ("idle", 0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"busy": 5, "idle": 0}


def test_everywhere_is_in_other_threads_too(engine: sa.Engine) -> None:
    def work() -> None:
        with Session(engine) as session:
            touch_lines(session)

    everywhere, here = Detection(everywhere=True), Detection()
    with everywhere.listening(), here.listening():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert [each.count for each in everywhere.found] == [5]
    assert here.found == ()


@pytest.mark.parametrize("target", ["session", "class", "sessionmaker", "scoped", "engine"])
def test_a_target_is_watched_and_no_other(engine: sa.Engine, target: str) -> None:
    class Ours(Session):
        pass

    made = sessionmaker(engine)
    other = engine.execution_options(other=True)
    watched = {
        "session": lambda: (session := Session(engine), session),
        "class": lambda: (Ours, Ours(engine)),
        "sessionmaker": lambda: (made, made()),
        "scoped": lambda: (scoped := orm.scoped_session(made), scoped()),
        "engine": lambda: (other, Session(other)),
    }[target]
    listened, session = watched()
    with session, Session(engine) as stranger:
        with detect_n_plus_one(listened, action="collect") as detection:
            touch_lines(stranger)
        assert detection.found == ()
        with pytest.raises(NPlusOneError), detect_n_plus_one(listened):
            touch_lines(session)


def test_a_statement_that_one_line_sends_again_and_again(session: Session) -> None:
    def get_all() -> None:
        for key in range(1, 6):
            session.get(Order, key)  # get

    with detect_n_plus_one():
        get_all()
    session.expunge_all()
    with pytest.raises(NPlusOneError) as caught, detect_n_plus_one(statements=True):
        get_all()
    [found] = caught.value.found
    assert (found.kind, found.count, found.line) == ("statement", 5, line_of(get_all, "# get"))
    assert found.what.startswith("SELECT orders.id")


def test_a_library_in_between_is_named_with_who_called_it(session: Session, tmp_path: Path) -> None:
    serializer = tmp_path / "site-packages" / "serializer.py"
    serializer.parent.mkdir()
    serializer.write_text("def dump(orders):\n    return [len(order.lines) for order in orders]\n")
    names: dict[str, Callable[..., object]] = {"__name__": "serializer"}  # type: ignore[dict-item]
    exec(compile(serializer.read_text(), str(serializer), "exec"), names)
    with detect_n_plus_one(action="collect") as detection:
        names["dump"](session.scalars(select(Order)).all())  # dump
    [found] = detection.found
    here = line_of(test_a_library_in_between_is_named_with_who_called_it, "# dump")
    assert (found.file, found.line, found.called_from) == (str(serializer), 2, (__file__, here))
    assert f"{serializer}:2 (called from {__file__}:{here})" in str(found)


async def touch_awaiting(session: AsyncSession) -> None:
    for order in await session.scalars(select(Order)):
        await order.awaitable_attrs.lines  # awaited


async def touch_in_a_task(session: AsyncSession) -> None:
    await asyncio.create_task(touch_awaiting(session))


def test_asynchronous_sessions_are_named_by_the_line_that_awaits() -> None:
    async def main() -> dict[str, Detection]:
        engine = create_async_engine("sqlite+aiosqlite://", poolclass=sa.pool.StaticPool)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        made = async_sessionmaker(engine)
        found = {}
        async with made() as session:
            await session.run_sync(fill)
        async with made() as session:
            with detect_n_plus_one(action="collect") as found["awaited"]:
                await touch_awaiting(session)
        async with made() as session:
            with detect_n_plus_one(session, action="collect") as found["in a task"]:
                await touch_in_a_task(session)
        async with made() as session:
            with detect_n_plus_one(engine, action="collect") as found["run_sync"]:
                await session.run_sync(touch_lines)
        async with made() as session, made() as stranger:
            with detect_n_plus_one(session, action="collect") as found["a stranger's"]:
                await touch_awaiting(stranger)
        await engine.dispose()
        return found

    found = asyncio.run(main())
    awaited, here = line_of(touch_awaiting, "# awaited"), line_of(touch_lines, "- here")
    seen = {name: [(e.what, e.count, e.file, e.line) for e in each.found] for name, each in found.items()}
    assert seen == {
        "awaited": [("Order.lines", 5, __file__, awaited)],
        "in a task": [("Order.lines", 5, __file__, awaited)],
        "run_sync": [("Order.lines", 5, __file__, here)],
        "a stranger's": [],
    }


def test_concurrent_tasks_count_for_the_block_that_they_were_started_in(engine: sa.Engine) -> None:
    async def one(times: int) -> int:
        with detect_n_plus_one(action="collect") as detection:
            for _ in range(times):
                with Session(engine) as session:
                    for order in session.scalars(select(Order).limit(2)).all():
                        order.lines  # noqa: B018
                        await asyncio.sleep(0)
        return sum(each.count for each in detection.found)

    async def main() -> list[int]:
        return await asyncio.gather(one(1), one(0))

    assert asyncio.run(main()) == [2, 0]


def test_strict_names_what_was_not_loaded(session: Session) -> None:
    order = session.scalars(select(Order).options(strict(), selectinload(Order.lines)).limit(1)).one()
    assert len(order.lines) == 2
    assert order.lines[0].order is order
    with pytest.raises(sa.exc.InvalidRequestError, match=r"'Line\.parts' is not available"):
        order.lines[0].parts  # noqa: B018
    session.expunge_all()
    query = select(Order).options(strict(sql_only=False), selectinload(Order.lines))
    order = session.scalars(query.limit(1)).one()
    with pytest.raises(sa.exc.InvalidRequestError, match=r"'Line\.order'"):
        order.lines[0].order  # noqa: B018


def test_greenlet_is_not_needed(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "greenlet", raising=False)
    with pytest.raises(NPlusOneError, match=r"Order\.lines"), detect_n_plus_one():
        touch_lines(session)
