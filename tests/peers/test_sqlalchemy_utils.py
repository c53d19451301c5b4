"""sqlalchemy-utils over a protected schema: its writes are recorded, and can be taken back."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy_utils import dependent_objects, merge_references

import holdfast
from tests.harness import Protected
from tests.peers.models import Author, Book

# What they do that is going out of use is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::sqlalchemy.exc.SADeprecationWarning")


def test_merged_references_can_be_taken_back(session: Session, database: str) -> None:
    first, second = Author(name="M. Twain"), Author(name="Mark Twain")
    session.add_all([first, second])
    session.flush()
    for number in (1, 2):
        session.get_one(Book, number).author_id = first.id
    session.commit()
    one, other = first.id, second.id
    session.commit()
    with holdfast.context(actor="ann", reason="the same person"):
        merge_references(first, second)
        session.commit()
    assert list(session.scalars(select(Book.author_id).where(Book.author_id.is_not(None)))) == [other, other]
    session.rollback()
    protected = Protected(database)
    changes = [change for change in protected.log(table="books") if change.actor == "ann"]
    assert [change.after["author_id"] for change in changes if change.after] == [other, other]
    protected.undo(changes[0].transaction)
    session.expire_all()
    assert list(session.scalars(select(Book.author_id).where(Book.author_id.is_not(None)))) == [one, one]


def test_dependent_objects_are_of_what_lives(session: Session) -> None:
    author = Author(name="Ada")
    session.add(author)
    session.flush()
    for number in (1, 2):
        session.get_one(Book, number).author_id = author.id
    session.commit()
    session.delete(session.get_one(Book, 1))
    session.commit()
    assert [book.id for book in dependent_objects(author)] == [2]
