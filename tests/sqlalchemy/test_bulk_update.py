"""Updating many rows, each to its own values, and deleting many."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import sessionmaker

import holdfast
from holdfast.errors import (
    DeclarationError,
    EmptyFilterError,
    GuardError,
    NotFoundError,
    RowsError,
    StaleVersionError,
    UniqueError,
)
from holdfast.sqlalchemy import Session, include_deleted
from holdfast.sqlalchemy.bulk import bulk_delete, bulk_insert, bulk_insert_returning, bulk_update
from tests.harness import Protected
from tests.servers import Servers
from tests.sqlalchemy.bulk import Badge, Club, Dog, Member, club, fresh_database, in_async_session, statements


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


@pytest.fixture
def keys(session: Session) -> list[uuid.UUID]:
    """Ten members."""
    return bulk_insert_returning(session, Member, [{"email": str(number)} for number in range(10)])


@pytest.fixture
def clubs(session: Session) -> list[int]:
    """Four, one more than the guard lets through."""
    return bulk_insert_returning(session, Club, [{"code": str(number)} for number in range(4)])


def names(session: Session) -> set[str]:
    return set(session.scalars(sa.select(Member.name)))


# ---------------------------------------------------------------------- update


@pytest.mark.parametrize("chunk", [3, 100])
def test_each_row_gets_its_own_values(session: Session, keys: list[uuid.UUID], chunk: int) -> None:
    progress: list[int] = []
    rows = ({"id": key, "name": f"Bo {number}", "club_id": None} for number, key in enumerate(keys))
    assert bulk_update(session, Member, rows, chunk=chunk, progress=progress.append) == 10
    found = {row.id: tuple(row)[1:] for row in session.execute(sa.select(Member.id, Member.name, Member.version))}
    assert found == {key: (f"Bo {number}", 2) for number, key in enumerate(keys)}
    assert progress == [*range(chunk, 10, chunk), 10]
    assert set(session.scalars(sa.select(Member.touched))) == {7}


def test_a_chunk_is_one_statement(session: Session, keys: list[uuid.UUID]) -> None:
    with statements(session) as sent:
        bulk_update(session, Member, [{"id": key, "name": "Bo"} for key in keys])
    assert len([each for each in sent if each.lower().startswith("update")]) == 1


def test_values_of_several_types_in_a_column_are_told_apart(session: Session, clubs: list[int]) -> None:
    rows = [{"id": key, "size": size} for key, size in zip(clubs, [1, 2.5, None], strict=False)]
    assert bulk_update(session, Club, rows) == 3
    assert session.scalars(sa.select(Club.size).order_by(Club.id)).all() == [1.0, 2.5, None, None]


def test_a_text_that_is_too_long_is_not_cut_off(session: Session, clubs: list[int]) -> None:
    if session.get_bind().dialect.name == "sqlite":
        assert bulk_update(session, Club, [{"id": clubs[0], "code": "much too long"}]) == 1
        assert session.get_one(Club, clubs[0]).code == "much too long"
    else:
        with pytest.raises(holdfast.HoldfastError, match="too long"):
            bulk_update(session, Club, [{"id": clubs[0], "code": "much too long"}])


def test_instances_that_the_session_holds_show_the_new_values(session: Session) -> None:
    here, there = Club(code="here"), Club(code="there")
    member = Member(email="a", name="Ann", club=here)
    session.add_all([here, there, member])
    session.flush()
    member.email = "pending"
    assert bulk_update(session, Member, [{"id": member.id, "name": "Bo", "club_id": there.id}]) == 1
    assert (member.name, member.email, member.version, member.touched) == ("Bo", "pending", 3, 7)
    assert member.club is there
    assert not session.dirty
    assert member.updated_at > member.created_at


def test_a_version_that_is_given_is_checked_for_all_rows_or_none(session: Session, keys: list[uuid.UUID]) -> None:
    bulk_update(session, Member, [{"id": keys[3], "name": "Theirs"}])
    rows = [{"id": key, "name": "Mine", "version": 1} for key in keys]
    with pytest.raises(StaleVersionError) as caught:
        bulk_update(session, Member, rows, chunk=2)
    assert (caught.value.key, caught.value.expected, caught.value.current) == (keys[3], 1, 2)
    assert repr(keys[3]) in caught.value.message
    assert names(session) == {"No Body", "Theirs"}
    rows[3]["version"] = 2
    assert bulk_update(session, Member, rows) == 10
    with pytest.raises(StaleVersionError) as caught:
        bulk_update(session, Member, rows, missing="ignore")
    assert set(caught.value.key) == set(keys)


def test_rows_that_are_not_there_or_deleted_raise_unless_said_otherwise(
    session: Session, keys: list[uuid.UUID]
) -> None:
    bulk_delete(session, Member, keys[:1])
    lost = uuid.uuid4()
    rows = [{"id": key, "name": "Bo", "version": 1} for key in [*keys[:3], lost]]
    with pytest.raises(NotFoundError) as caught:
        bulk_update(session, Member, rows)
    assert repr(lost) in caught.value.message
    assert repr(keys[0]) in caught.value.message
    assert names(session) == {"No Body"}
    assert bulk_update(session, Member, rows, missing="ignore") == 2
    dead = session.scalars(sa.select(Member).where(Member.id == keys[0]).options(include_deleted())).one()
    assert (dead.name, dead.version) == ("No Body", 2)


@pytest.mark.parametrize(
    "rows, code, said",
    [
        ([{"id": 1, "code": "a"}, {"id": 1, "code": "b"}], "HF653", "rows[1] is the second one with the key 1"),
        ([{"code": "a"}], "HF651", "no id"),
        ([{"id": 1}], "HF651", "nothing to set"),
        ([{"id": 1, "version": 1}], "HF651", "nothing to set"),
        ([{"id": 1, "kode": "a"}], "HF650", "no column 'kode'"),
        ([{"id": 1, "code": "a"}, {"id": 2, "size": 1}], "HF651", "rows[1]"),
    ],
)
def test_rows_that_say_it_wrongly_are_refused(session: Session, rows: list[Any], code: str, said: str) -> None:
    with pytest.raises(RowsError) as caught:
        bulk_update(session, Club, rows, chunk=1, missing="ignore")
    assert caught.value.code == code
    assert said in caught.value.message


@pytest.mark.parametrize("name", ["created_at", "updated_at", "deleted_at"])
def test_what_the_database_keeps_is_not_set(session: Session, keys: list[uuid.UUID], name: str) -> None:
    with pytest.raises(RowsError, match=name):
        bulk_update(session, Member, [{"id": keys[0], name: None}])


def test_a_model_over_several_tables_is_for_the_session(session: Session) -> None:
    with pytest.raises(DeclarationError, match="several tables"):
        bulk_update(session, Dog, [{"id": 1, "tricks": 2}])


def test_what_the_database_refuses_says_which_rows(session: Session, clubs: list[int]) -> None:
    rows = [{"id": key, "code": code} for key, code in zip(clubs, "abca", strict=True)]
    with pytest.raises(UniqueError, match=r"rows\[2:4\]"):
        bulk_update(session, Club, rows, chunk=2, allow=4)
    assert bulk_update(session, Club, [{"id": clubs[0], "code": "other"}]) == 1


# ---------------------------------------------------------------------- guards

Write = Callable[..., int]


def apart(write: Write) -> Write:
    """Where foreign keys act, SQLite's statements of one millisecond count as one."""

    def later(*given: Any, **more: Any) -> int:
        time.sleep(0.002)
        return write(*given, **more)

    return later


