"""Where nothing is protected, the session is SQLAlchemy's: statements, counts, events and results are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased, joinedload, selectinload, subqueryload

import holdfast.sqlalchemy
from tests.sqlalchemy.conftest import Shop
from tests.sqlalchemy.models import Order, Tag
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


def recorded(engine: sa.Engine, session: Session, scenario: Callable[[Session], Any]) -> list[Any]:
    """What was sent, how many rows it touched, what listeners were told, in its order, and what came back."""
    seen: list[Any] = []

    def sent(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        seen.append((" ".join(statement.split()), repr(parameters), many, cursor.rowcount))

    sa.event.listen(engine, "after_cursor_execute", sent)
    for name in EVENTS:
        sa.event.listen(session, name, lambda *_, name=name: seen.append(name))
    with session:
        seen.append(scenario(session))
    sa.event.remove(engine, "after_cursor_execute", sent)
    return seen


@pytest.mark.parametrize("scenario", [reads, writes], ids=["reads", "writes"])
def test_a_session_over_models_that_are_not_protected(sync_shop: Shop, scenario: Callable[[Session], Any]) -> None:
    engine = sync_shop.engine()
    # Whatever is read once for an engine is read before.
    with Session(engine) as session:
        session.scalars(select(Order)).all()
    ours = recorded(engine, holdfast.sqlalchemy.Session(engine), scenario)
    theirs = recorded(engine, Session(engine), scenario)
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
