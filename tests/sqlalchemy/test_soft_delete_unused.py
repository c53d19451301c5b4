"""Where nothing is protected, the session is SQLAlchemy's: statements, counts, events and results are the same."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exists, func, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    joinedload,
    mapped_column,
    selectinload,
    subqueryload,
)

import holdfast.sqlalchemy
from tests.sqlalchemy.conftest import Shop
from tests.sqlalchemy.models import Customer, Line, Order, Tag
from tests.sqlalchemy.zoo import Book, Page, Review

EVENTS = (
    "after_attach",
    "after_begin",
    "after_bulk_delete",
    "after_bulk_update",
    "after_commit",
    "after_flush",
    "after_flush_postexec",
    "after_rollback",
    "before_commit",
    "before_flush",
    "deleted_to_detached",
    "deleted_to_persistent",
    "do_orm_execute",
    "loaded_as_persistent",
    "pending_to_persistent",
    "persistent_to_deleted",
    "persistent_to_transient",
    "transient_to_pending",
)


def reads(session: Session) -> list[Any]:
    other = aliased(Book)
    found: list[Any] = []
    for loading in (selectinload, joinedload, subqueryload):
        books = session.scalars(select(Book).options(loading(Book.pages)).order_by(Book.id)).unique().all()
        found += [(book.title, [page.number for page in book.pages]) for book in books]
        session.expire_all()
    for statement in (
        select(func.count()).select_from(Book),
        select(func.count(Page.id)).where(Page.book_id == Book.id),
        select(other.title).join(other.pages).where(Page.number > 1),
        select(Book.id).where(exists().where(Page.book_id == Book.id)),
        select(Book.id).where(Book.pages.any(Page.number == 2)),
        sa.union(select(Book.id), select(Page.id)).order_by("id"),
        select(select(Page).subquery().c.number),
        select(Book.__table__),
        sa.text("select title from books"),
        sa.lambda_stmt(lambda: select(Book.title)),
        select(Tag.id).order_by(Tag.id),
        select(Review.id).order_by(Review.id),
    ):
        found += [tuple(row) for row in session.execute(statement)]
    found.append([page.book.title for page in session.scalars(select(Page).order_by(Page.id))])
    found.append(session.get(Book, 9))
    return found


def writes(session: Session) -> list[Any]:
    book = Book(id=50, title="new", pages=[Page(id=51, number=1), Page(id=52, number=2)])
    session.add(book)
    session.flush()
    book.pages.pop()
    book.title = "newer"
    session.commit()
    counts = [
        session.execute(sa.update(Page).where(Page.number == 1).values(number=7)).rowcount,
        session.execute(sa.delete(Page).where(Page.number == 7)).rowcount,
        session.connection().execute(sa.delete(Page.__table__)).rowcount,
    ]
    session.execute(sa.insert(Page), [{"id": key, "book_id": book.id, "number": key} for key in (53, 54)])
    session.expire(book)
    with session.begin_nested():
        session.delete(book)
        session.flush()
    session.rollback()
    session.refresh(book)
    merged = session.merge(Book(id=book.id, title="merged"))
    session.delete(merged)
    session.flush()
    counted = session.scalar(select(func.count()).select_from(Page)), session.query(Book).count()
    session.rollback()
    session.execute(sa.delete(Page).where(Page.id > 50))
    session.execute(sa.delete(Book).where(Book.id == 50))
    session.commit()
    return [*counts, *counted]


def recorded(
    engine: sa.Engine, session: Session, scenario: Callable[[Session], Any], *, listening: bool = True
) -> list[Any]:
    """What was sent, how many rows it touched, what listeners were told, in its order, and what came back."""
    seen: list[Any] = []

    def sent(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        seen.append((" ".join(statement.split()), repr(parameters), many, cursor.rowcount))

    sa.event.listen(engine, "after_cursor_execute", sent)
    for name in EVENTS:
        if name == "do_orm_execute" and not listening:
            continue
        sa.event.listen(session, name, lambda *_, name=name: seen.append(name))
    with session:
        seen.append(scenario(session))
    sa.event.remove(engine, "after_cursor_execute", sent)
    return seen


@pytest.mark.parametrize("listening", [True, False], ids=["listening", "alone"])
@pytest.mark.parametrize("scenario", [reads, writes], ids=["reads", "writes"])
def test_a_session_over_models_that_are_not_protected(
    sync_shop: Shop, scenario: Callable[[Session], Any], listening: bool
) -> None:
    engine = sync_shop.engine()
    # Whatever is read once for an engine is read before.
    with Session(engine) as session:
        session.scalars(select(Order)).all()
    ours = recorded(engine, holdfast.sqlalchemy.Session(engine), scenario, listening=listening)
    theirs = recorded(engine, Session(engine), scenario, listening=listening)
    assert len(ours) > 20
    assert ours == theirs


def test_a_statement_about_them_is_sent_as_it_was_given(sync_shop: Shop) -> None:
    """Not even an option is added, so that SQLAlchemy's own cache serves both kinds of session."""
    given = select(Book).where(exists().where(Page.book_id == Book.id))
    passed: list[Any] = []
    with sync_shop.session() as session:
        sa.event.listen(session, "do_orm_execute", lambda state: passed.append(state.statement))
        session.scalars(given).all()
        session.scalars(select(Order)).all()
    assert passed[0] is given
    assert passed[1] is not given


