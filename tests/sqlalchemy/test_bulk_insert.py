"""Inserting many rows: what an ORM insert writes, in chunks, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

import holdfast
from holdfast.errors import ForeignKeyError, HoldfastError, RowsError, UniqueError
from holdfast.sqlalchemy import Session
from holdfast.sqlalchemy.bulk import bulk_insert, bulk_insert_returning
from holdfast.sqlalchemy.bulk.inserting import COPY_FROM
from tests.harness import Protected
from tests.servers import Servers
from tests.sqlalchemy.bulk import (
    Animal,
    Badge,
    Base,
    Cat,
    Club,
    Dog,
    Level,
    Member,
    club,
    fresh_database,
    in_async_session,
    statements,
)

SIZES = [3, COPY_FROM * 3]
"""Few rows go by INSERT, many by COPY where there is one."""


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def maker(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sessionmaker[Session]]:
    folder: Path = tmp_path_factory.mktemp("club")
    with fresh_database(request.param, servers, folder) as url, club(url) as maker:
        yield maker


@pytest.fixture
def session(maker: sessionmaker[Session]) -> Iterator[Session]:
    with maker() as session:
        yield session


def is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def members(count: int, **more: Any) -> Iterator[dict[str, Any]]:
    return ({"email": f"{number}@example.org", "name": f"Ann {number}", **more} for number in range(count))


def count(session: Session, model: type[Any]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(model)) or 0


@pytest.mark.parametrize("size", SIZES)
def test_rows_are_as_the_orm_would_insert_them(session: Session, size: int) -> None:
    assert bulk_insert(session, Member, members(size)) == size
    found = session.scalars(sa.select(Member)).all()
    assert len({each.id for each in found}) == size
    assert {each.id.version for each in found} == {7}
    assert {(each.level, each.hits, each.version, each.deleted_at) for each in found} == {(Level.NEW, 0, 1, None)}
    assert {each.initials for each in found} == {f"A{each.name.split()[1][0]}" for each in found}
    assert all(each.created_at == each.updated_at for each in found)


@pytest.mark.parametrize("size", SIZES)
def test_rows_may_be_instances(session: Session, size: int) -> None:
    given = [Member(email=f"{number}@x", name="A B", level=Level.OLD) for number in range(size)]
    assert bulk_insert(session, Member, given) == size
    assert set(session.execute(sa.select(Member.level, Member.initials))) == {(Level.OLD, "AB")}
    assert not session.new
    assert given[0] not in session


def test_a_generator_is_read_chunk_by_chunk(session: Session) -> None:
    read, progress = [0], []

    def rows() -> Iterator[dict[str, Any]]:
        for row in members(250):
            read[0] += 1
            yield row

    def done(number: int) -> None:
        progress.append((number, read[0]))

    assert bulk_insert(session, Member, rows(), chunk=100, progress=done) == 250
    assert progress == [(100, 100), (200, 200), (250, 250)]


def test_a_generator_may_read_through_the_same_session(session: Session) -> None:
    bulk_insert(session, Member, members(120))
    living = session.execute(sa.select(Member.email).execution_options(yield_per=10))
    assert bulk_insert(session, Animal, ({"kind": "animal", "name": email} for (email,) in living), chunk=60) == 120


def test_nothing_is_no_row(session: Session) -> None:
    assert bulk_insert(session, Member, []) == 0
    assert bulk_insert_returning(session, Member, iter(())) == []


def test_many_rows_are_copied_on_postgresql(session: Session) -> None:
    with statements(session) as sent:
        bulk_insert(session, Member, members(COPY_FROM * 3))
    inserts = [each for each in sent if each.lower().startswith("insert")]
    assert len(inserts) == (0 if is_postgresql(session) else 1)


def test_what_copy_cannot_make_is_inserted(session: Session) -> None:
    """A default that is an expression of the database."""
    assert bulk_insert(session, Club, ({"code": f"c{number}"} for number in range(60))) == 60
    assert session.scalar(sa.select(sa.func.count(Club.made))) == 60


def test_an_attribute_may_have_another_name_than_its_column(session: Session) -> None:
    bulk_insert(session, Club, ({"code": f"c{number}", "made": None} for number in range(60)))
    assert session.scalar(sa.select(sa.func.count(Club.made))) == 0


@pytest.mark.parametrize("size", SIZES)
def test_the_kind_of_a_class_is_written(session: Session, size: int) -> None:
    bulk_insert(session, Cat, [{"name": "Tom"}] * size)
    bulk_insert(session, Dog, [{"name": "Rex", "tricks": 3}] * size)
    assert len(session.scalars(sa.select(Cat)).all()) == size
    assert {dog.tricks for dog in session.scalars(sa.select(Dog))} == {3}


def test_keys_are_given_back_in_the_order_of_the_rows(session: Session) -> None:
    keys = bulk_insert_returning(session, Club, [{"code": f"c{number}"} for number in range(60)], chunk=25)
    found = {row.id: row.code for row in session.execute(sa.select(Club.id, Club.code))}
    assert [found[key] for key in keys] == [f"c{number}" for number in range(60)]


def test_what_is_pending_goes_first(session: Session) -> None:
    session.add(Club(id=9, code="nine"))
    bulk_insert(session, Member, [{"email": "a", "club_id": 9}])
    assert session.scalars(sa.select(Member)).one().club_id == 9


# ---------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "rows, code, at, said",
    [
        ([{"email": "a", "nmae": "b"}], "HF650", 0, "Member has no column 'nmae'"),
        ([{"email": "a"}, {"email": "a", "nmae": "b"}], "HF650", 1, "Member has no column 'nmae'"),
        ([{"email": "a"}, {"email": "b", "hits": 1}], "HF651", 1, "it has hits besides"),
        ([{"email": "a", "hits": 1}, {"email": "b", "hits": 1}, {"email": "c"}], "HF651", 2, "it has no hits"),
        ([{"email": "a"}, {"hits": 1}], "HF651", 1, "it has no email and has hits besides"),
        ([{"email": "a"}, "b"], "HF651", 1, "rows[1] is str"),
        ([Member(email="a"), Club(code="b")], "HF651", 1, "rows[1] is Club"),
        ([{}], "HF651", 0, "no columns"),
    ],
)
def test_a_row_of_another_shape_is_refused_and_named(
    session: Session, rows: list[Any], code: str, at: int, said: str
) -> None:
    with pytest.raises(RowsError) as caught:
        bulk_insert(session, Member, rows)
    assert (caught.value.code, caught.value.rows) == (code, (at,))
    assert said in caught.value.message
    assert count(session, Member) == 0


@pytest.mark.parametrize("size", SIZES)
def test_what_the_database_refuses_says_which_rows_and_leaves_the_transaction_usable(
    session: Session, size: int
) -> None:
    bulk_insert(session, Member, [{"email": "1@example.org"}])
    with pytest.raises(UniqueError) as caught:
        bulk_insert(session, Member, members(size), chunk=max(size // 3, 1))
    assert "rows[" in caught.value.message
    assert count(session, Member) == 1
    assert bulk_insert(session, Member, [{"email": "other"}]) == 1


def test_a_copy_names_the_very_row(session: Session) -> None:
    badges = [{"number": number, "text": "two\nlines"} for number in range(COPY_FROM * 3)]
    for rows in ([*badges, badges[7]], iter([*badges, badges[7]])):
        with pytest.raises(UniqueError) as caught:
            bulk_insert(session, Badge, rows, chunk=COPY_FROM)
        at = f"{len(badges)}]" if is_postgresql(session) else f"{len(badges)}:"
        assert f"It was about rows[{at}" in caught.value.message
    assert count(session, Badge) == 0


def test_the_programs_own_code_may_use_the_connection(session: Session) -> None:
    """A default, and what is told of the progress: neither may find it busy with a copy."""
    asked = sa.text("select 7")
    rows = [{"code": str(number)} for number in range(COPY_FROM * 2)]

    class Local(DeclarativeBase):
        pass

    class Room(Local):
        __tablename__ = "rooms"
        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[str]
        size: Mapped[int] = mapped_column(default=lambda context: context.connection.scalar(asked))

    Local.metadata.create_all(session.connection())
    assert bulk_insert(session, Room, rows, chunk=COPY_FROM) == len(rows)
    sized = [{**row, "size": 1} for row in rows]
    seen: list[Any] = []
    bulk_insert(session, Room, sized, chunk=COPY_FROM, progress=lambda _: seen.append(session.scalar(asked)))
    assert seen == [7, 7]
    assert session.scalar(sa.select(sa.func.sum(Room.size))) == 8 * len(rows)


def test_a_value_that_does_not_fit_is_refused_before_it_is_sent(session: Session) -> None:
    rows = [*members(COPY_FROM, level=Level.OLD), {"email": "x", "name": "y", "level": "none such"}]
    with pytest.raises(RowsError) as caught:
        bulk_insert(session, Member, rows)
    assert caught.value.code == "HF652"
    assert COPY_FROM in caught.value.rows
    with pytest.raises(RowsError) as caught:
        bulk_insert(session, Member, rows[-1:])
    assert caught.value.code == "HF652"
    assert count(session, Member) == 0


def test_an_error_of_the_generator_goes_through_and_nothing_stays(session: Session) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield from members(60)
        raise LookupError("the source is broken")

    with pytest.raises(LookupError):
        bulk_insert(session, Member, rows(), chunk=50)
    assert count(session, Member) == 0


def test_a_chunk_has_rows(session: Session) -> None:
    with pytest.raises(ValueError, match="chunk"):
        bulk_insert(session, Member, members(2), chunk=0)


# ---------------------------------------------------------------------- recorded, by every driver


def written(session: Session) -> None:
    bulk_insert(session, Member, members(COPY_FROM * 2))
    bulk_insert(session, Badge, ({"number": number} for number in range(3)))


def test_it_is_recorded_and_can_be_undone(database: str) -> None:
    with club(database) as maker:
        protected = Protected(database)
        with holdfast.context(actor="ada"), maker.begin() as session:
            written(session)
        assert {(each.actor, each.operation) for each in protected.log("members")} == {("ada", "insert")}
        assert len(protected.log("members")) == COPY_FROM * 2
        assert len({each.transaction for each in protected.log()}) == 1
        protected.undo()
        with maker() as session:
            assert count(session, Member) == count(session, Badge) == 0


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg", "sqlite+aiosqlite"])
def test_asynchronous_drivers_do_the_same(request: pytest.FixtureRequest, driver: str) -> None:
    url = request.getfixturevalue("sqlite_database" if driver.startswith("sqlite") else "postgresql_database")

    def work(session: Session) -> None:
        written(session)
        with pytest.raises(UniqueError, match=r"rows\[0[:\]]"):
            bulk_insert(session, Member, members(COPY_FROM * 2))
        badges = [{"number": number} for number in range(10, 10 + COPY_FROM * 3)]
        broken: list[dict[str, Any]] = [{"number": 9, "colour": "red"}, {"number": 9, "text": "x"}, {"number": 10}]
        if not driver.startswith("sqlite"):
            broken.append({"number": "none"})
        for last in broken:
            # Far behind the first chunk, when the copy is under way.
            with pytest.raises(HoldfastError) as caught:
                bulk_insert(session, Badge, [*badges, last], chunk=COPY_FROM)
            rows = getattr(caught.value, "rows", ())
            assert len(badges) in rows or f"rows[{len(badges)}" in str(caught.value) or "rows[0:" in str(caught.value)
        assert bulk_insert(session, Badge, badges, chunk=COPY_FROM) == len(badges)
        orphans = [{"email": f"orphan {number}", "club_id": 9} for number in range(COPY_FROM)]
        with pytest.raises(ForeignKeyError):
            bulk_insert(session, Member, orphans)
        session.rollback()
        written(session)

    with club(url) as maker:
        with holdfast.context(actor="bo"):
            in_async_session(url, driver, work)
        assert {(each.actor, each.operation) for each in Protected(url).log("members")} == {("bo", "insert")}
        with maker() as session:
            assert count(session, Member) == COPY_FROM * 2


def test_under_row_security_rows_are_inserted(postgresql_database: str) -> None:
    """COPY is refused there; a policy decides about each row."""
    with club(postgresql_database) as maker, maker() as session:
        for statement in (
            "create role club_clerk",
            "grant insert on animals to club_clerk",
            "grant usage on all sequences in schema public to club_clerk",
            "alter table animals enable row level security",
            "create policy named on animals for insert with check (name <> 'nobody')",
            "set local role club_clerk",
        ):
            session.execute(sa.text(statement))
        rows = [{"kind": "animal", "name": "Rex"}] * COPY_FROM
        assert bulk_insert(session, Animal, rows) == COPY_FROM
        with pytest.raises(HoldfastError):
            bulk_insert(session, Animal, [*rows, {"kind": "animal", "name": "nobody"}])


def test_tables_that_are_not_protected_are_written_too(postgresql_database: str) -> None:
    engine = sa.create_engine(postgresql_database)
    Base.metadata.create_all(engine)
    with sa.orm.Session(engine) as session:
        assert bulk_insert(session, Animal, [{"kind": "animal", "name": "Rex"}] * 100) == 100
        assert bulk_insert(session, Member, members(100)) == 100
    engine.dispose()
