"""Names that tell constraints apart, and fit; and enums that the database checks."""

from __future__ import annotations

import asyncio
import enum

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    column,
    create_engine,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdfast.errors import DeclarationError
from holdfast.sqlalchemy.live import index_live, unique_live
from holdfast.sqlalchemy.naming import NAMING_CONVENTION, enum_column


def names_in(engine: Engine, names: set[str]) -> set[str]:
    """Which of the names the database has for a constraint or an index."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            query = "select conname from pg_constraint union select relname from pg_class where relkind = 'i'"
            return names & set(connection.scalars(text(query)))
        script = " ".join(connection.scalars(text("select sql from sqlite_schema where sql is not null")))
        return {name for name in names if f'"{name}"' in script}


def names_of(table: Table) -> set[str]:
    return {str(each.name) for each in (*table.constraints, *table.indexes)}


def test_names_are_of_all_columns() -> None:
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    Table("parents", metadata, Column("a", Integer, primary_key=True), Column("b", Integer, primary_key=True))
    table = Table(
        "t",
        metadata,
        Column("id", Integer, primary_key=True),
        *(Column(name, Integer) for name in "abc"),
        UniqueConstraint("a", "b"),
        UniqueConstraint("a", "c"),
        Index(None, "a", "b"),
        Index(None, "a", "c"),
        Index(None, "c", func.abs(column("b"))),
        ForeignKeyConstraint(["a", "b"], ["parents.a", "parents.b"]),
        ForeignKeyConstraint(["a", "c"], ["parents.a", "parents.b"]),
        CheckConstraint("a > 0", name="given"),
    )
    assert names_of(table) == {
        "pk_t", "uq_t_a_b", "uq_t_a_c", "ix_t_a_b", "ix_t_a_c", "ix_t_c_abs_b",
        "fk_t_a_b_parents", "fk_t_a_c_parents", "given",
    }  # fmt: skip


def test_the_names_in_the_metadata_are_those_in_the_database(database: str) -> None:
    """Long, alike, of many bytes, of another schema's spelling: nothing is cut off, and no two meet."""
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    stem = "Bestellübersicht größerer Ämter"
    long = [f"{stem} Straße {n}" for n in range(3)]
    table = Table(
        stem,
        metadata,
        Column("id", Integer, primary_key=True),
        *(Column(name, Integer) for name in long),
        Column("parent", ForeignKey(f"{stem}.id")),
        Column("percent%", Text, index=True),
        *(UniqueConstraint(long[0], name) for name in long[1:]),
        *(Index(None, long[0], name) for name in long[1:]),
        *(CheckConstraint(f'"{long[0]}" > {n}') for n in range(2)),
        CheckConstraint("\"percent%\" <> ''"),
        unique_live(long[0], mark=long[1]),
        index_live(long[0], text(f'"{long[2]}" desc'), mark=long[1]),
    )
    engine = create_engine(database)
    metadata.create_all(engine)
    names = names_of(table)
    assert len(names) == 1 + 1 + 1 + 2 + 2 + 3 + 2
    assert all(len(name.encode()) <= 63 for name in names)
    assert names_in(engine, names) == names
    engine.dispose()


def test_names_stay_the_same_from_run_to_run() -> None:
    """They are in databases: another name for the same thing would be a migration that nobody wrote."""
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    table = Table(
        "orders",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("total", Integer),
        CheckConstraint("total   >\n 0"),
        Index(None, "total", *(func.abs(column("total") + n) for n in range(8))),
    )
    assert names_of(table) == {
        "pk_orders",
        "ck_orders_total_0_bed5fbc6",
        "ix_orders_total_abs_total_0_abs_total_1_abs_total_26af8ac2d787",
    }
    copied = table.to_metadata(MetaData(naming_convention=NAMING_CONVENTION))
    assert names_of(copied) == names_of(table)


class Status(enum.StrEnum):
    NEW = "new"
    PAID = "paid"
    SENT = "sent"


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l, or so"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[Status] = enum_column(Status, default=Status.NEW, server_default=Status.NEW)
    size: Mapped[Size | None] = enum_column(Size, check="sizes")


