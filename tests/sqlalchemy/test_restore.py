"""What a delete took along comes back with it, and nothing else; a hard delete says so first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, delete, inspect, select, text
from sqlalchemy.orm import Session, sessionmaker

import holdfast
import holdfast.sqlalchemy
from holdfast.errors import NotFoundError, ProtectedError, UnsupportedError
from holdfast.sqlalchemy import explained, hard_delete, include_deleted, restore
from tests.harness import Protected
from tests.sqlalchemy.conftest import installed
from tests.sqlalchemy.models import Customer, Line, Node, Order, Parcel, Tag

pytestmark = pytest.mark.copy_of(build=installed)
Sessions = sessionmaker[holdfast.sqlalchemy.Session]


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = create_engine(database)
    holdfast.sqlalchemy.bind(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    return sessionmaker(engine, class_=holdfast.sqlalchemy.Session)


def order(session: Session) -> Order:
    """With three lines, of which one was deleted before, two parcels and two tags, of which one was taken off."""
    made = Order(
        customer=Customer(name="Ada"),
        lines=[Line(sku="a"), Line(sku="b"), Line(sku="c")],
        parcels=[Parcel(), Parcel()],
        tags=[Tag(name="red"), Tag(name="blue")],
    )
    session.add(made)
    session.commit()
    made.lines.pop(0)
    made.tags.pop(0)
    session.commit()
    return made


def test_a_restore_brings_back_exactly_what_the_delete_took(sessions: Sessions) -> None:
    with sessions() as session:
        made = order(session)
        number = made.id
        session.delete(made)
        session.commit()
        assert session.get(Order, number) is None
        assert session.scalars(select(Line)).all() == []
        back = restore(session, Order, number)
        session.commit()
        assert back.id == number
        assert back.deleted_at is None
        assert [line.sku for line in back.lines] == ["b", "c"]
        assert len(back.parcels) == 2
        assert [tag.name for tag in back.tags] == ["blue"]


def test_what_one_flush_deletes_carries_one_mark_and_two_flushes_two(sessions: Sessions) -> None:
    with sessions() as session:
        first, second = Order(parcels=[Parcel()]), Order(parcels=[Parcel()])
        session.add_all([first, second])
        session.commit()
        first_parcel = first.parcels[0].id
        session.delete(first.parcels[0])
        session.flush()
        session.expire(first, ["parcels"])
        with session.no_autoflush:
            session.delete(first)
            session.delete(second)
        session.commit()
        dead = session.scalars(select(Parcel).options(include_deleted()).order_by(Parcel.id)).all()
        orders = session.scalars(select(Order).options(include_deleted())).all()
        assert orders[0].deleted_at == orders[1].deleted_at
        assert {parcel.id: parcel.deleted_at == orders[0].deleted_at for parcel in dead} == {
            parcel.id: parcel.id != first_parcel for parcel in dead
        }


def test_a_restore_goes_down_the_whole_tree(sessions: Sessions) -> None:
    with sessions() as session:
        root = Node(name="root", children=[Node(name="child", children=[Node(name="leaf"), Node(name="gone")])])
        session.add(root)
        session.commit()
        session.delete(root.children[0].children[1])
        session.commit()
        session.delete(root)
        session.commit()
        back = restore(session, root)
        assert [node.name for node in back.children[0].children] == ["leaf"]


def test_a_restore_of_what_lives_changes_nothing(sessions: Sessions) -> None:
    with sessions() as session:
        made = Order()
        session.add(made)
        session.commit()
        version = made.version
        assert restore(session, made).version == version


def test_a_restore_under_a_dead_parent_is_refused(sessions: Sessions) -> None:
    with sessions() as session:
        made = order(session)
        line = made.lines[0].id
        session.delete(made)
        session.commit()
        with pytest.raises(ProtectedError, match="HF201"), explained(session):
            restore(session, Line, line)
        session.rollback()
        assert session.get(Line, line) is None


def test_what_cannot_be_restored_is_said(sessions: Sessions) -> None:
    with sessions() as session:
        with pytest.raises(NotFoundError, match="HF622: There is no Order with key 99"):
            restore(session, Order, 99)
        with pytest.raises(UnsupportedError, match="HF412: Tag is not soft-deleted"):
            restore(session, Tag, 1)


def test_a_hard_delete_takes_the_rows_and_leaves_the_journal(sessions: Sessions, database: str) -> None:
    with holdfast.context(actor="ann"), sessions() as session:
        made = order(session)
        number = made.id
        hard_delete(session, made)
        session.commit()
        rows = session.execute(text("select count(*) from orders union all select count(*) from parcels")).scalars()
        assert list(rows) == [0, 0]
    changes = Protected(database).log(table="orders", operation="delete")
    assert [(change.key, change.actor, (change.before or {})["id"]) for change in changes] == [(number, "ann", number)]


def test_a_hard_delete_can_be_undone(sessions: Sessions, database: str) -> None:
    with sessions() as session:
        made = order(session)
        number = made.id
        hard_delete(session, made)
        session.commit()
    protected = Protected(database)
    # On SQLite, without a context, what a flush deletes is told apart from what came before it by the delete itself.
    with holdfast.context(actor="ann"), sessions() as session:
        assert session.get(Order, number) is None
    transactions = {change.transaction for change in protected.log(table="orders", operation="delete")}
    for transaction in transactions:
        protected.undo(transaction)
    with sessions() as session:
        assert session.get_one(Order, number).id == number


def test_only_the_block_deletes_for_good(sessions: Sessions) -> None:
    with sessions() as session:
        first, second = Order(note="first"), Order(note="second")
        session.add_all([first, second])
        session.commit()
        kept = second.id
        hard_delete(session, first)
        session.delete(second)
        session.flush()
        assert session.execute(delete(Order).where(Order.id == kept)).rowcount == 0  # type: ignore[attr-defined]
        session.execute(text("delete from lines"))
        session.commit()
        assert session.scalars(select(Order.note).options(include_deleted(Order))).all() == ["second"]


def test_pending_changes_of_others_are_not_part_of_a_hard_delete(sessions: Sessions) -> None:
    with sessions() as session:
        first, second = Order(note="first"), Order(note="second")
        session.add_all([first, second])
        session.commit()
        kept = second.id
        session.delete(second)
        hard_delete(session, first)
        session.commit()
        assert inspect(second).detached
        found = session.get(Order, kept, options=[include_deleted()])
        assert found is not None
        assert found.deleted_at is not None