WRITES: dict[str, Write] = {
    "update": apart(
        lambda session, keys, **more: bulk_update(session, Club, [{"id": key, "size": 1.0} for key in keys], **more)
    ),
    "delete": apart(lambda session, keys, **more: bulk_delete(session, Club, keys, **more)),
}


@pytest.mark.parametrize("chunk", [1, 2, 100])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_guard_counts_the_whole_call_and_chunks_do_not_get_past_it(
    session: Session, clubs: list[int], write: Write, chunk: int
) -> None:
    with pytest.raises(GuardError, match="allow=") as caught:
        write(session, clubs, chunk=chunk)
    assert caught.value.code == "HF204"
    assert session.scalar(sa.select(sa.func.count(Club.id) - sa.func.count(Club.size))) == 4
    with pytest.raises(GuardError):
        write(session, clubs, chunk=chunk, allow=3)
    assert write(session, clubs[:3], chunk=chunk) == 3
    if write is WRITES["update"]:
        assert write(session, clubs, chunk=chunk, allow=4) == 4
        assert write(session, clubs, chunk=chunk, allow="mass") == 4
        with pytest.raises(GuardError):
            write(session, clubs, chunk=chunk)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_the_context_announced_counts_and_stays_announced(maker: sessionmaker[Session], write: Write) -> None:
    with holdfast.context(actor="ada", allow=4), maker() as session:
        keys = bulk_insert_returning(session, Club, [{"code": str(number)} for number in range(12)])
        assert write(session, keys[:2], allow=2) == 2
        assert write(session, keys[2:6], chunk=1) == 4
        with pytest.raises(GuardError):
            write(session, keys[6:], chunk=2)
        assert session.execute(sa.update(Club).where(Club.id.in_(keys[8:])).values(size=3)).rowcount == 4  # type: ignore[attr-defined]


# ---------------------------------------------------------------------- delete


@pytest.mark.parametrize("chunk", [3, 100])
def test_rows_are_marked_and_counted(session: Session, keys: list[uuid.UUID], chunk: int) -> None:
    assert bulk_delete(session, Member, [*keys[:5], uuid.uuid4()], chunk=chunk) == 5
    assert bulk_delete(session, Member, keys, chunk=chunk) == 5
    assert bulk_delete(session, Member, keys) == 0
    assert session.scalars(sa.select(Member)).all() == []
    marked = session.scalars(sa.select(Member.deleted_at).options(include_deleted())).all()
    assert len(marked) == 10
    assert len(set(marked)) == 2