def of_marked_rows(session: Session) -> list[Any]:
    other, inner = aliased(Order), select(Order).subquery()
    lines = select(Line).where(exists().where(Order.id == Line.order_id)).order_by(Line.id)
    found: list[Any] = []
    for statement in (
        select(Order.id).order_by(Order.id),
        select(other.id).join(other.customer).order_by(other.id),
        select(func.count()).select_from(inner),
        select(Customer.id).outerjoin(Customer.orders.of_type(other)).order_by(Customer.id),
        select(Book.id).where(exists().where(Order.id == Book.id)),
        select(Order.__table__.c.id).order_by(Order.__table__.c.id),
        select(Order.__table__.c.id).where(exists().where(Line.order_id == Order.__table__.c.id)),
        sa.union(select(Order.id), select(Line.id)).order_by("id"),
        sa.lambda_stmt(lambda: select(Order.id).order_by(Order.id)),
        select(Order.id).options(holdfast.sqlalchemy.include_deleted()).order_by(Order.id),
    ):
        found += [tuple(row) for row in session.execute(statement)]
    for loading in (selectinload, joinedload, subqueryload):
        orders = session.scalars(select(Order).options(loading(Order.lines)).order_by(Order.id)).unique()
        found += [(order.id, len(order.lines)) for order in orders]
        session.expire_all()
    for order in session.scalars(select(Order).order_by(Order.id).execution_options(yield_per=2)):
        session.refresh(order)
        found.append((order.id, len(order.lines)))
    found += [line.order_id for line in session.scalars(lines)]
    return [*found, session.query(Order).count(), session.scalar(select(func.max(Order.id)))]


def test_who_listens_to_the_session_changes_nothing_of_what_it_reads(sync_shop: Shop) -> None:
    """Without another listener SQLAlchemy is spared what it prepares for one."""
    engine = sync_shop.engine()
    with Session(engine) as session:
        session.scalars(select(Order)).all()
    alone = recorded(engine, holdfast.sqlalchemy.Session(engine), of_marked_rows, listening=False)
    beside = recorded(engine, holdfast.sqlalchemy.Session(engine), of_marked_rows)
    assert len(alone) > 20
    assert alone == [each for each in beside if each != "do_orm_execute"]


@contextmanager
def called(*packages: str) -> Iterator[list[str]]:
    """The functions of the packages that are called in the block."""
    roots = tuple(str(pathlib.Path(sys.modules[each].__file__ or "").parent) for each in packages)
    found: list[str] = []

    def calling(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(roots):
            found.append(frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(calling)
    try:
        yield found
    finally:
        sys.setprofile(before)


def test_what_uses_sqlalchemy_alone_never_comes_to_us() -> None:
    with called("holdfast") as ours:

        class Base(DeclarativeBase):
            pass

        class Note(Base):
            __tablename__ = "notes"

            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str]

        engine = sa.create_engine("sqlite://")
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([Note(text="one"), Note(text="two")])
            session.commit()
            first = session.scalars(select(Note).order_by(Note.id)).first()
            assert first is not None
            first.text = "other"
            session.flush()
            session.execute(sa.update(Note).values(text="all"))
            session.delete(first)
            session.commit()
        with engine.begin() as connection:
            assert connection.execute(sa.delete(Note.__table__)).rowcount == 1
        engine.dispose()
    assert ours == []


def test_what_a_plain_statement_beside_protected_models_comes_to(sync_shop: Shop) -> None:
    """For SQLAlchemy nobody listens to it, and the library looks it up once."""
    table, keys = Book.__table__, count(100)
    statements: list[tuple[Callable[[], Any], int]] = [
        (lambda: select(Book.id).where(Book.id == 1), 8),
        (lambda: select(table.c.id).where(table.c.id == 1), 8),
        (lambda: sa.text("select 1"), 8),
        (lambda: sa.insert(table).values(id=next(keys), title="new"), 13),
        (lambda: sa.update(table).where(table.c.id == -1).values(title="x"), 9),
        (lambda: sa.delete(table).where(table.c.id == -1), 12),
        (lambda: sa.update(Book).where(Book.id == -1).values(title="x"), 14),
        (lambda: sa.delete(Book).where(Book.id == -1), 14),
    ]
    with sync_shop.session() as session:
        connection = session.connection()
        for statement, most in statements:
            session.execute(statement())
            with called("holdfast", "sqlalchemy.orm") as calls:
                session.execute(statement())
            assert "ORMExecuteState.__init__" not in calls
            with called("holdfast") as ours:
                session.execute(statement())
            assert len(ours) <= most, ours
            with called("holdfast") as ours:
                connection.execute(statement())
            assert ours[0] == "mark_instead"
            assert len(ours) == (4 if isinstance(statement(), sa.Delete) else 1), ours
        session.rollback()
