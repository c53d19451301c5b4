"""The repository: what is asked for is what is sent, and nothing is left out silently."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy.orm
from sqlalchemy import Engine, create_engine, event, select, text, true
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import sessionmaker

import holdfast.sqlalchemy
from holdfast.dialects import dialect_for
from holdfast.errors import (
    DeclarationError,
    EmptyFilterError,
    ForeignKeyError,
    InvalidFilterError,
    InvalidWriteError,
    MultipleFoundError,
    NotFoundError,
    StaleVersionError,
    UniqueError,
    UnsupportedError,
)
from holdfast.sqlalchemy.repository import Repository
from tests.conftest import _server
from tests.servers import Servers
from tests.sqlalchemy.warehouse import (
    Base,
    Counter,
    Depot,
    Dog,
    Item,
    Items,
    Label,
    Place,
    Strict,
    build,
    sent,
    stocked,
)

Session = holdfast.sqlalchemy.Session


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def warehouse(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Made once: to protect takes longer than any of the tests."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("warehouse") / "template.db"
        path.touch()
        yield build(f"sqlite:///{path}")
    else:
        with _server(servers, None).new_database() as url:
            yield build(url)


@pytest.fixture
def engine(warehouse: str, tmp_path: Path) -> Iterator[Engine]:
    with stocked(warehouse, tmp_path) as engine:
        yield engine


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with sessionmaker(engine, class_=Session)() as session:
        yield session


@pytest.fixture
def plain() -> Iterator[sqlalchemy.orm.Session]:
    """SQLAlchemy's own session, on a database without protection."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with sqlalchemy.orm.Session(engine) as session:
        yield session
    engine.dispose()


def stamps_later(engine: Engine) -> bool:
    """Whether times and version are known only after the statement, so that it takes one more to read them."""
    return not dialect_for(engine.dialect.name).features.stamps_before_write


# ---------------------------------------------------------------------- reading


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


def test_strict_raises_on_what_was_not_asked_for(session: Session) -> None:
    class StrictItems(Items):
        strict = True

    item = StrictItems(session).get_or_raise(1, load="depot")
    assert item.depot is not None
    with pytest.raises(InvalidRequestError, match=r"Item\.labels"):
        _ = item.labels
    session.expunge_all()
    assert len(StrictItems(session).get_or_raise(1, strict=False).labels) == 1


# ---------------------------------------------------------------------- writing one row


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


# ---------------------------------------------------------------------- writing many


def test_a_write_without_a_filter_is_refused(session: Session) -> None:
    items = Items(session)
    empty: list[tuple[Any, ...]] = [
        (),
        ({},),
        ({"id__not_in": []},),
        ({"name__contains": ""},),
        ({"sku__startswith": ""},),
        ({"sku__ne": None},),
        ({"sku__is_null": False},),
        (true(),),
    ]
    for where in empty:
        with pytest.raises(EmptyFilterError, match=r"HF626.*all_rows"):
            items.delete_where(*where)
        with pytest.raises(EmptyFilterError, match=r"HF626.*all_rows"):
            items.update_where(*where, values={"count": 0})
    for wrong in ({"sky": "a"}, {"sku__like": "a"}, {"sku": None}, {"count__in": None}, {"count__gte": None}):
        if wrong == {"sku": None}:
            assert items.delete_where(wrong) == 0
            continue
        with pytest.raises(InvalidFilterError):
            items.delete_where(wrong)
    with pytest.raises(InvalidFilterError, match="instance"):
        items.delete_where(items.get_or_raise(1).sku == "a")  # type: ignore[arg-type]
    assert items.delete_where({"id__in": []}) == 0
    assert items.count() == 3
    assert items.update_where(values={"count": 0}, all_rows=True) == 3
    assert items.delete_where(true(), all_rows=True) == 3
    assert items.count() == 0


def test_update_where_is_one_statement_and_the_session_sees_it(engine: Engine, session: Session) -> None:
    items = Items(session)
    with sent(engine) as statements:
        assert items.update_where({"count": 5}, values={"name": "five"}) == 2
    assert len(statements) == 1
    held = items.get_or_raise(2, load="labels")
    dead = items.get_or_raise(4, rows="all")

    assert items.update_where(Item.count >= 5, values={"count": Item.count + 1}) == 2

    assert (held.count, held.version, dead.count) == (6, 3, 7)
    held.name = "and the version fits"
    session.commit()
    assert items.get_or_raise(2).version == 4


