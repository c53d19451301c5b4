"""Indexes over the rows that live, and foreign keys that no index serves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    desc,
    func,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdfast.sqlalchemy.foreign_keys import unindexed_foreign_keys
from holdfast.sqlalchemy.live import index_live, unique_live
from holdfast.sqlalchemy.naming import NAMING_CONVENTION


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = (
        unique_live("email"),
        unique_live("tenant", text("lower(name)"), mark="Removed On"),
        index_live("tenant", desc("name")),
        index_live("tenant", name="by_tenant"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int] = mapped_column(default=1)
    email: Mapped[str | None]
    name: Mapped[str]
    deleted_at: Mapped[datetime | None]
    removed_on: Mapped[datetime | None] = mapped_column("Removed On")


NOW = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def test_names_say_that_they_are_of_the_living() -> None:
    assert {index.name for index in Customer.__table__.indexes} == {
        "uq_customers_email_live",
        "uq_customers_tenant_lower_name_live",
        "ix_customers_tenant_name_desc_live",
        "by_tenant",
    }


def test_what_a_deleted_row_held_is_free_again_and_a_living_one_keeps_it(database: str) -> None:
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        ada = Customer(email="a@x", name="Ada", deleted_at=NOW)
        session.add_all([ada, Customer(email="a@x", name="Bo"), Customer(email=None, name="C"), Customer(name="D")])
        session.commit()
        for refused in (Customer(email="a@x", name="E"), Customer(email="f@x", name="BO")):
            session.add(refused)
            with pytest.raises(IntegrityError):
                session.flush()
            session.rollback()
        session.add(Customer(email="g@x", name="bo", removed_on=NOW))
        session.commit()
        # A restore meets whoever took the value meanwhile.
        ada.deleted_at = None
        with pytest.raises(IntegrityError):
            session.flush()
    engine.dispose()


def test_a_list_of_the_living_is_read_in_the_order_of_its_index(database: str) -> None:
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    query = "select name from customers where tenant = 1 and deleted_at is null order by tenant, name desc"
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("set enable_seqscan = off")
            connection.exec_driver_sql("set enable_bitmapscan = off")
            plan = " ".join(row[0] for row in connection.exec_driver_sql(f"explain {query}"))
        else:
            plan = " ".join(row[3] for row in connection.exec_driver_sql(f"explain query plan {query}"))
    assert "ix_customers_tenant_name_desc_live" in plan
    assert "SORT" not in plan.upper()
    assert "TEMP B-TREE" not in plan
    engine.dispose()


def unindexed(*parts: Column[object] | Index | UniqueConstraint | ForeignKeyConstraint) -> list[list[str]]:
    metadata = MetaData()
    Table("p", metadata, Column("a", Integer, primary_key=True), Column("b", Integer, primary_key=True))
    Table("q", metadata, Column("id", Integer, primary_key=True))
    Table("c", metadata, *parts)
    return [key.column_keys for key in unindexed_foreign_keys(metadata)]


def test_a_foreign_key_without_an_index_is_found() -> None:
    key = Column("x", ForeignKey("q.id"))
    assert unindexed(key) == [["x"]]
    for served in (
        [Column("x", ForeignKey("q.id"), index=True)],
        [Column("x", ForeignKey("q.id"), unique=True)],
        [Column("x", ForeignKey("q.id"), primary_key=True)],
        [Column("x", ForeignKey("q.id")), Column("y", Text), Index("i", "x", "y")],
        [Column("x", ForeignKey("q.id")), Index("i", "x", postgresql_using="hash")],
    ):
        assert unindexed(*served) == []
    for index in (
        Index("i", "y", "x"),
        Index("i", func.abs(text("x"))),
        Index("i", "x", postgresql_where=text("y is null"), sqlite_where=text("y is null")),
        Index("i", "x", postgresql_using="brin"),
        index_live("x", name="i"),
        unique_live("x", name="i"),
    ):
        assert unindexed(Column("x", ForeignKey("q.id")), Column("y", Text), index) == [["x"]]


@pytest.mark.parametrize(
    "index, served", [((), False), (("y", "x"), True), (("x", "y", "z"), True), (("x",), False), (("x", "z"), False)]
)
def test_a_foreign_key_of_two_columns_needs_both_in_any_order(index: tuple[str, ...], served: bool) -> None:
    columns = [Column(name, Integer) for name in "xyz"]
    key = ForeignKeyConstraint(["x", "y"], ["p.a", "p.b"])
    assert unindexed(*columns, key, *([Index("i", *index)] if index else [])) == ([] if served else [["x", "y"]])
