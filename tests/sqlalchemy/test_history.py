"""A row's versions as its class has them, and the way back to one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlalchemy.pool import NullPool

import holdfast
import holdfast.sqlalchemy
from holdfast.errors import HistoryError, StaleVersionError, UniqueError, UnsupportedError
from holdfast.sqlalchemy import diff, explained, hard_delete, revert, versions
from tests.sqlalchemy.conftest import EACH, Shop
from tests.sqlalchemy.ledger import (
    Author,
    Base,
    Book,
    Color,
    Entry,
    Prize,
    Seat,
    Shelf,
    Taxi,
    Truck,
    Vehicle,
    moment,
    session,
)
from tests.sqlalchemy.ledger import execute as run
from tests.sqlalchemy.ledger import ledger as built_ledger

KEY = UUID("01920000-0000-7000-8000-00000000000a")
FIRST: dict[str, Any] = {
    "title": "it's",
    "color": Color.red,
    "amount": Decimal("10.50"),
    "fee": Decimal("1.05"),
    "at": datetime(2026, 3, 1, 12, 30, 15, 250, tzinfo=UTC),
    "day": date(2026, 3, 1),
    "details": {"a": [1, None, "x"], "b": 1.5},
    "scan": b"\x00\xff'",
    "ratio": 0.1 + 0.2,
    "done": True,
}
SECOND: dict[str, Any] = {
    "title": "\\x41",
    "color": Color.blue,
    "amount": Decimal("-0.01"),
    "fee": None,
    "at": None,
    "day": date(1999, 12, 31),
    "details": [],
    "scan": b"",
    "ratio": -1e300,
    "done": False,
}


@pytest.fixture(params=EACH)
def ledger(request: pytest.FixtureRequest) -> Iterator[Shop]:
    yield from built_ledger(request, request.param)


@pytest.fixture(params=["psycopg", "pysqlite"])
def sync_ledger(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Where the driver makes no difference."""
    yield from built_ledger(request, request.param)


def written(session: Session) -> dict[int, dict[str, Any]]:
    """An entry that comes, changes twice, and goes for good; what a read gave after each commit, by attribute."""
    read = {}
    with holdfast.context(actor="ann", reason="new", tenant="t1"):
        entry = Entry(id=KEY, iban="DE1", pin="1234", **FIRST)
        session.add(entry)
        session.commit()
        read[1] = state(entry)
        session.commit()
    with holdfast.context(actor="bob"):
        for name, value in SECOND.items():
            setattr(entry, name, value)
        session.commit()
        read[2] = state(entry)
        entry.pin = "9"
        entry.title = "third"
        session.commit()
        read[3] = state(entry)
        session.commit()
    hard_delete(session, entry)
    session.commit()
    return read


def state(entry: Any) -> dict[str, Any]:
    return {each.key: getattr(entry, each.key) for each in inspect(entry).mapper.column_attrs}


def test_each_version_has_the_values_that_a_read_gave(ledger: Shop) -> None:
    read = ledger.run(written)
    for known in (ledger.run(lambda s: versions(s, Entry, KEY)), ledger.run(lambda s: versions(s, Entry, {"id": KEY}))):
        assert [(each.number, each.actor, each.reason, each.tenant, each.operation) for each in known] == [
            (1, "ann", "new", "t1", "insert"),
            (2, "bob", None, None, "update"),
            (3, "bob", None, None, "update"),
            (4, None, None, None, "delete"),
        ]
        for each in known[:3]:
            assert each.values is not None
            wanted = {name: value for name, value in read[each.number].items() if name not in ("iban", "pin")}
            # The time of an update is known to be that of its transaction; which moment of it is not.
            found = dict(each.values)
            assert isinstance(found.pop("updated_at"), datetime)
            wanted.pop("updated_at")
            assert found == wanted
            assert {name: type(value) for name, value in found.items()} == {n: type(v) for n, v in wanted.items()}
            assert each.at is not None
            assert each.at.tzinfo is not None
        assert known[3].values is None
        assert (known[3].key, known[3].mapper.class_) == ((KEY,), Entry)
    assert [each.number for each in ledger.run(lambda s: versions(s, Entry, KEY, limit=2))] == [3, 4]
    changed = diff(known[0], known[1])
    assert {name: changed[name] for name in SECOND} == {name: (FIRST[name], SECOND[name]) for name in SECOND}
    assert set(changed) - set(SECOND) == {"version", "updated_at"}


