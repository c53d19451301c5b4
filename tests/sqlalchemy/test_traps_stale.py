"""Writes that come too late, or that the database could not take: refused, and nothing else is lost with them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

import holdfast.sqlalchemy
from holdfast.errors import StaleVersionError
from holdfast.sqlalchemy import explained
from tests.sqlalchemy.conftest import Shop
from tests.sqlalchemy.models import Order, Tag


def changed_elsewhere(shop: Shop, note: str) -> None:
    with shop.session() as other:
        other.get_one(Order, 1).note = note
        other.commit()


def test_a_form_that_was_opened_before_cannot_be_saved_over_what_came_since(shop: Shop) -> None:
    """Whichever way it comes back: as a detached object, or as values set on the row that is read anew."""

    def scenario(session: Session) -> None:
        form = session.get_one(Order, 1)
        opened = form.version
        session.expunge(form)
        session.rollback()
        changed_elsewhere(shop, "theirs")
        form.note = "mine"
        for copy in (form, Order(id=1, version=opened, note="mine")):
            with pytest.raises(StaleVersionError) as caught:
                session.merge(copy)
            session.rollback()
            session.expunge_all()
            assert (caught.value.expected, caught.value.current) == (opened, opened + 1)
            assert caught.value.fields == {"note": ("live", "theirs", "mine")}
        session.add(form)
        with pytest.raises(StaleVersionError) as caught:
            session.commit()
        session.rollback()
        assert caught.value.fields == {"note": ("live", "theirs", "mine")}
        row = session.get_one(Order, 1, populate_existing=True)
        row.note, row.version = "mine", opened
        with pytest.raises(StaleVersionError), explained(session):
            session.commit()
        session.rollback()
        assert session.scalar(select(Order.note).where(Order.id == 1)) == "theirs"

    shop.run(scenario)


def test_an_update_of_many_rows_is_not_taken_for_somebody_elses(shop: Shop) -> None:
    """By condition and with RETURNING; what somebody else changed as well stays stale, and is not overwritten."""

    def scenario(session: Session) -> None:
        order, untouched = session.get_one(Order, 1), Order(id=11, note="a")
        session.add(untouched)
        session.commit()
        before = order.updated_at
        session.execute(update(Order).where(Order.id == 1).values(note="b"))
        assert (order.note, order.version, untouched.version) == ("b", 2, 1)
        assert order.updated_at > before
        order.note = "c"
        session.flush()
        changed = session.scalars(update(Order).where(Order.id == 1).values(status="paid").returning(Order)).one()
        assert (changed is order, order.status, order.version) == (True, "paid", 4)
        session.execute(update(Order).where(Order.id == 1).values(status="paid"))
        order.note = "d"
        session.commit()
        assert (order.version, untouched.version) == (5, 1)
        changed_elsewhere(shop, "theirs")
        session.execute(update(Order).where(Order.id == 1).values(status="sent"))
        order.note = "mine"
        with pytest.raises(StaleDataError):
            session.commit()
        session.rollback()

    shop.run(scenario, expire_on_commit=False)
    assert shop.rows("select note, status, version from orders where id = 1") == [("theirs", "paid", 6)]


def test_a_stale_write_to_what_was_deleted_meanwhile_says_so(shop: Shop) -> None:
    def scenario(session: Session) -> None:
        order = session.get_one(Order, 1)
        session.commit()
        with shop.session() as other:
            other.delete(other.get_one(Order, 1))
            other.commit()
        order.note = "mine"
        with pytest.raises(StaleVersionError) as caught:
            session.commit()
        session.rollback()
        base, theirs, _ = caught.value.fields["deleted_at"]
        assert base is None
        assert theirs is not None

    shop.run(scenario, expire_on_commit=False)


def test_a_commit_that_found_the_file_busy_leaves_nothing_to_the_next(sqlite_database: str) -> None:
    """SQLite keeps such a transaction open, and the next one on the connection would commit it."""
    engine = sa.create_engine(sqlite_database, poolclass=sa.pool.QueuePool)
    holdfast.sqlalchemy.bind(engine)
    sessions = sessionmaker(engine, class_=holdfast.sqlalchemy.Session)
    with engine.begin() as connection:
        Tag.__table__.create(connection)
    with engine.connect() as reader, sessions() as session:
        assert reader.execute(select(Tag.__table__)).all() == []
        session.execute(sa.text("pragma busy_timeout = 0"))
        session.add(Tag(id=1, name="reported as lost"))
        with pytest.raises(OperationalError, match="locked"):
            session.commit()
        session.close()
        reader.rollback()
        session.add(Tag(id=2, name="next"))
        session.commit()
        assert session.scalars(select(Tag.id)).all() == [2]
    engine.dispose()
