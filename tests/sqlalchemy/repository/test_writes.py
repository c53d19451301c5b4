"""Writing one row through the repository: exactly what is given, in one statement."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import sessionmaker

import holdfast.sqlalchemy
from holdfast.dialects import dialect_for
from holdfast.errors import ForeignKeyError, InvalidWriteError, NotFoundError, StaleVersionError, UniqueError
from holdfast.sqlalchemy.repository import Repository
from tests.sqlalchemy.warehouse import Depot, Item, Items, Label, sent

Session = holdfast.sqlalchemy.Session


def stamps_later(engine: Engine) -> bool:
    """Whether times and version are known only after the statement, so that it takes one more to read them."""
    return not dialect_for(engine.dialect.name).features.stamps_before_write


def test_an_update_is_one_statement_and_gives_the_fresh_row(engine: Engine, session: Session) -> None:
    items = Items(session)
    known = items.get_or_raise(1, load="labels")
    before = known.updated_at
    for item_id in (1, 2):
        with sent(engine) as statements:
            item = items.update(item_id, {"name": "new", "price": Decimal("1.10")})
            assert (item.name, item.price, item.version) == ("new", Decimal("1.10"), 2)
        assert len(statements) == 1 + stamps_later(engine), statements
        assert "RETURNING" in statements[0]
    assert items.get(1) is known
    assert known.updated_at > before
    with sent(engine) as statements:
        assert [label.text for label in known.labels] == ["x"], "what was loaded stays loaded"
    assert statements == []


def test_an_update_sets_exactly_what_is_given(session: Session) -> None:
    item = Items(session).update(1, {"name": None})

    assert (item.name, item.count, item.price, item.depot_id) == (None, 3, Decimal("9.50"), 1)
    session.commit()
    session.expunge_all()
    stored = session.get_one(Item, 1)
    assert (stored.name, stored.count, stored.secret) == (None, 3, "hash")


def test_nothing_to_set_is_no_success_for_a_row_that_is_not_there(engine: Engine, session: Session) -> None:
    items = Items(session)

    assert items.update(1, {}).version == 1
    for key in (99, 4):
        with pytest.raises(NotFoundError, match="HF622"):
            items.update(key, {})
        with pytest.raises(NotFoundError, match="HF622"):
            items.update(key, {"name": "x"})
        with pytest.raises(NotFoundError, match="HF622"):
            items.update(key, {"name": "x"}, version=1)
    with pytest.raises(StaleVersionError):
        items.update(1, {}, version=7)


def test_a_stale_version_is_refused_and_says_what_differs(engine: Engine, session: Session) -> None:
    items = Items(session)
    with sessionmaker(engine, class_=Session)() as other:
        Items(other).update(1, {"name": "theirs"})
        other.commit()

    with pytest.raises(StaleVersionError) as raised:
        items.update(1, {"name": "mine"}, version=1)

    assert (raised.value.expected, raised.value.current) == (1, 2)
    assert raised.value.fields["name"] == ("Anvil", "theirs", "mine")
    with pytest.raises(StaleVersionError):
        items.delete(1, version=1)
    assert items.get_or_raise(1).name == "theirs"
    assert items.update(1, {"name": "mine"}, version=2).version == 3
    # Ahead of the row is no better than behind it.
    with pytest.raises(StaleVersionError):
        items.update(1, {"name": "mine"}, version=4)


def test_an_expression_counts_in_the_database(session: Session) -> None:
    items = Items(session)
    items.get(1)

    assert items.update(1, {Item.count: Item.count - 1}).count == 2
    assert items.update(1, {"count": Item.count - 1}).count == 1


def test_only_declared_fields_are_written(session: Session) -> None:
    items = Items(session)

    for name in ("secret", "nosuch", "labels", "__class__"):
        with pytest.raises(InvalidWriteError, match="HF625"):
            items.update(1, {name: "x"})
        with pytest.raises(InvalidWriteError, match="HF625"):
            items.create(sku="x", **{name: "x"})
        with pytest.raises(InvalidWriteError, match="HF625"):
            items.update_where({"id": 1}, values={name: "x"})
    for name in ("version", "updated_at", "deleted_at"):
        with pytest.raises(InvalidWriteError, match=r"HF625.*the database does"):
            items.update(1, {name: 1})
    with pytest.raises(InvalidWriteError, match="key of a row is not changed"):
        items.update(1, {Item.id: 9})
    with pytest.raises(InvalidWriteError, match="HF625"):
        items.update(1, {Label.text: "x"})
    assert items.update(1, {Item.secret: "code may"}).secret == "code may"


def test_what_was_pending_is_not_lost(session: Session) -> None:
    items = Items(session)
    with session.no_autoflush:
        item = items.get_or_raise(1)
        item.price = Decimal(3)

        items.update(1, {"name": "b"})

    assert (item.price, item.name) == (Decimal(3), "b")
    session.commit()
    assert session.scalars(select(Item.price).where(Item.id == 1)).one() == Decimal(3)


def test_a_parent_that_changed_is_not_the_old_one(session: Session) -> None:
    session.add(Depot(id=2, name="south"))
    items = Items(session)
    item = items.get_or_raise(1, load="depot")

    items.update(1, {"depot_id": 2})

    assert item.depot is not None
    assert item.depot.name == "south"


def test_a_row_is_created_in_one_statement_and_knows_what_the_database_set(engine: Engine, session: Session) -> None:
    items = Items(session)
    with sent(engine) as statements:
        item = items.create(sku="e", count=1)
        assert (item.version, item.created_at.tzinfo is not None, item.id is not None) == (1, True, True)
    assert len(statements) == 1 + stamps_later(engine)
    assert items.create({"sku": "f"}, name="both").name == "both"
    assert items.create(Item(sku="g", secret="s")).secret == "s"
    with pytest.raises(InvalidWriteError):
        items.create(Depot(name="x"))  # type: ignore[arg-type]
    with pytest.raises(InvalidWriteError):
        items.create(Item(sku="h"), name="x")


def test_nothing_is_committed(engine: Engine, session: Session) -> None:
    items = Items(session)
    items.create(sku="e")
    items.update(1, {"name": "x"})
    items.delete(2)
    items.delete_where({"id": 3})
    items.update_many([{"id": 1, "count": 99}])

    session.rollback()

    assert [(item.id, item.name, item.count) for item in items.list(limit="all")] == [
        (1, "Anvil", 3),
        (2, None, 5),
        (3, "Cog", 5),
    ]


def test_a_delete_marks_and_a_restore_brings_back(session: Session) -> None:
    items = Items(session)

    items.delete(2, version=1)
    session.commit()

    assert items.get(2) is None
    assert session.scalars(select(Label.text)).all() == ["x"]
    with pytest.raises(NotFoundError):
        items.delete(2)
    assert [label.text for label in items.restore(2).labels] == ["y", "z"]
    session.commit()
    assert items.get(2) is not None


def test_a_hard_delete_is_said(session: Session) -> None:
    items = Items(session)

    items.delete(4, hard=True)
    items.delete(1, hard=True)
    session.commit()

    assert session.scalars(text("select id from items order by id")).all() == [2, 3]
    with pytest.raises(NotFoundError):
        items.delete(4, hard=True)
    with pytest.raises(NotFoundError):
        items.restore(4)


def test_a_constraint_is_explained(session: Session) -> None:
    depots = Repository(session, Depot)
    with pytest.raises(UniqueError, match="HF601"), session.begin_nested():
        depots.create(Depot(name="north"))
    depots.create(Depot(name="south", id=20))
    with pytest.raises(UniqueError), session.begin_nested():
        depots.update(20, {Depot.name: "north"})
    with pytest.raises(ForeignKeyError), session.begin_nested():
        Items(session).update(1, {"depot_id": 77})
    session.expunge_all()
    with pytest.raises(ForeignKeyError), session.begin_nested():
        depots.delete_where(Depot.id == 1)
