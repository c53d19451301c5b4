"""Whatever a column can hold, bulk_insert writes what an ORM insert writes, and so do bulk_update and upsert."""

from __future__ import annotations

import asyncio
import datetime
import enum
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdfast.database import prepare_engine
from holdfast.sqlalchemy import UTCDateTime
from holdfast.sqlalchemy.bulk import bulk_insert, bulk_update, upsert
from holdfast.sqlalchemy.bulk.inserting import COPY_FROM
from holdfast.sqlalchemy.naming import enum_column
from tests.servers import EXTERNAL, Servers, available

Run = Callable[[Callable[[Session], Any]], Any]


class Mood(enum.Enum):
    GOOD = "it's \\good\t"
    BAD = "\\N"


class Shouted(sa.types.TypeDecorator[str]):
    """A type of the application's own."""

    impl = sa.String(100)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else f"{value}!"


class Base(DeclarativeBase):
    pass


class Everywhere(Base):
    """What both databases hold."""

    __tablename__ = "everywhere"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None]
    short: Mapped[str | None] = mapped_column(sa.String(60))
    shouted: Mapped[str | None] = mapped_column(Shouted)
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)
    large: Mapped[int | None] = mapped_column(sa.BigInteger)
    exact: Mapped[Decimal | None] = mapped_column(sa.Numeric(20, 4, asdecimal=False))
    real: Mapped[float | None] = mapped_column(sa.Double)
    flag: Mapped[bool | None]
    day: Mapped[datetime.date | None]
    clock: Mapped[datetime.time | None]
    moment: Mapped[datetime.datetime | None] = mapped_column(UTCDateTime)
    plain: Mapped[datetime.datetime | None] = mapped_column(sa.DateTime)
    span: Mapped[datetime.timedelta | None] = mapped_column(sa.Interval)
    raw: Mapped[bytes | None]
    uid: Mapped[uuid.UUID | None]
    mood: Mapped[Mood | None] = enum_column(Mood)
    document: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
    sql_null: Mapped[Any] = mapped_column(sa.JSON(none_as_null=True), nullable=True)


class OnPostgreSQL(Base):
    """What PostgreSQL holds besides."""

    __tablename__ = "on_postgresql"

    id: Mapped[int] = mapped_column(primary_key=True)
    numbers: Mapped[list[int | None] | None] = mapped_column(postgresql.ARRAY(sa.Integer))
    words: Mapped[list[str | None] | None] = mapped_column(postgresql.ARRAY(sa.String(30)))
    moods: Mapped[list[Mood] | None] = mapped_column(postgresql.ARRAY(sa.Enum(Mood, name="moods_array")))
    mood: Mapped[Mood | None] = mapped_column(sa.Enum(Mood, name="moods"))
    binary: Mapped[Any] = mapped_column(postgresql.JSONB, nullable=True)
    exact: Mapped[Decimal | None] = mapped_column(sa.Numeric)
    real: Mapped[float | None] = mapped_column(sa.Double)
    among: Mapped[Range[int] | None] = mapped_column(postgresql.INT4RANGE)
    address: Mapped[str | None] = mapped_column(postgresql.INET)
    moment: Mapped[datetime.datetime | None] = mapped_column(sa.DateTime(timezone=True))


class OnServer(Base):
    """Types that only a server can write out: COPY in its binary form is not for these."""

    __tablename__ = "on_server"

    id: Mapped[int] = mapped_column(primary_key=True)
    bits: Mapped[str | None] = mapped_column(postgresql.TSVECTOR)
    path: Mapped[str | None] = mapped_column(sa.Text)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", "\\N", "\\.", "NULL", "a\tb", "a\nb\r\n", "\\", "\\\\t", '"', "''", "{a,b}", "%s %(x)s :y $1"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
ZONES = st.sampled_from([datetime.UTC, datetime.timezone(datetime.timedelta(hours=5, minutes=45))])
MOMENTS = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2900, 1, 1), timezones=ZONES)  # noqa: DTZ001
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)


def row_of(**columns: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: st.none() | values for name, values in columns.items()})


EVERYWHERE = row_of(
    text=TEXTS,
    short=TEXTS,
    shouted=TEXTS,
    small=st.integers(-(2**15), 2**15 - 1),
    large=st.integers(-(2**63), 2**63 - 1),
    exact=st.decimals(-(10**9), 10**9, places=4).map(float) | st.integers(-(10**9), 10**9),
    real=FLOATS | st.integers(-(2**40), 2**40),
    flag=st.booleans(),
    day=st.dates(),
    clock=st.times(),
    moment=MOMENTS,
    plain=st.datetimes(datetime.datetime(1900, 1, 1)),  # noqa: DTZ001
    span=st.timedeltas(datetime.timedelta(-9999), datetime.timedelta(9999)),
    raw=st.binary(max_size=20),
    uid=st.uuids(),
    mood=st.sampled_from(Mood),
    document=JSON,
    sql_null=JSON,
)
POSTGRESQL = row_of(
    numbers=st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=3),
    words=st.lists(st.none() | TEXTS, max_size=3),
    moods=st.lists(st.sampled_from(Mood), max_size=2),
    mood=st.sampled_from(Mood),
    binary=JSON,
    exact=st.decimals(allow_infinity=False, allow_nan=False) | st.just(Decimal("NaN")) | st.integers(-(10**30), 10**30),
    real=st.floats() | st.integers(-(2**40), 2**40),
    among=st.tuples(st.integers(-99, 0), st.integers(1, 99), st.sampled_from(["[)", "(]", "[]", "()"])).map(
        lambda each: Range(each[0], each[1], bounds=each[2])  # type: ignore[arg-type]
    ),
    address=st.ip_addresses().map(str),
    moment=MOMENTS,
)