def test_an_enum_is_text_that_the_database_checks(database: str) -> None:
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    columns = {each["name"]: each for each in inspect(engine).get_columns("orders")}
    assert str(columns["status"]["type"]) == "VARCHAR"
    assert (columns["status"]["nullable"], columns["size"]["nullable"]) == (False, True)
    checks = {each["name"] for each in inspect(engine).get_check_constraints("orders")}
    assert "sizes" in checks
    assert len(checks) == 2
    assert any(str(name).startswith("ck_orders_status_") for name in checks)
    with Session(engine) as session:
        session.add_all([Order(id=1, status=Status.PAID, size=Size.LARGE), Order(id=2)])
        session.execute(text("insert into orders (id) values (3)"))
        session.commit()
        rows = session.execute(select(Order.status, Order.size).order_by(Order.id)).all()
        assert [tuple(row) for row in rows] == [(Status.PAID, Size.LARGE), (Status.NEW, None), (Status.NEW, None)]
        assert session.execute(text("select status, size from orders where id = 1")).one() == ("paid", "l, or so")
        assert session.scalars(select(Order.id).where(Order.status == Status.PAID)).all() == [1]
        for values in ("'lost', null", "'new', 'LARGE'"):
            with pytest.raises(IntegrityError), session.begin_nested():
                session.execute(text(f"insert into orders (id, status, size) values (4, {values})"))
    engine.dispose()


def test_enums_of_a_mixin_have_names_of_their_own(database: str) -> None:
    """A mixin's column is a copy, and so is every column of a copied table."""

    class Shipped:
        status: Mapped[Status] = enum_column(Status)
        before: Mapped[Status | None] = enum_column(Status)

    base = type("Local", (DeclarativeBase,), {"metadata": MetaData(naming_convention=NAMING_CONVENTION)})
    parcel = type(
        "Parcel", (Shipped, base), {"__tablename__": "parcels", "id": mapped_column(Integer, primary_key=True)}
    )
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    copied = parcel.__table__.to_metadata(metadata)
    engine = create_engine(database)
    metadata.create_all(engine)
    checks = {str(each["name"]).rpartition("_")[0] for each in inspect(engine).get_check_constraints("parcels")}
    assert checks == {"ck_parcels_status", "ck_parcels_before"}
    with engine.begin() as connection:
        connection.execute(copied.insert().values(id=1, status=Status.PAID))
        assert connection.execute(select(copied)).one() == (1, Status.PAID, None)
    engine.dispose()


def test_a_value_that_the_enum_lacks_is_told(database: str) -> None:
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table orders (id int primary key, status varchar, size varchar)")
        connection.exec_driver_sql("insert into orders values (1, 'lost', null)")
    with Session(engine) as session:
        with pytest.raises(LookupError, match=r"'lost' is not among the defined enum values.*new, paid, sent"):
            session.get(Order, 1)
        with pytest.raises(StatementError, match="'stolen' is not among the defined enum values"):
            session.execute(Order.__table__.insert().values(id=2, status="stolen"))
    engine.dispose()


def test_enums_through_asynchronous_drivers(database: str) -> None:
    url = make_url(database)
    driver = "postgresql+asyncpg" if url.get_backend_name() == "postgresql" else "sqlite+aiosqlite"

    async def run() -> None:
        engine = create_async_engine(url.set(drivername=driver))
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add(Order(id=1, status=Status.SENT, size=Size.SMALL))
            await session.commit()
            assert (await session.execute(select(Order.status, Order.size))).one() == (Status.SENT, Size.SMALL)
        await engine.dispose()

    asyncio.run(run())


def test_another_value_is_another_check() -> None:
    """So the new constraint can be added, and validated, beside the old one."""

    def check(*values: str) -> str:
        kind = enum.Enum("Kind", {value.upper(): value for value in values})  # type: ignore[misc]
        metadata = MetaData(naming_convention=NAMING_CONVENTION)
        table = Table("t", metadata, Column("kind", enum_column(kind).column.type))
        engine = create_engine("sqlite://")
        metadata.create_all(engine)
        (name,) = (each["name"] for each in inspect(engine).get_check_constraints(table.name))
        return str(name)

    assert check("a", "b") == check("b", "a")
    assert check("a", "b") != check("a", "b", "c")
    assert check("a", "b").startswith("ck_t_kind_")


def test_only_text_is_stored() -> None:
    class Level(enum.IntEnum):
        LOW = 1

    with pytest.raises(DeclarationError, match="HF112"):
        enum_column(Level)
