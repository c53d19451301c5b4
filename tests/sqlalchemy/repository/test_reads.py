"""Reading through the repository: what is asked for is what is sent, and nothing is left out silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Engine, ForeignKey, String, TypeDecorator, create_engine, event, func
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import ColumnProperty, DeclarativeBase, Mapped, column_property, mapped_column, relationship

import holdfast.sqlalchemy
from holdfast.errors import DeclarationError, InvalidFilterError, MultipleFoundError, NotFoundError
from holdfast.sqlalchemy.repository import Repository
from tests.sqlalchemy.warehouse import Item, Items, sent

Session = holdfast.sqlalchemy.Session


def test_each_read_is_one_statement(engine: Engine, session: Session) -> None:
    items = Items(session)
    reads: dict[str, Any] = {
        "get": lambda: items.get(1),
        "get_or_raise": lambda: items.get_or_raise(2),
        "one": lambda: items.one({"sku": "c"}),
        "list": lambda: items.list({"count__gte": 5}, limit=10, order_by="-count"),
        "page": lambda: items.page(size=2),
        "numbered_page": lambda: items.numbered_page(size=2),
        "count": lambda: items.count(),
        "exists": lambda: items.exists({"sku": "a"}),
        "load": lambda: items.list(limit=10, load="depot"),
    }
    for name, read in reads.items():
        session.expunge_all()
        with sent(engine) as statements:
            read()
        assert len(statements) == 1, (name, statements)


def test_the_session_gives_a_row_that_it_has_without_a_statement(engine: Engine, session: Session) -> None:
    items = Items(session)
    item = items.get(1)
    with sent(engine) as statements:
        assert items.get("1") is item
    assert statements == []


def test_exists_is_an_exists_and_not_a_count(engine: Engine, session: Session) -> None:
    with sent(engine) as statements:
        assert Items(session).exists(Item.count > 4) is True
    assert statements[0].startswith("SELECT EXISTS")
    assert Items(session).exists({"sku": "d"}) is False
    assert Items(session).exists({"sku": "d"}, rows="dead") is True


def test_deleted_rows_are_read_only_where_that_is_said(session: Session) -> None:
    items = Items(session)

    assert items.get(4) is None
    with pytest.raises(NotFoundError, match=r"HF622.*Item with id=4.*deleted"):
        items.get_or_raise(4)
    assert [item.id for item in items.list(limit="all")] == [1, 2, 3]
    assert [item.id for item in items.list(limit="all", rows="dead")] == [4]
    assert [item.id for item in items.list(limit="all", rows="all")] == [1, 2, 3, 4]
    assert (items.count(), items.count(rows="all"), items.count(rows="dead")) == (3, 4, 1)
    dead = items.get(4, rows="all")
    assert dead is not None
    assert items.get(4) is None, "the session has it, and it is deleted all the same"
    assert items.get(1, rows="dead") is None
    assert [item.id for item in items.page(rows="all", size=10)] == [1, 2, 3, 4]


def test_one_is_neither_none_nor_several(session: Session) -> None:
    items = Items(session)

    assert items.one(Item.sku == "a").id == 1
    with pytest.raises(NotFoundError, match="HF622"):
        items.one({"sku": "zzz"})
    with pytest.raises(MultipleFoundError, match="HF624"):
        items.one({"count": 5})


def test_a_list_says_its_limit_and_has_an_order(engine: Engine, session: Session) -> None:
    items = Items(session)

    with pytest.raises(TypeError, match="limit"):
        items.list()  # type: ignore[call-arg]
    for wrong in (-1, True, None, "12"):
        with pytest.raises(InvalidFilterError, match="HF623"):
            items.list(limit=wrong)  # type: ignore[arg-type]
    assert items.list(limit=0) == []
    assert [item.id for item in items.list(limit=2)] == [1, 2]
    # Equal in the order: the key decides, in every list.
    assert [item.id for item in items.list(limit=9, order_by="-count")] == [2, 3, 1]
    # Nulls count as the largest, on every database.
    assert [item.id for item in items.list(limit=9, order_by="name")] == [1, 3, 2]
    assert [item.id for item in items.list(limit=9, order_by=["-name", "id"])] == [2, 3, 1]
    assert [item.id for item in items.list(limit=9, order_by=Item.id.desc())] == [3, 2, 1]
    with sent(engine) as statements:
        items.list(limit="all", order_by=())
    assert "ORDER BY" not in statements[0]
    assert "LIMIT" not in statements[0]


def test_only_declared_fields_order_a_list(session: Session) -> None:
    for wrong in ("secret", "-secret", "depot", "nosuch", "count desc", ""):
        with pytest.raises(InvalidFilterError, match="HF623"):
            Items(session).list(limit=1, order_by=wrong)
    with pytest.raises(InvalidFilterError, match="Did you mean price"):
        Items(session).page(order_by="-prize")
    with pytest.raises(InvalidFilterError, match="sortable declares: nothing"):
        Repository(session, Item).list(limit=1, order_by="id")


def test_pages_follow_each_other(session: Session) -> None:
    items = Items(session)
    first = items.page({"count__gte": 1}, order_by="-count", size=2)

    second = items.page({"count__gte": 1}, order_by="-count", size=2, cursor=first.next)

    assert [item.id for item in (*first, *second)] == [2, 3, 1] or [item.id for item in (*first, *second)] == [3, 2, 1]
    assert second.next is None
    numbered = items.numbered_page(order_by="id", number=2, size=2, total="exact")
    assert ([item.id for item in numbered], numbered.total) == ([3], 3)
    with pytest.raises(DeclarationError, match=r"HF115.*cursor_secret"):
        Repository(session, Item).page()


def test_what_is_loaded_along_is_there_and_the_rest_is_not(engine: Engine, session: Session) -> None:
    items = Items(session)

    with sent(engine) as statements:
        found = items.list(limit=9, load=("labels.item", "depot.items"), strict=True)
        assert [len(item.labels) for item in found] == [1, 2, 0]
        assert found[0].depot is not None
        assert [item.id for item in found[0].depot.items] == [1, 3]
    assert len(statements) == 3, "rows with their depots, labels, items of the depots"
    with pytest.raises(InvalidFilterError, match=r"HF623.*'labls'.*Did you mean labels"):
        items.list(limit=9, load="labls")
    with pytest.raises(InvalidFilterError, match="Label has no relationship 'depot'"):
        items.get(1, load="labels.depot")


def test_load_holds_for_a_row_that_the_session_has(engine: Engine, session: Session) -> None:
    items = Items(session)
    item = items.get_or_raise(1)

    assert items.get(1, load="labels") is item

    with sent(engine) as statements:
        assert [label.text for label in item.labels] == ["x"]
    assert statements == []


def test_a_row_is_got_by_the_same_statement_each_time(engine: Engine, session: Session) -> None:
    """It is made once, with the session's filter, which is in it once: whoever else listens, and in any session."""
    with sent(engine) as statements:
        assert Items(session).get(4) is None
        assert Items(session).get_or_raise(1).id == 1
        with Session(engine) as other:
            event.listen(other, "do_orm_execute", lambda state: None)
            assert Items(other).get_or_raise(1).id == 1
            assert Items(other).get(4) is None
    assert len(statements) == 4
    assert len(set(statements)) == 1
    assert statements[0].count("deleted_at IS NULL") == 1


