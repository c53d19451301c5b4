"""A warehouse with a few rows, and a session in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy.orm
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import sessionmaker

import holdfast.sqlalchemy
from tests.conftest import _server
from tests.servers import Servers
from tests.sqlalchemy.warehouse import Base, build, stocked

Session = holdfast.sqlalchemy.Session


@pytest.fixture(scope="session", params=["postgresql", "sqlite"])
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
