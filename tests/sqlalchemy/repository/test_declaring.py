"""Plain models, odd models, and what a repository declares."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest
import sqlalchemy.orm
from sqlalchemy import event

import holdfast.sqlalchemy
from holdfast.errors import DeclarationError, NotFoundError, StaleVersionError, UnsupportedError
from holdfast.sqlalchemy.repository import Repository
from tests.sqlalchemy.warehouse import Counter, Depot, Dog, Item, Items, Strict

Session = holdfast.sqlalchemy.Session


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