def test_children_follow_and_what_went_with_them_is_not_counted_twice(session: Session) -> None:
    keys = bulk_insert_returning(session, Badge, [{"number": 0}])
    children = bulk_insert_returning(session, Badge, [{"number": n, "parent_id": keys[0]} for n in (1, 2)])
    assert bulk_delete(session, Badge, [children[0], keys[0]], chunk=1) == 2
    marks = session.scalars(sa.select(Badge.deleted_at).options(include_deleted())).all()
    assert len(marks) == 3
    assert len(set(marks)) == 1


@pytest.mark.parametrize("write", [{}, {"where": None}, {"where": sa.true()}])
def test_without_saying_which_nothing_is_deleted(
    session: Session, keys: list[uuid.UUID], write: dict[str, Any]
) -> None:
    with pytest.raises(EmptyFilterError) as caught:
        bulk_delete(session, Member, **write)
    assert caught.value.code == "HF626"
    assert bulk_delete(session, Member, []) == 0
    with pytest.raises(ValueError, match="one of them alone"):
        bulk_delete(session, Member, keys, all_rows=True)
    assert bulk_delete(session, Member, where=Member.email.in_(["1", "2"])) == 2
    assert bulk_delete(session, Member, all_rows=True) == 8


@pytest.mark.parametrize("how", ["keys", "where"])
def test_instances_that_the_session_holds_show_their_mark(session: Session, keys: list[uuid.UUID], how: str) -> None:
    gone, left = (session.get_one(Member, key) for key in keys[:2])
    chosen: dict[str, Any] = {"keys": keys[:1]} if how == "keys" else {"where": Member.email == "0"}
    assert bulk_delete(session, Member, **chosen) == 1
    assert gone.deleted_at is not None
    assert left.deleted_at is None
    assert session.get(Member, keys[0]) is None


def test_hard_really_deletes_marked_rows_too(session: Session, keys: list[uuid.UUID]) -> None:
    held = session.get_one(Member, keys[1])
    bulk_delete(session, Member, keys[:1])
    assert bulk_delete(session, Member, keys[:4], hard=True) == 4
    assert held not in session
    everything = sa.select(sa.func.count(Member.id)).options(include_deleted())
    assert session.scalar(everything) == 6
    # What was announced for that is announced no more.
    session.execute(sa.text("delete from members"))
    assert session.scalar(everything) == 6


# ---------------------------------------------------------------------- recorded, by every driver


def written(session: Session) -> None:
    keys = [row.id for row in session.execute(sa.select(Member.id).order_by(Member.email))]
    assert bulk_update(session, Member, [{"id": key, "name": "Bo", "version": 1} for key in keys[:6]], chunk=4) == 6
    assert bulk_delete(session, Member, keys[4:8], chunk=3) == 4
    with pytest.raises(StaleVersionError):
        bulk_update(session, Member, [{"id": key, "name": "Cy", "version": 1} for key in keys[:1]])
    badges = [row.id for row in session.execute(sa.select(Badge.id))]
    assert bulk_delete(session, Badge, badges, hard=True) == 2
    assert bulk_update(session, Club, [{"id": 1, "size": 2.5}]) == 1


def content(protected: Protected) -> list[Any]:
    """All but the times and versions, which move on."""
    rows = protected.rows("select id, name, email, deleted_at from members order by id")
    return [rows, protected.rows("select id, code, size from clubs"), protected.checksum("badges")]


def seed(maker: sessionmaker[Session]) -> None:
    with maker.begin() as session:
        bulk_insert(session, Member, [{"email": str(number)} for number in range(10)])
        bulk_insert(session, Badge, [{"number": number} for number in range(2)])
        bulk_insert(session, Club, [{"id": 1, "code": "a"}])


@pytest.mark.parametrize(
    "driver", ["postgresql", "postgresql+asyncpg", "postgresql+psycopg", "sqlite", "sqlite+aiosqlite"]
)
def test_it_is_recorded_and_can_be_undone(request: pytest.FixtureRequest, driver: str) -> None:
    url = request.getfixturevalue("sqlite_database" if driver.startswith("sqlite") else "postgresql_database")
    with club(url) as maker:
        seed(maker)
        protected = Protected(url)
        before = content(protected)
        with holdfast.context(actor="ada"):
            if "+" in driver:
                in_async_session(url, driver, written)
            else:
                with maker.begin() as session:
                    written(session)
        changes = [each for each in protected.log() if each.actor == "ada"]
        assert len({each.transaction for each in changes}) == 1
        members = [each.operation for each in changes if each.table == "public.members" or each.table == "members"]
        assert sorted(members) == ["delete"] * 4 + ["update"] * 6
        assert len(changes) == 4 + 6 + 2 + 1
        protected.undo(changes[0].transaction)
        assert content(protected) == before
