"""A protected library of books, for the libraries of others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import sessionmaker

import holdfast.sqlalchemy
from tests.peers.models import Base, Book


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = create_engine(database)
    holdfast.sqlalchemy.bind(engine)
    Base.metadata.create_all(engine)
    holdfast.sqlalchemy.install(engine, Base)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[holdfast.sqlalchemy.Session]:
    """With ten books."""
    with sessionmaker(engine, class_=holdfast.sqlalchemy.Session)() as session:
        session.add_all([Book(id=number, title=f"Book {number}") for number in range(1, 11)])
        session.commit()
        yield session