def test_many_at_once(session: Session) -> None:
    items = Items(session)

    assert items.create_many([{"sku": f"n{number}", "count": number} for number in range(60)]) == 60
    assert items.update_many([{"id": 1, "name": "x", "version": 1}, {"id": 2, "name": None, "version": 1}]) == 2
    assert items.get_or_raise(1).name == "x"
    with pytest.raises(StaleVersionError):
        items.update_many([{"id": 1, "name": "y", "version": 1}])
    assert items.delete_many([1, "2", 99]) == 2
    assert items.count() == 61
    for rows in ([{"sku": "x", "secret": "y"}], [{"sku": "x"}, {"sku": "y", "id": 1000}]):
        with pytest.raises(InvalidWriteError, match="HF625"):
            items.create_many(rows)
    with pytest.raises(InvalidWriteError, match="HF625"):
        items.update_many([{"id": 3, "secret": "y"}])
    assert items.count() == 61


class Places(Repository[Place]):
    filterable = ("aisle", "shelf", "code", "load")
    writable = ("aisle", "shelf", "code", "load")


def test_an_upsert_gives_the_row(session: Session) -> None:
    places = Places(session)

    first = places.upsert({"aisle": "A", "shelf": 1, "code": "a1", "load": 2}, on=["aisle", "shelf"], update=["load"])
    second = places.upsert({"aisle": "A", "shelf": 1, "code": "a1", "load": 3}, on=["code"], update=["load"])

    assert second is first
    assert second.load == 3
    assert places.upsert_many([{"aisle": "B", "shelf": 1, "code": "b", "load": 0}], on=["code"], update=["load"]) == 1
    assert places.count() == 2


def test_a_key_of_two_columns(session: Session) -> None:
    places = Places(session)
    places.create(aisle="A", shelf=1, code="a1")
    session.commit()

    place = places.get_or_raise(("A", 1))
    assert places.get({"shelf": "1", "aisle": "A"}) is place
    assert places.update(("A", 1), {"load": 5}).load == 5
    assert places.exists({"aisle": "A", "shelf__between": [0, 3]})
    for wrong in ("A", ("A",), ("A", 1, 2), {"aisle": "A"}, {"aisle": "A", "shelf": 1, "x": 1}, ("A", None)):
        with pytest.raises(InvalidFilterError, match="HF623"):
            places.get(wrong)
    places.delete(("A", 1))
    assert places.count() == 0


@pytest.mark.parametrize("key", ["x", "1.5", "1_0", 1.5, None, True, 2**40, "99999999999", [], object()])
def test_a_key_that_cannot_be_one_is_no_error_of_the_database(plain: sqlalchemy.orm.Session, key: Any) -> None:
    with pytest.raises(InvalidFilterError, match="HF623"):
        Repository(plain, Depot).get(key)


# ---------------------------------------------------------------------- plain models, odd models


def test_a_plain_model_has_all_that_needs_no_policy(session: Session) -> None:
    depots = Repository(session, Depot)

    assert depots.update(1, {Depot.name: "x"}).name == "x"
    for refused in (lambda: depots.restore(1), lambda: depots.list(limit=1, rows="dead")):
        with pytest.raises(UnsupportedError, match=r"HF412.*Depot is not soft-deleted"):
            refused()
    for stale in (lambda: depots.update(1, {Depot.name: "y"}, version=1), lambda: depots.delete(1, version=1)):
        with pytest.raises(DeclarationError, match=r"HF115.*Depot has no version"):
            stale()
    depots.create(Depot(id=5, name="five"))
    session.expunge_all()
    depots.delete(5)
    with pytest.raises(NotFoundError, match=r"HF622.*Check the key"):
        depots.delete(5)