def test_a_version_as_an_instance_is_in_no_session_and_loads_nothing(sync_ledger: Shop) -> None:
    sync_ledger.run(written)
    with session(sync_ledger) as reading:
        known = versions(reading, Entry, KEY)
        old = known[0].as_instance()
        assert inspect(old).detached
        assert (old.title, old.color, old.fee) == ("it's", Color.red, Decimal("1.05"))
        assert old not in reading
        with pytest.raises(DetachedInstanceError):
            _ = old.iban
        with pytest.raises(HistoryError, match="HF437"):
            known[3].as_instance()


def test_keys_of_several_columns_inheritance_and_rows_of_before(sync_ledger: Shop) -> None:
    show = datetime(2026, 5, 1, 20, tzinfo=UTC)

    def scenario(session: Session) -> None:
        truck = Truck(id=1, name="MAN", load=5)
        session.add_all([Seat(row=7, show=show, holder="a"), truck, Taxi(id=2, name="cab", sign="on")])
        session.commit()
        seat = session.get_one(Seat, (show, 7))
        seat.holder = "b"
        truck.load = 6
        session.commit()
        truck.name = "DAF"
        session.commit()
        assert [each.values and each.values["holder"] for each in versions(session, seat)] == ["a", "b"]
        assert [each.number for each in versions(session, Seat, (show, 7))] == [1, 2]
        assert [(each.number, each.operation, dict(each.values or {})) for each in versions(session, truck)] == [
            (1, "insert", {"id": 1, "kind": "truck", "name": "MAN", "version": 1, "load": 5}),
            (2, "update", {"id": 1, "kind": "truck", "name": "MAN", "version": 1, "load": 6}),
            (3, "update", {"id": 1, "kind": "truck", "name": "DAF", "version": 2, "load": 6}),
        ]
        # Asked of the class above, a version has what that class has, and is of the class that the row is of.
        old = versions(session, Vehicle, 1)[0]
        assert dict(old.values or {}) == {"id": 1, "kind": "truck", "name": "MAN", "version": 1}
        assert isinstance(old.as_instance(), Truck)
        assert dict(versions(session, Vehicle, 2)[0].values or {})["sign"] == "on"
        back = revert(session, truck, version=1)
        session.commit()
        assert (back.name, back.load, back.version) == ("MAN", 5, 3)
        session.delete(back)
        session.commit()
        assert versions(session, Truck, 1)[-1].values is None
        again = revert(session, Truck, 1, version=2)
        session.commit()
        assert (again.load, session.get_one(Truck, 1).name) == (6, "MAN")
        with pytest.raises(HistoryError, match="HF436"):
            versions(session, Truck, 99)
        with pytest.raises(UnsupportedError, match="HF303"):
            versions(session, Shelf, 1)

    # On SQLite it is the context that makes one transaction of several statements.
    with holdfast.context(actor="ann"):
        sync_ledger.run(scenario)


def test_a_row_that_was_there_before_has_a_version_0(postgresql_database: str, sqlite_database: str) -> None:
    for url in (postgresql_database, sqlite_database):
        engine = create_engine(url, poolclass=NullPool)
        holdfast.sqlalchemy.bind(engine)
        Base.metadata.create_all(engine)
        with holdfast.sqlalchemy.Session(engine) as session:
            session.add_all([Author(id=1, name="before"), Author(id=2, name="same")])
            session.commit()
            holdfast.sqlalchemy.install(engine, Base, roles_apart=False)
            session.get_one(Author, 1).name = "after"
            session.commit()
            known = versions(session, Author, 1)
            assert [(v.number, v.transaction is None, v.values and v.values["name"]) for v in known] == [
                (0, True, "before"),
                (1, False, "after"),
            ]
            assert [(v.number, v.values and v.values["name"]) for v in versions(session, Author, 2)] == [(0, "same")]
            assert revert(session, Author, 1, version=0).name == "before"


def test_a_revert_is_a_new_version_within_the_sessions_transaction(ledger: Shop) -> None:
    at = {}

    def write(session: Session) -> None:
        session.add(Author(id=1, name="one"))
        session.commit()
        at["one"] = moment(ledger)
        author = session.get_one(Author, 1)
        author.name = "two"
        session.commit()

    def reverting(session: Session) -> None:
        author = session.get_one(Author, 1)
        author.name = "three"
        # What is pending is flushed first.
        assert revert(session, author, version=1) is author
        assert (author.name, author.version) == ("one", 4)
        session.rollback()
        assert author.name == "two"
        assert revert(session, Author, 1, at=at["one"], reason="asked for").name == "one"
        session.commit()
        assert (author.name, author.version) == ("one", 3)
        author.name = "four"
        session.commit()
        known = versions(session, author)
        assert [(v.number, v.actor, v.reason, v.values and v.values["name"]) for v in known] == [
            (1, None, None, "one"),
            (2, None, None, "two"),
            (3, "carol", "asked for", "one"),
            (4, "carol", None, "four"),
        ]
        with pytest.raises(HistoryError, match="HF436"):
            revert(session, author, version=9)
        with pytest.raises(TypeError):
            revert(session, author)

    ledger.run(write)
    with holdfast.context(actor="carol"):
        ledger.run(reverting)


