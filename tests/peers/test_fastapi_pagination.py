"""fastapi-pagination's pages over a protected schema hold what lives."""

from __future__ import annotations

import pytest
from fastapi_pagination import Page, Params, set_page, set_params
from fastapi_pagination.ext.sqlalchemy import paginate
from sqlalchemy import select
from sqlalchemy.orm import Session

from holdfast.sqlalchemy import only_deleted
from tests.peers.models import Book

# What they do that is going out of use is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::sqlalchemy.exc.SADeprecationWarning")


def test_pages_and_totals_are_of_what_lives(session: Session) -> None:
    for number in (1, 5):
        session.delete(session.get_one(Book, number))
    session.commit()
    with set_page(Page[object]), set_params(Params(page=1, size=3)):
        page = paginate(session, select(Book).order_by(Book.id))
        trash = paginate(session, select(Book).order_by(Book.id).options(only_deleted()))
    assert [book.id for book in page.items] == [2, 3, 4]
    assert page.total == 8
    assert [book.id for book in trash.items] == [1, 5]
