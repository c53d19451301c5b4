"""Cursors: what was not made here, for this very list, is refused, and says so in one way."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.orm import Session

from holdfast.errors import HoldfastError, InvalidCursorError, PagingError, RequestError
from holdfast.problem import to_problem
from holdfast.sqlalchemy.paging import Page, keyset_page
from holdfast.sqlalchemy.paging.cursor import Position, Sealer
from holdfast.sqlalchemy.paging.values import dumps, loads
from tests.sqlalchemy.paging import SECRET, Author, Binding, Book, shelves

LISTING: dict[str, Any] = {"order_by": [Book.title.desc()], "secret": SECRET, "size": 5, "scope": "tenant 1"}
STATEMENT = select(Book.id).where(Book.id < 20)


@pytest.fixture
def session(sqlite_database: str) -> Iterator[Session]:
    with shelves(sqlite_database) as session:
        yield session


@pytest.fixture
def cursor(session: Session) -> str:
    page: Page[int] = keyset_page(session, STATEMENT, **LISTING)
    assert page.next is not None
    return page.next


def invalid(session: Session, cursor: Any, statement: Any = STATEMENT, **other: Any) -> str:
    with pytest.raises(InvalidCursorError) as caught:
        keyset_page(session, statement, **{**LISTING, **other}, cursor=cursor)
    assert caught.value.code == "HF621"
    assert isinstance(caught.value, RequestError)
    assert to_problem(caught.value)["status"] == 400
    return caught.value.message


def test_the_cursor_is_good_where_it_was_made(session: Session, cursor: str) -> None:
    assert len(keyset_page(session, STATEMENT, **LISTING, cursor=cursor)) == 5
    assert keyset_page(session, select(Book).where(Book.id < 20), **LISTING, cursor=cursor).has_previous


def test_a_changed_cursor_is_refused_whatever_was_changed(session: Session, cursor: str) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    chosen = random.Random(7)
    for position in range(len(cursor)):
        other = chosen.choice(alphabet.replace(cursor[position], ""))
        invalid(session, cursor[:position] + other + cursor[position + 1 :])
        invalid(session, cursor[:position])
        invalid(session, cursor[:position] + cursor[position + 1 :])


@pytest.mark.parametrize(
    "given",
    ["", "x", "null", "é", "a" * 5_000, "../etc/passwd", "' or 1=1 --", "=", "====", "AAAA" * 20, "\x00", " ", 7, b"a"],
)  # fmt: skip
def test_what_never_was_a_cursor_is_refused(session: Session, given: Any) -> None:
    invalid(session, given)


def test_nothing_can_be_put_around_a_cursor(session: Session, cursor: str) -> None:
    for changed in (
        cursor + "=",
        cursor + "==",
        " " + cursor,
        cursor + "\n",
        cursor + "A",
        cursor * 2,
        cursor.swapcase(),
    ):
        invalid(session, changed)


def test_a_cursor_of_another_version_is_refused(session: Session, cursor: str) -> None:
    sealed = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    sealed[16] += 1

    message = invalid(session, base64.urlsafe_b64encode(sealed).rstrip(b"=").decode())

    assert "version" in message


@pytest.mark.parametrize(
    "other",
    [
        {"order_by": [Book.title]},
        {"order_by": [Book.title.desc(), Book.pages]},
        {"order_by": [Book.pages.desc()]},
        {"order_by": [Book.title.desc().nulls_last()]},
        {"statement": select(Book.id).where(Book.id < 19)},
        {"statement": select(Book.id).where(Book.id <= 20)},
        {"statement": select(Book.id)},
        {"statement": select(Book.id).join(Book.author).where(Book.id < 20)},
        {"statement": select(Book.id).where(Book.id.in_([1, 2]))},
        {"statement": select(Author.id), "order_by": [Author.name.desc()]},
        {"scope": "tenant 2"},
        {"scope": None},
    ],
)
def test_a_cursor_of_another_list_is_refused(session: Session, cursor: str, other: dict[str, Any]) -> None:
    assert "another list" in invalid(session, cursor, **other)


def test_a_filter_is_compared_by_its_values(session: Session) -> None:
    def page(values: Any, cursor: str | None = None) -> Page[int]:
        statement = select(Book.id).where(Book.binding.in_(values))
        return keyset_page(session, statement, order_by=[Book.id], secret=SECRET, size=2, cursor=cursor)

    cursor = page([Binding.hard, Binding.paper]).next

    assert page([Binding.hard, Binding.paper], cursor).items
    with pytest.raises(InvalidCursorError):
        page([Binding.hard, Binding.spiral], cursor)


def test_secrets_can_be_changed_without_losing_cursors(session: Session, cursor: str) -> None:
    old, new = SECRET, b"another secret, of bytes"

    changed: Page[int] = keyset_page(session, STATEMENT, **{**LISTING, "secret": [new, old]}, cursor=cursor)

    assert changed.next is not None
    keyset_page(session, STATEMENT, **{**LISTING, "secret": new}, cursor=changed.next)
    invalid(session, changed.next)
    invalid(session, cursor, secret=new)


@pytest.mark.parametrize("secret", ["", "short", b"", [], ["a secret that is long enough", "short"]])
def test_a_secret_that_can_be_guessed_is_refused(session: Session, secret: Any) -> None:
    with pytest.raises(PagingError) as caught:
        keyset_page(session, STATEMENT, **{**LISTING, "secret": secret})

    assert caught.value.code == "HF644"


VALUES = [
    None, True, False, 0, -1, 2**70, "", "a", "\ud800\x00é", 0.1, -0.0, float("inf"), 5e-324, Decimal("1.10"),
    Decimal("-Infinity"), Decimal("1E+400"), datetime(2024, 10, 27, 2, 30, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1, timezone(timedelta(minutes=-3))), date.max, time(23, 59, 59, 999999),
    time(1, tzinfo=timezone(timedelta(hours=14))), timedelta.max, timedelta.min, timedelta(microseconds=-1),
    UUID(int=5), b"", b"\x00\xff", [1, [None, Decimal(2)]], ip_address("::1"), ip_interface("10.0.0.1/8"),
    ip_network("10.0.0.0/8"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_were(value: Any) -> None:
    [found] = loads(dumps([value]))

    assert (type(found), repr(found)) == (type(value), repr(value))


@pytest.mark.parametrize("value", [Decimal("NaN"), float("nan")], ids=repr)
def test_what_is_no_number_stays_none(value: Any) -> None:
    [found] = loads(dumps([value]))

    assert (type(found), str(found)) == (type(value), str(value))


class Shade(str):
    """A text that would come back as another type."""


@dataclass
class Point:
    x: int


@pytest.mark.parametrize("value", [Point(1), object(), Binding.hard, {"a": 1}, Shade("red"), 1j])
def test_a_value_that_cannot_be_carried_is_refused_when_the_page_is_made(value: Any) -> None:
    with pytest.raises(PagingError) as caught:
        Sealer(SECRET, b"").seal(Position((value,)))

    assert (caught.value.code, type(value).__qualname__ in caught.value.message) == ("HF643", True)


def test_a_value_that_is_too_long_is_refused_when_the_page_is_made(session: Session) -> None:
    session.execute(sa.update(Book).values(title="x" * 10_000))

    with pytest.raises(HoldfastError) as caught:
        keyset_page(session, STATEMENT, **LISTING)

    assert caught.value.code == "HF643"


def test_a_cursor_tells_nothing_of_the_filter_or_the_scope(session: Session, cursor: str) -> None:
    content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))

    assert b"tenant" not in content
    assert b"20" not in content.split(b"[")[1]