def test_a_list_is_the_same_statement_whatever_the_values_are(engine: Engine, session: Session) -> None:
    items = Items(session)
    with sent(engine) as statements:
        assert [item.id for item in items.list({"count__gte": 5, "sku": "b"}, limit=5, order_by="-count")] == [2]
        assert [item.id for item in items.list({"count__gte": 0, "sku": "a"}, limit=9, order_by=["-count"])] == [1]
        assert items.list({"count__gte": 4}, {"sku": "c"}, limit=0, order_by="-count") == []
    assert len(set(statements[:2])) == 1
    assert statements[0].count("deleted_at IS NULL") == 1
    # What is another statement is not taken for that one.
    assert [item.id for item in items.list({"name": "Anvil"}, limit=5)] == [1]
    assert [item.id for item in items.list({"name": None}, limit=5)] == [2]
    assert [item.id for item in items.list({"count__lte": 3}, limit=5)] == [1]
    assert [item.id for item in items.list({"count__lt": 3}, limit=5)] == []
    assert [item.id for item in items.list({"count": 7}, limit="all", rows="all")] == [4]


def test_a_comparison_of_ones_own_is_given_the_value() -> None:
    class Folding(ColumnProperty.Comparator[str]):
        def __eq__(self, other: Any) -> Any:
            return func.lower(self.__clause_element__()) == other.lower()

    class Shouting(TypeDecorator[str]):
        impl, cache_ok, python_type = String, True, str

        class comparator_factory(String.Comparator[str]):
            def __gt__(self, other: Any) -> Any:
                return self.expr.op(">")(other.upper())

    class Base(DeclarativeBase):
        pass

    class Word(Base):
        __tablename__ = "words"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = column_property(mapped_column(String), comparator_factory=Folding)
        loud: Mapped[str] = mapped_column(Shouting)

    class Words(Repository[Word]):
        filterable = ("text", "loud")

    plain = create_engine("sqlite://")
    Base.metadata.create_all(plain)
    with sqlalchemy.orm.Session(plain) as session:
        session.add_all([Word(text="One", loud="ONE"), Word(text="Two", loud="TWO")])
        words = Words(session)
        assert [word.id for word in words.list({"text": "ONE"}, limit=5)] == [1]
        assert [word.id for word in words.list({"text": "two"}, limit=5)] == [2]
        assert [word.id for word in words.list({"loud__gt": "o"}, limit=5)] == [1, 2]
        assert [word.id for word in words.list({"loud__gt": "p"}, limit=5)] == [2]
    plain.dispose()