def test_a_row_that_is_gone_or_marked_comes_back_and_its_delete_does_not(sync_ledger: Shop) -> None:
    with session(sync_ledger) as writing:
        author = Author(id=1, name="Ada", books=[Book(id=1, title="Notes", price=Decimal("9.99"))])
        writing.add_all([author, Prize(id=5, name="first", book=Book(id=2, title="Other"))])
        writing.commit()
        prize = writing.get_one(Prize, 5)
        writing.delete(prize)
        writing.commit()
        back = revert(writing, prize, version=1)
        assert (inspect(back).persistent, back.name, back.book.title) == (True, "first", "Other")
        writing.commit()
        book = author.books[0]
        writing.delete(book)
        writing.commit()
        assert writing.get(Book, 1) is None
        assert versions(writing, Book, 1)[-1].operation == "delete"
        with pytest.raises(HistoryError, match="HF437"):
            revert(writing, Book, 1, version=2)
        assert revert(writing, Book, 1, version=1).price == Decimal("9.99")
        writing.commit()
        assert [each.id for each in author.books] == [1]
        # A column that the journal does not keep stays.
        entry = Entry(id=KEY, title="a", iban="DE1", pin="1")
        writing.add(entry)
        writing.commit()
        entry.title, entry.iban, entry.pin = "b", "DE2", "2"
        writing.commit()
        revert(writing, entry, version=1)
        writing.commit()
        assert (entry.title, entry.iban, entry.pin) == ("a", "DE2", "2")


def test_what_stands_in_the_way_of_a_revert_is_said(sync_ledger: Shop) -> None:
    run(sync_ledger, "create unique index authors_name on authors (name)")
    with session(sync_ledger) as first, session(sync_ledger) as second:
        first.add(Author(id=1, name="one"))
        first.commit()
        second.get_one(Author, 1).name = "two"
        second.commit()
        second.add(Author(id=2, name="one"))
        second.commit()
        # As a form that was read before the other's change.
        stale = Author(id=1, name="one", version=1)
        make_transient_to_detached(stale)
        with pytest.raises(StaleVersionError) as caught:
            revert(first, stale, version=1)
        assert caught.value.fields["name"][:2] == ("one", "two")
        with pytest.raises(IntegrityError):
            revert(first, Author, 1, version=1)
        # The rest of the transaction goes on.
        with pytest.raises(UniqueError), explained(first):
            revert(first, Author, 1, version=1)
        assert first.scalars(select(Author.name).order_by(Author.id)).all() == ["two", "one"]


def test_columns_that_were_renamed_added_and_dropped(sync_ledger: Shop) -> None:
    run(sync_ledger, "insert into seats (row, show, holder) values (1, '2026-05-01 20:00:00.000000', 'a')")
    run(sync_ledger, "update seats set holder = 'b'")
    with session(sync_ledger) as reading:
        show = reading.scalars(select(Seat.show)).one()
        before = [each.values and each.values["holder"] for each in versions(reading, Seat, (show, 1))]
    assert before == ["a", "b"]
    run(sync_ledger, "alter table seats rename column holder to person")
    holdfast.sqlalchemy.install(sync_ledger.engine(), Base, roles_apart=False)
    run(sync_ledger, "alter table seats rename column person to holder")
    with session(sync_ledger) as reading:
        # The journal still has the name of before.
        assert [each.values and each.values["holder"] for each in versions(reading, Seat, (show, 1))] == before
    for change in ("rename column holder to person", "add column holder varchar(20)"):
        run(sync_ledger, f"alter table seats {change}")
        holdfast.sqlalchemy.install(sync_ledger.engine(), Base, roles_apart=False)
    run(sync_ledger, "update seats set holder = 'new', person = 'c'")
    with session(sync_ledger) as reading:
        found = [each.values and each.values["holder"] for each in versions(reading, Seat, (show, 1))]
        # The name means another column now.
        assert found == [None, None, "new"]
        assert reading.execute(text("select person from seats")).scalar() == "c"