def test_sqlalchemys_own_session_serves_plain_models_and_no_others(plain: sqlalchemy.orm.Session) -> None:
    depots = Repository(plain, Depot)
    depot = depots.create(Depot(name="x"))
    assert depots.update(depot.id, {Depot.name: "y"}).name == "y"
    assert depots.count() == 1
    with pytest.raises(DeclarationError, match=r"HF115.*shows deleted rows"):
        Items(plain).get(1)


def test_what_the_orm_does_for_an_instance_is_done(plain: sqlalchemy.orm.Session) -> None:
    strict = Repository(plain, Strict)
    counters = Repository(plain, Counter)
    dogs = Repository(plain, Dog)
    heard = []

    strict.create(Strict(id=1, email="A@B"))
    assert strict.update(1, {Strict.email: " X@Y "}).email == "x@y", "@validates"
    counters.create(Counter(id=1, hits=0))
    assert counters.update(1, {Counter.hits: 1}, version=1).revision == 2
    with pytest.raises(StaleVersionError, match="HF202"):
        counters.update(1, {Counter.hits: 2}, version=1)
    dogs.create(Dog(id=1, name="Rex", tricks=1))
    plain.expunge_all()
    rex = dogs.update(1, {Dog.name: "Max", Dog.tricks: 2})
    assert (rex.name, rex.tricks) == ("Max", 2), "two tables"

    def updating(*_: Any) -> None:
        heard.append("update")

    def deleting(*_: Any) -> None:
        heard.append("delete")

    event.listen(Depot, "before_update", updating)
    event.listen(Depot, "before_delete", deleting)
    try:
        depots = Repository(plain, Depot)
        depots.create(Depot(id=1, name="x"))
        plain.commit()
        plain.expunge_all()
        depots.update(1, {Depot.name: "y"})
        depots.delete(1)
    finally:
        event.remove(Depot, "before_update", updating)
        event.remove(Depot, "before_delete", deleting)
    assert heard == ["update", "delete"]


def test_an_error_of_ones_own_code_goes_through(plain: sqlalchemy.orm.Session) -> None:
    class Faulty(Repository[Depot]):
        def named(self, name: str) -> Depot | None:
            return self.nosuch(name)  # type: ignore[attr-defined,no-any-return]

    with pytest.raises(AttributeError, match="nosuch"):
        Faulty(plain).named("x")


# ---------------------------------------------------------------------- declaring


Anything = TypeVar("Anything")


class Counting(Repository[Anything]):
    """A base of one's own."""

    def how_many(self) -> str:
        return f"{self.count()} in all"


class Depots(Counting[Depot]):
    sortable = ("name",)


class NorthernDepots(Depots):
    filterable = ("name",)


def test_the_model_is_read_from_the_class(plain: sqlalchemy.orm.Session) -> None:
    assert Depots(plain).how_many() == "0 in all"
    assert NorthernDepots(plain).list({"name": "x"}, order_by="name", limit=1) == []
    assert Repository[Depot](plain).count() == 0
    assert Counting[Depot](plain).how_many() == "0 in all"
    assert Repository(plain, Depot).count() == 0
    with pytest.raises(DeclarationError, match=r"HF115.*of which model"):
        Repository(plain).count()
    with pytest.raises(DeclarationError, match=r"HF115.*mapped class"):
        Repository(plain, int).count()


@pytest.mark.parametrize(
    "declared, said",
    [
        ({"filterable": {"nmae"}}, "'nmae'.*Did you mean name"),
        ({"sortable": {"items"}}, "'items'.*has no such column"),
        ({"writable": {"nosuch"}}, "'nosuch'"),
        ({"filterable": "name"}, "not a set of names"),
        ({"filterable": {Depot.name}}, "not a set of names"),
    ],
)
def test_a_typo_is_found_where_it_is_declared(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=rf"HF115.*{said}"):

        class Wrong(Repository[Depot]):
            locals().update(declared)


def test_what_the_database_writes_is_not_declared_writable() -> None:
    with pytest.raises(DeclarationError, match=r"HF115.*deleted_at, version.*itself writes"):

        class Wrong(Repository[Item]):
            writable = ("sku", "version", "deleted_at")


def test_a_model_named_in_text_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"HF115.*in text"):

        class Wrong(Repository["Depot"]):
            pass