@pytest.fixture(scope="module", params=["postgresql+psycopg", "postgresql+asyncpg", "sqlite"])
def run(request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs work in a session over that driver, and takes back what it wrote."""
    if request.param == "sqlite":
        engine = sa.create_engine(f"sqlite:///{tmp_path_factory.mktemp('types') / 'types.db'}")
        prepare_engine(engine)
        Base.metadata.create_all(engine, tables=[Everywhere.__table__])  # type: ignore[list-item]

        def run(work: Callable[[Session], Any]) -> Any:
            with Session(engine) as session:
                return work(session)

        yield run
        engine.dispose()
        return
    with servers.get(None if EXTERNAL else next(iter(available()), None)).new_database() as url:
        with asyncio.Runner() as runner:
            asynchronous = create_async_engine(sa.make_url(url).set(drivername=request.param))

            async def create() -> None:
                async with asynchronous.begin() as connection:
                    await connection.run_sync(Base.metadata.create_all)

            async def working(work: Callable[[Session], Any]) -> Any:
                async with AsyncSession(asynchronous) as session:
                    return await session.run_sync(work)

            runner.run(create())
            yield lambda work: runner.run(working(work))
            runner.run(asynchronous.dispose())


def stored(session: Session, model: type[Base]) -> list[tuple[Any, ...]]:
    """Every value as the database itself spells it."""
    columns = [column for column in model.__table__.columns if column.name != "id"]
    if session.get_bind().dialect.name == "sqlite":
        shown: list[Any] = [sa.func.quote(column) for column in columns]
    else:
        shown = [sa.cast(sa.type_coerce(column, sa.Text), sa.Text) for column in columns]
    return [tuple(row) for row in session.execute(sa.select(*shown).order_by(model.__table__.c.id))]


def compare(session: Session, model: type[Any], rows: list[dict[str, Any]]) -> None:
    """The ORM writes them; so do a COPY, an INSERT, an UPDATE and an upsert."""
    session.add_all([model(**row) for row in rows])
    session.flush()
    wanted = stored(session, model)
    assert len(wanted) == len(rows)
    bulk_insert(session, model, rows)
    assert stored(session, model)[len(rows) :] == wanted
    many = rows * (COPY_FROM // len(rows) + 1)
    session.execute(sa.delete(model.__table__))
    bulk_insert(session, model, many)
    assert stored(session, model) == wanted * (COPY_FROM // len(rows) + 1)
    session.execute(sa.delete(model.__table__))
    numbered = [{"id": number, **row} for number, row in enumerate(rows, 1)]
    upsert(session, model, numbered, on=["id"], update=list(rows[0]))
    assert stored(session, model) == wanted
    upsert(
        session, model, [{**numbered[-1 - n], "id": n + 1} for n in range(len(rows))], on=["id"], update=list(rows[0])
    )
    assert stored(session, model) == wanted[::-1]
    bulk_update(session, model, numbered)
    assert stored(session, model) == wanted
    session.expunge_all()


CHECKED = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
ON_POSTGRESQL = pytest.mark.parametrize("run", ["postgresql+psycopg", "postgresql+asyncpg"], indirect=True)
NOTHING: dict[str, Any] = dict.fromkeys(c.name for c in Everywhere.__table__.columns if c.name != "id")


@given(rows=st.lists(EVERYWHERE, min_size=1, max_size=4))
@example(rows=[NOTHING, {**NOTHING, "text": "\\N", "real": 1}, {**NOTHING, "text": "", "real": 2.5}])
@CHECKED
def test_what_is_written_is_what_the_orm_writes(run: Run, rows: list[dict[str, Any]]) -> None:
    run(lambda session: compare(session, Everywhere, rows))


@ON_POSTGRESQL
@given(rows=st.lists(POSTGRESQL, min_size=1, max_size=4))
@CHECKED
def test_what_is_written_on_postgresql_is_what_the_orm_writes(run: Run, rows: list[dict[str, Any]]) -> None:
    run(lambda session: compare(session, OnPostgreSQL, rows))


@ON_POSTGRESQL
def test_types_that_a_driver_does_not_know_are_inserted(run: Run) -> None:
    rows = [{"bits": "'a':1 'b':2", "path": "x"}, {"bits": None, "path": "\t"}]
    run(lambda session: compare(session, OnServer, rows))
