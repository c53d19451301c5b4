"""Guards: a statement that touches more rows than expected is refused by the database, unless it says so first."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

import holdfast
from holdfast.database import Database, explained
from holdfast.errors import DeclarationError, GuardError, RefusedError
from holdfast.policies import Audit, Guard
from tests.harness import Protected, journal
from tests.servers import PsqlError, libpq_url, psql
from tests.suite.test_soft_delete import made

pytestmark = pytest.mark.copy_of(build=journal)

ROOMS = (
    "create table rooms (id int primary key, name text)",
    "insert into rooms values (1, 'a'), (2, 'a'), (3, 'a'), (4, 'a'), (5, 'a')",
)


@pytest.fixture
def rooms(database: str) -> Protected:
    return made(database, *ROOMS, protect={"rooms": [Audit(), Guard(max_rows=3)]})


def refused(protected: Protected, *statements: str, code: str = "HF204") -> GuardError:
    before, journal = protected.checksum("rooms"), len(protected.log())
    with pytest.raises(GuardError) as caught:
        protected.run(*statements)
    assert caught.value.code == code
    assert (protected.checksum("rooms"), len(protected.log())) == (before, journal)
    return caught.value


@pytest.mark.parametrize(
    ("verb", "statement"),
    [
        ("UPDATE", "update rooms set name = 'b'"),
        ("DELETE", "delete from rooms"),
        ("DELETE", "delete from rooms where id > 1"),
        ("UPDATE", "insert into rooms select id, 'b' from rooms where true on conflict (id) do update set name = 'b'"),
    ],
)
def test_a_mass_write_is_refused_and_says_how_to_mean_it(rooms: Protected, verb: str, statement: str) -> None:
    error = refused(rooms, "insert into rooms values (6, 'b')", statement)
    assert error.message.startswith(f"{verb} of ")
    assert "3 " in error.message
    assert "holdfast" in error.hint


def test_as_many_as_expected_pass_in_each_statement(rooms: Protected) -> None:
    rooms.run("update rooms set name = 'b' where id < 4", "update rooms set name = 'c' where id > 2")
    rooms.run("delete from rooms where id < 4", "delete from rooms")
    assert rooms.rows("select * from rooms") == []


def test_inserts_are_not_guarded(rooms: Protected) -> None:
    rooms.run("insert into rooms select id + 10, name from rooms")
    assert rooms.rows("select count(*) from rooms") == [(10,)]


@pytest.mark.parametrize("allow", ["mass", "5", 5, "1000000", "truncate,5"])
def test_a_context_can_announce_it(rooms: Protected, allow: str | int) -> None:
    engine = rooms.database.engine
    holdfast.bind(engine)
    with holdfast.context(actor="ada", allow=allow), engine.begin() as connection:
        connection.exec_driver_sql("update rooms set name = 'b'")
        connection.exec_driver_sql("delete from rooms")
    assert rooms.rows("select * from rooms") == []
    assert {each.actor for each in rooms.log()} == {"ada"}
    rooms.run(*ROOMS[1:])
    refused(rooms, "delete from rooms")


@pytest.mark.parametrize("allow", ["4", "truncate", "hard_delete", "massive", "-9", "5x", ""])
def test_an_announcement_of_something_else_is_none(rooms: Protected, allow: str) -> None:
    engine = rooms.database.engine
    holdfast.bind(engine)
    with holdfast.context(allow=allow), pytest.raises(GuardError), explained(rooms.database.dialect):
        with engine.begin() as connection:
            connection.exec_driver_sql("delete from rooms")
    assert rooms.rows("select count(*) from rooms") == [(5,)]


def test_the_error_arrives_as_ours_from_any_engine(rooms: Protected) -> None:
    engine = sa.create_engine(rooms.url)
    with pytest.raises(GuardError) as caught, explained(rooms.database.dialect), engine.begin() as connection:
        connection.exec_driver_sql("delete from rooms")
    engine.dispose()
    assert isinstance(caught.value, RefusedError)
    assert isinstance(caught.value.__cause__, sa.exc.DBAPIError)
    assert str(caught.value) == f"HF204: {caught.value.message} {caught.value.hint}"
    with pytest.raises(GuardError), Database(rooms.url).begin() as connection:
        connection.exec_driver_sql("delete from rooms")


def test_a_refused_savepoint_leaves_the_rest(rooms: Protected) -> None:
    with rooms.database.connect() as connection, connection.begin() as outer:
        connection.exec_driver_sql("insert into rooms values (6, 'b')")
        with pytest.raises(sa.exc.DBAPIError), connection.begin_nested():
            connection.exec_driver_sql("delete from rooms")
        outer.commit()
    assert rooms.rows("select count(*) from rooms") == [(6,)]


@pytest.mark.parametrize("max_rows", [0, -1])
def test_a_guard_that_would_refuse_everything_is_refused(database: str, max_rows: int) -> None:
    plain = Protected(database)
    plain.run(*ROOMS)
    with pytest.raises(DeclarationError, match="HF104"):
        plain.protect({"rooms": [Guard(max_rows=max_rows)]})


def test_a_guard_alone_needs_no_key_and_no_journal_entry(database: str) -> None:
    plain = made(
        database,
        "create table rooms (name text)",
        "insert into rooms values ('a'), ('b')",
        protect={"rooms": [Guard(max_rows=1)]},
    )
    refused(plain, "delete from rooms")
    plain.run("delete from rooms where name = 'a'")
    assert plain.log() == []


# ---------------------------------------------------------------------- PostgreSQL


@pytest.fixture
def postgresql_rooms(postgresql_database: str) -> Protected:
    return made(postgresql_database, *ROOMS, protect={"rooms": [Audit(), Guard(max_rows=3)]})


def test_the_number_is_said_and_set_local_announces_it(postgresql_rooms: Protected) -> None:
    rooms = postgresql_rooms
    error = refused(rooms, "delete from rooms")
    assert (error.message, error.hint) == (
        "DELETE of public.rooms would touch 5 rows; up to 3 are expected.",
        "If it is meant, say so first in the same transaction: SET LOCAL holdfast.allow = '5'",
    )
    refused(rooms, "set local holdfast.allow = '4'", "delete from rooms")
    rooms.run("set local holdfast.allow = '5'", "delete from rooms")
    assert rooms.rows("select * from rooms") == []


def test_psql_and_a_bare_driver_see_the_sqlstate(postgresql_rooms: Protected) -> None:
    with pytest.raises(PsqlError, match=r"HF204: DELETE of public\.rooms would touch 5 rows"):
        psql(postgresql_rooms.url, "delete from rooms")
    with psycopg.connect(libpq_url(postgresql_rooms.url)) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("delete from rooms")
    assert caught.value.sqlstate == "HF204"


def test_merge_counts(postgresql_rooms: Protected) -> None:
    merge = "merge into rooms as r using rooms as s on r.id = s.id when matched then {}"
    refused(postgresql_rooms, merge.format("update set name = 'b'"))
    refused(postgresql_rooms, merge.format("delete"))


def test_truncate_is_refused_unless_announced(postgresql_rooms: Protected) -> None:
    rooms = postgresql_rooms
    error = refused(rooms, "truncate rooms", code="HF205")
    assert "SET LOCAL holdfast.allow = 'truncate'" in error.hint
    refused(rooms, "set local holdfast.allow = 'mass'", "truncate rooms", code="HF205")
    rooms.run("create table other (id int primary key references rooms)")
    refused(rooms, "truncate rooms cascade", code="HF205")
    rooms.run("set local holdfast.allow = 'truncate'", "truncate rooms cascade")
    assert rooms.rows("select * from rooms") == []


def test_truncate_that_cascades_from_another_table(postgresql_database: str) -> None:
    house = made(
        postgresql_database,
        "create table houses (id int primary key)",
        "create table rooms (id int primary key references houses)",
        "insert into houses values (1)",
        "insert into rooms values (1)",
        protect={"rooms": [Guard()]},
    )
    refused(house, "truncate houses cascade", code="HF205")
    house.run("delete from rooms", "insert into rooms values (1)")


def test_truncate_can_be_declared_harmless(postgresql_database: str) -> None:
    rooms = made(postgresql_database, *ROOMS, protect={"rooms": [Audit(), Guard(max_rows=3, truncate=True)]})
    before = rooms.checksum("rooms")
    rooms.run("truncate rooms")
    assert {each.operation for each in rooms.log()} == {"truncate"}
    rooms.undo()
    assert rooms.checksum("rooms") == before


def test_partitions_are_guarded_together_and_each_by_itself(postgresql_database: str) -> None:
    rooms = made(
        postgresql_database,
        "create table rooms (id int primary key, name text) partition by range (id)",
        "create table rooms_low partition of rooms for values from (0) to (10)",
        "create table rooms_high partition of rooms for values from (10) to (20)",
        "insert into rooms select g, 'a' from generate_series(8, 15) as g",
        protect={"rooms": [Audit(), Guard(max_rows=3)]},
    )
    for statement in ("delete from rooms", "update rooms set name = 'b'", "delete from rooms_high"):
        refused(rooms, statement)
    for table in ("rooms", "rooms_low", "rooms_high"):
        refused(rooms, f"truncate {table}", code="HF205")
    rooms.run("delete from rooms_low", "update rooms_high set name = 'b' where id < 13")
    assert rooms.rows("select count(*) from rooms") == [(6,)]


def test_a_cascade_counts_in_the_table_that_it_reaches(postgresql_database: str) -> None:
    house = made(
        postgresql_database,
        "create table houses (id int primary key)",
        "create table rooms (id int primary key, house int references houses on delete cascade)",
        "insert into houses values (1)",
        "insert into rooms select g, 1 from generate_series(1, 5) as g",
        protect={"rooms": [Guard(max_rows=3)]},
    )
    refused(house, "delete from houses")
    house.run("set local holdfast.allow = '5'", "delete from houses")
    assert house.rows("select * from rooms") == []
