"""What the models declare is installed, once, over an engine or over a connection of any driver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import holdfast.sqlalchemy
from holdfast import Audit, SoftDelete, Version
from holdfast.errors import DeclarationError, UnsupportedError
from holdfast.sqlalchemy import Audited, SoftDeletable, Versioned, install, policies_of, protect, status


class Base(DeclarativeBase):
    pass


class Room(Base, SoftDeletable, Versioned, Audited):
    __tablename__ = "rooms"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Plain(Base):
    __tablename__ = "plain"

    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def states(engine: Engine) -> set[str]:
    return {each.state for each in status(engine, Base)}


def test_an_engine_is_installed_once(engine: Engine) -> None:
    assert "current" not in states(engine)
    assert not install(engine, Base).empty
    assert states(engine) == {"current"}
    assert install(engine, Base).empty


@pytest.mark.parametrize("source", [Base, Base.registry, Base.metadata], ids=["base", "registry", "metadata"])
def test_the_models_are_given_in_any_of_three_forms(sqlite_database: str, source: object) -> None:
    engine = create_engine(sqlite_database)
    Base.metadata.create_all(engine)
    install(engine, source)
    assert states(engine) == {"current"}
    engine.dispose()


def test_over_a_connection_it_is_part_of_the_transaction(engine: Engine) -> None:
    holdfast.sqlalchemy.bind(engine)
    with engine.connect() as connection:
        install(connection, Base)
        assert {each.state for each in status(connection, Base)} == {"current"}
        connection.rollback()
    assert "current" not in states(engine)
    with engine.begin() as connection:
        install(connection, Base)
    assert states(engine) == {"current"}


def test_a_database_in_memory() -> None:
    engine = create_engine("sqlite://")
    holdfast.sqlalchemy.bind(engine)
    Base.metadata.create_all(engine)
    install(engine, Base)
    assert states(engine) == {"current"}
    engine.dispose()


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg", "sqlite+aiosqlite"])
def test_asynchronous_drivers(driver: str, request: pytest.FixtureRequest) -> None:
    fixture = "sqlite_database" if driver.startswith("sqlite") else "postgresql_database"
    url = sa.make_url(request.getfixturevalue(fixture)).set(drivername=driver)

    async def run() -> set[str]:
        engine = create_async_engine(url)
        holdfast.sqlalchemy.bind(engine)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.run_sync(install, Base)
        async with engine.begin() as connection:
            assert (await connection.run_sync(install, Base)).empty
            found = {each.state for each in await connection.run_sync(status, Base)}
        await engine.dispose()
        return found

    assert asyncio.run(run()) == {"current"}


def test_a_policy_above_the_class_takes_the_place_of_the_mixins(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    @protect(Audit(exclude={"iban"}), SoftDelete("removed_on", raw_delete="refuse"))
    class Invoice(Own, Audited):
        __tablename__ = "invoices"

        id: Mapped[int] = mapped_column(primary_key=True)
        iban: Mapped[str | None]
        removed_on: Mapped[holdfast.sqlalchemy.UTCDateTime | None] = mapped_column(holdfast.sqlalchemy.UTCDateTime)

    assert policies_of(Own.metadata.tables["invoices"]) == (
        Audit(exclude={"iban"}),
        SoftDelete("removed_on", raw_delete="refuse"),
    )
    Own.metadata.create_all(engine)
    install(engine, Own)
    assert {each.state for each in status(engine, Own)} == {"current"}


def test_what_cannot_be_declared_is_said() -> None:
    table = Table("notes", MetaData(), Column("id", Integer, primary_key=True))
    with pytest.raises(DeclarationError, match="HF102: notes has no column 'version'"):
        protect(Version())(table)
    with pytest.raises(DeclarationError, match="HF113"):
        protect(Audit())(object)


def test_a_table_that_is_not_there_is_named(sqlite_database: str) -> None:
    engine = create_engine(sqlite_database)
    with pytest.raises(UnsupportedError, match="HF409: There is no table 'rooms'"):
        install(engine, Base)
    engine.dispose()


def test_a_version_of_the_models_own_needs_no_default(database: str) -> None:
    class Local(DeclarativeBase):
        pass

    @protect(Audit(), Version("revision"))
    class Note(Local):
        __tablename__ = "notes"

        id: Mapped[int] = mapped_column(primary_key=True)
        revision: Mapped[int | None]

    engine = create_engine(database)
    holdfast.sqlalchemy.bind(engine)
    Local.metadata.create_all(engine)
    install(engine, Local)
    with holdfast.sqlalchemy.Session(engine) as session:
        notes = [Note(), Note()]
        session.add_all(notes)
        session.flush()
        assert [each.revision for each in notes] == [1, 1]
        session.execute(sa.update(Note).values(id=Note.id + 10))
        session.commit()
        assert {each.revision for each in session.scalars(sa.select(Note))} == {2}
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_server_default": True}), Local.metadata
        )
    assert [each for each in differences if "notes" in str(each)] == []
    engine.dispose()
