"""Indexes and constraints of which stock autogenerate says that nothing has changed."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, Numeric, String, Table, text

from holdfast.alembic.expressions import is_different
from holdfast.sqlalchemy import unique_live
from tests.alembic.project import Project


def accounts(*more: Any, **options: Any) -> MetaData:
    metadata = MetaData(**options)
    Table(
        "accounts",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("email", String(100)),
        Column("tenant", Integer),
        Column("balance", Numeric(10, 2)),
        Column("kind", String(10)),
        Column("deleted_at", sa.DateTime(timezone=True)),
        Column("parent", ForeignKey("accounts.id", name="fk_parent")),
        *more,
    )
    return metadata


def live(predicate: str | None = "deleted_at is null", *include: str) -> Index:
    where = None if predicate is None else text(predicate)
    options = {"postgresql_include": list(include)} if include else {}
    return Index("live_email", "email", unique=True, postgresql_where=where, sqlite_where=where, **options)


def started(database: str, tmp_path: Path, metadata: MetaData) -> Project:
    project = Project(tmp_path, database, metadata)
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    return project


def test_the_predicate_of_an_index(database: str, tmp_path: Path) -> None:
    project = started(database, tmp_path, accounts(unique_live("email", name="live_email")))
    there = project.schema()
    for predicate in ("deleted_at is null and tenant > 0", None):
        project.metadata = accounts(live(predicate))
        assert "live_email" in project.drift()
        project.revise()
        project.upgrade()
        assert project.drift() == ""
        project.forget()
        assert _without_parentheses(project.schema()) == _without_parentheses(there)


def _without_parentheses(schema: str) -> str:
    return schema.translate({ord("("): None, ord(")"): None})


def test_what_an_index_carries_along(postgresql_database: str, tmp_path: Path) -> None:
    project = started(postgresql_database, tmp_path, accounts(live("deleted_at is null", "tenant")))
    there = project.schema()
    project.metadata = accounts(live("deleted_at is null", "tenant", "kind"))
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    project.forget()
    assert project.schema() == there


def test_an_index_that_was_never_finished_and_constraints_that_were_never_asked(
    postgresql_database: str, tmp_path: Path
) -> None:
    metadata = accounts(Index("by_email", "email", unique=True), CheckConstraint("balance >= 0", name="never_below"))
    project = started(postgresql_database, tmp_path, metadata)
    there = project.schema()
    project.run(
        "drop index by_email",
        "alter table accounts drop constraint never_below, drop constraint fk_parent",
        "alter table accounts add constraint never_below check (balance >= 0) not valid,"
        " add constraint fk_parent foreign key (parent) references accounts not valid",
        "insert into accounts (id, email) values (1, 'a'), (2, 'a')",
    )
    engine = sa.create_engine(postgresql_database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, contextlib.suppress(sa.exc.IntegrityError):
        connection.exec_driver_sql("create unique index concurrently by_email on accounts (email)")
    engine.dispose()
    assert all(name in project.drift() for name in ("by_email", "never_below", "fk_parent"))
    project.run("delete from accounts")
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    assert project.schema() == there


def test_the_text_of_a_check(database: str, tmp_path: Path) -> None:
    """One that the database understands by its grammar, and one of a grammar that is not known here."""

    def kinds(*names: str, more: str = "", length: int = 100) -> MetaData:
        listed = ", ".join(f"'{name}'" for name in names)
        checks = [CheckConstraint(f"kind IN ({listed}) AND balance BETWEEN 0 AND 100.5", name="kinds")]
        if more:
            checks.append(CheckConstraint(f"CASE WHEN email = '{more}' THEN balance ELSE 1 END > 0", name="cases"))
        metadata = accounts(*checks, naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})
        metadata.tables["accounts"].c.email.type = String(length)
        return metadata

    project = started(database, tmp_path, kinds("a\\:b", "b"))
    project.metadata = kinds("a\\:b", "b", "c", more="%x")
    drift = project.drift()
    assert "replace check ck_accounts_kinds" in drift
    assert "create check ck_accounts_cases" in drift
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    # What is made anew for something else keeps it as it is.
    project.metadata = kinds("a\\:b", "b", "c", more="%x", length=200)
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    project.forget()
    project.forget()
    project.metadata = kinds("a\\:b", "b")
    assert project.drift() == ""


def test_a_check_that_somebody_dropped(postgresql_database: str, tmp_path: Path) -> None:
    project = started(postgresql_database, tmp_path, accounts(CheckConstraint("balance > 0", name="positive")))
    project.run("alter table accounts drop constraint positive")
    assert "create check positive" in project.drift()


SPELLED = [
    "deleted_at IS NULL",
    "NOT (kind = 'a' OR tenant <> -1)",
    "lower(email) != ''",
    "email LIKE 'a%' AND email NOT ILIKE '%b'",
    "kind IN ('a', 'b')",
    "tenant NOT IN (1, 2)",
    "balance * 2 + 1 >= 1.50",
    "tenant NOT BETWEEN 1 AND 5",
    "kind = 'it''s'",
    "deleted_at > '2020-1-1'",
    "coalesce(kind, 'x') IS DISTINCT FROM 'y'",
    "email ~ '^a' AND email !~* 'b'",
    "CASE WHEN tenant = 1 THEN true ELSE false END",
    "deleted_at AT TIME ZONE 'UTC' > '2020-01-01'",
    "(tenant, kind) = (1, 'a')",
    "extract(year from deleted_at) = 2020",
    "kind = ANY (ARRAY['a', 'b'])",
    "CAST(balance AS integer) % 2 = 0",
    "email SIMILAR TO 'a'",
    "kind || email <> 'ab'",
    "tenant::bigint = 1",
    "balance > '1.5'",
    "position('a' in email) > 0",
    "length(email) <= 5 IS TRUE",
    "char_length(trim(email)) > 0",
    "kind COLLATE \"C\" > 'a'",
    "tenant # 1 = 0",
    "deleted_at < now() - interval '1 day'",
]


def test_no_spelling_of_the_databases_own_is_called_a_change(postgresql_database: str) -> None:
    engine = sa.create_engine(postgresql_database)
    with engine.begin() as connection:
        accounts().create_all(connection)
        for number, condition in enumerate(SPELLED):
            connection.exec_driver_sql(
                f"alter table accounts add constraint c{number} check ({condition.replace('%', '%%')})"
            )
            [(spelled,)] = connection.exec_driver_sql(
                f"select pg_get_expr(conbin, conrelid) from pg_constraint where conname = 'c{number}'"
            )
            assert not is_different(condition, spelled), (condition, spelled)
    engine.dispose()


@pytest.mark.parametrize(
    ("model", "spelled"),
    [
        ("deleted_at IS NULL", None),
        ("deleted_at IS NULL", "(removed_at IS NULL)"),
        ("deleted_at IS NULL", "(deleted_at IS NOT NULL)"),
        (
            "kind IN ('a', 'b')",
            "((kind)::text = ANY ((ARRAY['a'::character varying, 'c'::character varying])::text[]))",
        ),
        ("tenant > 1", "(tenant > 2)"),
        ("tenant > 1", "(tenant >= 1)"),
        ("a IS NULL AND b IS NULL", "((a IS NULL) OR (b IS NULL))"),
    ],
)
def test_what_is_another_condition_is_seen(model: str, spelled: str | None) -> None:
    assert is_different(model, spelled)


def test_tables_that_refer_to_each_other_are_dropped_in_their_order(database: str, tmp_path: Path) -> None:
    """Whoever refers goes first, and a table that stays lets go first; stock autogenerate goes through a set."""
    names = ["cities", "areas", "lands", "parts", "worlds"]

    def tables(names: list[str]) -> MetaData:
        metadata = MetaData(naming_convention={"fk": "fk_%(table_name)s", "ix": "ix_%(table_name)s"})
        for name, within in itertools.zip_longest(names, names[1:]):
            refers = [Column("within", ForeignKey(f"{within}.id"), index=True)] if within else []
            Table(name, metadata, Column("id", Integer, primary_key=True), *refers)
        refers = [ForeignKey("lands.id")] if "lands" in names else []
        Table("accounts", metadata, Column("id", Integer, primary_key=True), Column("land", Integer, *refers))
        return metadata

    project = started(database, tmp_path, tables(names))
    there = project.schema()
    with sa.create_engine(database, poolclass=sa.NullPool).begin() as connection:
        connection.execute(text("insert into worlds (id) values (1)"))
        for name in names[-2::-1]:
            connection.execute(text(f"insert into {name} (id, within) values (1, 1)"))
        connection.execute(text("insert into accounts (id, land) values (1, 1)"))
    project.metadata = tables([])
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    with sa.create_engine(database, poolclass=sa.NullPool).begin() as connection:
        assert connection.execute(text("update accounts set land = null where land = 1")).rowcount == 1
    project.downgrade("r001")
    # A table that SQLite has made anew and renamed stands there in quotes.
    assert project.schema().replace('"', "") == there.replace('"', "")