def test_what_is_deleted_in_hand_is_not_got_again(engine: Engine, session: Session) -> None:
    items = Items(session)
    item = items.get_or_raise(1)
    session.commit()
    with Session(engine) as other:
        Items(other).delete(1)
        other.commit()

    assert items.get(1) is None
    assert items.get(1, rows="dead") is item


def test_a_collection_that_is_always_joined() -> None:
    class Base(DeclarativeBase):
        pass

    class Cart(Base):
        __tablename__ = "carts"
        id: Mapped[int] = mapped_column(primary_key=True)
        lines: Mapped[list[Line]] = relationship(lazy="joined")

    class Line(Base):
        __tablename__ = "lines"
        id: Mapped[int] = mapped_column(primary_key=True)
        cart_id: Mapped[int] = mapped_column(ForeignKey("carts.id"))

    class Carts(Repository[Cart]):
        cursor_secret = "a secret of the test"

    plain = create_engine("sqlite://")
    Base.metadata.create_all(plain)
    with sqlalchemy.orm.Session(plain) as session:
        session.add_all([Cart(id=1, lines=[Line(), Line()]), Cart(id=2, lines=[Line()])])
        session.commit()
        carts = Carts(session)
        reads: list[Callable[[], list[Cart]]] = [
            lambda: [carts.get_or_raise(1), carts.get_or_raise(2)],
            lambda: carts.list(limit=2),
            lambda: [carts.one(Cart.id == 1), carts.one(Cart.id == 2)],
            lambda: carts.page().items,
            lambda: carts.numbered_page().items,
        ]
        for read in reads:
            session.expunge_all()
            with sent(plain) as statements:
                assert [len(cart.lines) for cart in read()] == [2, 1]
            assert len(statements) <= 2
    plain.dispose()


def test_strict_raises_on_what_was_not_asked_for(session: Session) -> None:
    class StrictItems(Items):
        strict = True

    item = StrictItems(session).get_or_raise(1, load="depot")
    assert item.depot is not None
    with pytest.raises(InvalidRequestError, match=r"Item\.labels"):
        _ = item.labels
    session.expunge_all()
    assert len(StrictItems(session).get_or_raise(1, strict=False).labels) == 1
