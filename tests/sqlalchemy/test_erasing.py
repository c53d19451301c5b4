"""Erasing from a session, over each driver: the row, its history, and what the session has of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import holdfast
import holdfast.sqlalchemy
from holdfast.errors import ErasureError
from holdfast.sqlalchemy import Audited, UUIDKey
from holdfast.sqlalchemy.erasing import erase
from holdfast.sqlalchemy.history import versions
from tests.harness import Protected, journal
from tests.kept import kept
from tests.sqlalchemy.conftest import Shop
from tests.sqlalchemy.models import Customer


def protected(shop: Shop) -> Protected:
    return Protected(shop.url.render_as_string(hide_password=False))


def test_a_session_erases_within_its_transaction(shop: Shop) -> None:
    def scenario(session: holdfast.sqlalchemy.Session) -> int:
        customer = Customer(id=900, name="Annabel")
        session.add(customer)
        session.commit()
        customer.name = "Annelise"
        session.commit()
        with holdfast.context(actor="officer", reason="a day's work"):
            customer.name = "Ann-Kathrin"
            with pytest.raises(ErasureError, match="HF425"):
                erase(session, Customer, customer.id, reason="asked to")
            [erased] = erase(session, Customer, customer.id, reason="asked to", replace={"name": "-"})
            assert (erased.columns, erased.changes) == (("name",), 2)
            assert customer.name == "-"
            session.add(Customer(id=901, name="another"))
            session.commit()
        return customer.id

    number = shop.run(scenario)
    text = kept(protected(shop))
    assert [each for each in ("Annabel", "Annelise", "Ann-Kathrin") if each in text] == []
    last = protected(shop).log("customers")
    assert [(each.key == number, each.actor, each.operation) for each in last[-2:]] == [
        (True, "officer", "update"),
        (False, "officer", "insert"),
    ]


class Base(DeclarativeBase):
    pass


class Party(UUIDKey, Base, Audited):
    __tablename__ = "parties"

    kind: Mapped[str]
    called: Mapped[str | None] = mapped_column("name")
    nick: Mapped[str | None] = mapped_column(unique=True)
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "party"}


class Person(Party):
    __tablename__ = "persons"

    id: Mapped[UUID] = mapped_column(ForeignKey("parties.id"), primary_key=True)
    phone: Mapped[str | None]
    __mapper_args__: ClassVar = {"polymorphic_identity": "person"}


class Visit(Base, Audited):
    __tablename__ = "visits"

    at: Mapped[datetime] = mapped_column(holdfast.sqlalchemy.UTCDateTime, primary_key=True)
    note: Mapped[str | None]


@pytest.mark.copy_of(build=journal)
def test_every_table_of_a_class_and_keys_as_python_has_them(database: str) -> None:
    engine = create_engine(database)
    holdfast.sqlalchemy.bind(engine)
    Base.metadata.create_all(engine)
    holdfast.sqlalchemy.install(engine, Base)
    party, at = uuid4(), datetime(2026, 1, 2, 3, 4, 5, 120000, tzinfo=UTC)
    with holdfast.context(actor="clerk"), holdfast.sqlalchemy.Session(engine) as session:
        session.add_all(
            [Person(id=party, called="Annabel", nick="ann", phone="0170-555"), Visit(at=at, note="Annelise")]
        )
        session.add(Person(id=uuid4(), called="Bob", nick="bob"))
        session.commit()
        person = session.get_one(Person, party)
        person.called, person.phone = "Annabella", "0171-555"
        session.get_one(Visit, at).note = "Anneliese"
        session.commit()
        # Refused by the database, and nothing half done in a transaction that goes on.
        with pytest.raises(IntegrityError):
            erase(session, Person, party, reason="x", replace={"nick": "bob"}, columns=["called"])
        session.commit()
    assert "Annabel" in kept(Protected(database))
    names = erase(engine, Person, party, reason="asked to", columns=["called", "phone"])
    assert [(each.table, each.columns, each.changes, each.row) for each in names] == [
        ("parties", ("name",), 1, True),
        ("persons", ("phone",), 1, True),
    ]
    [visit] = erase(engine, Visit, at, reason="asked to")
    assert (visit.columns, visit.changes, visit.row) == (("note",), 1, True)
    text = kept(Protected(database))
    assert [each for each in ("Annabel", "0170-555", "0171-555", "Annelise", "Anneliese") if each in text] == []
    with holdfast.sqlalchemy.Session(engine) as session:
        first, *_, last = [each.values for each in versions(session, Person, party)]
        assert last is not None
        assert (last["called"], last["phone"], last["nick"]) == (None, None, "ann")
        assert first is not None
        assert ("called" in first, "phone" in first, first["nick"]) == (False, False, "ann")
    with pytest.raises(ErasureError, match="HF429"):
        erase(engine, Person, party, reason="x", columns=["name"])
    engine.dispose()
