"""Writing many rows through the repository, upserts, and keys of several columns."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Engine, true

import holdfast.sqlalchemy
from holdfast.errors import EmptyFilterError, InvalidFilterError, InvalidWriteError, StaleVersionError
from holdfast.sqlalchemy.repository import Repository
from tests.sqlalchemy.warehouse import Depot, Item, Items, Place, sent

Session = holdfast.sqlalchemy.Session


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
