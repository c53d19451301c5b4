"""Upsert: one statement, matched by a key that is named, under versions, marks and other writers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import sessionmaker

import holdfast
from holdfast.errors import DeclarationError, GuardError, RowsError, StaleVersionError, UniqueError
from holdfast.sqlalchemy import Session, include_deleted
from holdfast.sqlalchemy.bulk import bulk_delete, bulk_insert, bulk_insert_returning, upsert
from tests.harness import Protected
from tests.servers import Servers
from tests.sqlalchemy.bulk import Badge, Club, Level, Member, club, fresh_database, in_async_session, statements


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


def emails(session: Session, *columns: Any) -> dict[str, Any]:
    found = session.execute(sa.select(Member.email, *columns).order_by(Member.email))
    return {row[0]: tuple(row[1:]) if len(columns) > 1 else row[1] for row in found}


def put(session: Session, *rows: dict[str, Any], update: Any = ("name",), **more: Any) -> int:
    return upsert(session, Member, rows, on=["email"], update=update, **more)


# ---------------------------------------------------------------------- what is written


def test_rows_are_inserted_or_take_over_what_is_named(session: Session) -> None:
    assert put(session, {"email": "a", "name": "Ann", "level": Level.OLD}) == 1
    with statements(session) as sent:
        assert put(session, {"email": "b", "name": "Bo"}, {"email": "a", "name": "Ada"}) == 2
    assert len([each for each in sent if each.lower().startswith(("insert", "update", "select"))]) == 1
    found = emails(session, Member.name, Member.level, Member.version, Member.initials, Member.touched)
    assert found == {"a": ("Ada", Level.OLD, 2, "A", 7), "b": ("Bo", Level.NEW, 1, "B", 0)}
    times = emails(session, Member.created_at, Member.updated_at)
    assert times["a"][1] > times["a"][0]
    assert times["b"][1] == times["b"][0]


@pytest.mark.parametrize("chunk", [2, 100])
def test_many_rows_in_chunks(session: Session, chunk: int) -> None:
    progress: list[int] = []
    put(session, *({"email": str(number), "name": "old"} for number in range(0, 10, 2)))
    rows = ({"email": str(number), "name": f"new {number}"} for number in range(10))
    assert put(session, *rows, chunk=chunk, progress=progress.append) == 10
    assert emails(session, Member.name) == {str(number): f"new {number}" for number in range(10)}
    assert progress[-1] == 10
    assert len(progress) == (5 if chunk == 2 else 1)


def test_a_row_that_is_there_can_be_left_as_it_is(session: Session) -> None:
    put(session, {"email": "a", "name": "Ann"})
    assert put(session, {"email": "a", "name": "x"}, {"email": "b", "name": "x"}, update=None) == 1
    assert emails(session, Member.name, Member.version) == {"a": ("Ann", 1), "b": ("x", 1)}


def test_what_is_set_may_be_computed_from_both_rows(session: Session) -> None:
    counted = {"hits": lambda row, given: row.hits + given.hits, "name": lambda row, given: given.name}
    for _ in range(3):
        put(session, {"email": "a", "name": "Ann", "hits": 2}, update=counted)
    assert emails(session, Member.hits, Member.name) == {"a": (6, "Ann")}


def test_a_row_that_does_not_change_keeps_its_version(session: Session) -> None:
    rows = [{"code": "a", "size": 1.5}]
    for _ in range(2):
        assert upsert(session, Club, rows, on=["code"], update=["size"]) == 1
    assert session.scalars(sa.select(Club.version)).all() == [1]
    assert session.scalars(sa.select(Club.made)).one() is not None


def test_instances_that_the_session_holds_show_the_new_values(session: Session) -> None:
    member = Member(email="a", name="Ann")
    session.add(member)
    session.flush()
    other = Member(email="b")
    session.add(other)
    put(session, {"email": "a", "name": "Ada"}, {"email": "b", "name": "Bo"})
    assert (member.name, member.version, other.name) == ("Ada", 2, "Bo")
    assert not session.dirty


# ---------------------------------------------------------------------- the key that is matched


def test_a_deleted_row_is_in_nobodys_way(session: Session) -> None:
    put(session, {"email": "a", "name": "Ann"})
    [first] = session.scalars(sa.select(Member.id))
    bulk_delete(session, Member, [first])
    assert put(session, {"email": "a", "name": "Ada"}) == 1
    assert put(session, {"email": "a", "name": "Eve"}) == 1
    everybody = session.scalars(sa.select(Member.name).options(include_deleted()).order_by(Member.name)).all()
    assert everybody == ["Ann", "Eve"]


@pytest.mark.parametrize("update", [["text"], None])
def test_a_deleted_row_that_holds_the_key_is_not_touched_but_told_of(session: Session, update: Any) -> None:
    keys = bulk_insert_returning(session, Badge, [{"number": number} for number in range(3)])
    bulk_delete(session, Badge, keys[1:2])
    rows = [{"number": number, "text": "x"} for number in range(5)]
    with pytest.raises(RowsError) as caught:
        upsert(session, Badge, rows, on=["number"], update=update)
    assert caught.value.code == "HF655"
    assert caught.value.message.endswith("the key: 1.")
    by_key = [{"id": keys[1], "number": 9, "text": "x"}]
    with pytest.raises(RowsError, match="HF655"):
        upsert(session, Badge, by_key, on=["id"], update=update)
    texts = session.scalars(sa.select(Badge.text).options(include_deleted())).all()
    assert texts == [None, None, None]
    assert upsert(session, Badge, [rows[0], rows[3]], on=["number"], update=update) == (2 if update else 1)


def test_a_key_can_be_named(session: Session) -> None:
    for name in ("uq_members_email_live", "pk_members"):
        rows = [{"id": holdfast.sqlalchemy.keys.uuid7(), "email": name}]
        assert upsert(session, Member, rows, on=name, update=["email"]) == 1


@pytest.mark.parametrize("on", [["name"], ["email", "name"], "members_lower", "uq_nothing", []])
def test_what_is_not_unique_is_refused_with_what_there_is(session: Session, on: Any) -> None:
    with pytest.raises(DeclarationError) as caught:
        upsert(session, Member, [{"email": "a", "name": "b"}], on=on, update=["level"])
    assert caught.value.code == "HF654"
    assert "uq_members_email_live (email where" in caught.value.hint
    assert "pk_members (id)" in caught.value.hint


def test_another_key_that_is_in_the_way_is_an_error(session: Session) -> None:
    first, second = bulk_insert_returning(session, Club, [{"code": "a"}, {"code": "b"}])
    with pytest.raises(UniqueError, match="rows with keys from"):
        upsert(session, Club, [{"id": second, "code": "a"}], on=["id"], update=["code"])
    found = {row.id: row.code for row in session.execute(sa.select(Club.id, Club.code))}
    assert found == {first: "a", second: "b"}


# ---------------------------------------------------------------------- rows that are refused


@pytest.mark.parametrize(
    "rows, more, code, said",
    [
        ([{"email": "a"}, {"email": "b"}, {"email": "a"}], {}, "HF653", "rows[2] is the second one with the key 'a'"),
        ([{"name": "a"}], {}, "HF651", "have no email"),
        ([{"email": "a"}], {"update": ["name"]}, "HF651", "have no name"),
        ([{"email": "a"}, {"email": None}], {}, "HF652", "rows[1] has None in email"),
        ([{"email": "a", "nmae": "b"}], {}, "HF650", "no column 'nmae'"),
        ([{"email": "a", "created_at": None}], {}, "HF650", "Member.created_at"),
        ([{"email": "a", "deleted_at": None}], {}, "HF650", "Member.deleted_at"),
        ([{"email": "a"}], {"update": ["nmae"]}, "HF650", "no column 'nmae'"),
        ([{"email": "a"}], {"update": ["id"]}, "HF650", "Member.id"),
        ([{"email": "a"}], {"update": ["version"]}, "HF650", "Member.version"),
        ([{"email": "a"}], {"update": ["updated_at"]}, "HF650", "Member.updated_at"),
    ],
)
def test_rows_that_say_it_wrongly_are_refused(
    session: Session, rows: list[Any], more: dict[str, Any], code: str, said: str
) -> None:
    with pytest.raises(RowsError) as caught:
        put(session, *rows, **{"update": ["email"], **more})
    assert caught.value.code == code
    assert said in caught.value.message
    assert emails(session, Member.name) == {}


@pytest.mark.parametrize("update", [[], {}, "name"])
def test_what_to_take_over_is_said(session: Session, update: Any) -> None:
    with pytest.raises(ValueError, match="update names"):
        put(session, {"email": "a", "name": "b"}, update=update)


@pytest.mark.parametrize("chunk", [1, 100])
@pytest.mark.parametrize("duplicates, name", [("first", "Ann"), ("last", "Ada")])
def test_rows_with_the_same_key_are_folded_as_said(session: Session, duplicates: Any, name: str, chunk: int) -> None:
    rows = [{"email": "a", "name": "Ann"}, {"email": "b", "name": "Bo"}, {"email": "a", "name": "Ada"}]
    assert put(session, *rows, duplicates=duplicates, chunk=chunk) == 2
    assert emails(session, Member.name) == {"a": name, "b": "Bo"}


def test_a_guard_counts_the_whole_call(session: Session) -> None:
    rows = [{"code": str(number), "size": 1.0} for number in range(4)]
    upsert(session, Club, rows, on=["code"], update=None)
    for chunk in (1, 100):
        with pytest.raises(GuardError, match="allow="):
            upsert(session, Club, rows, on=["code"], update=["size"], chunk=chunk)
    assert upsert(session, Club, rows, on=["code"], update=["size"], chunk=2, allow=4) == 4


# ---------------------------------------------------------------------- versions


@pytest.mark.parametrize("chunk", [1, 100])
def test_a_version_that_is_given_is_checked_for_all_rows_or_none(session: Session, chunk: int) -> None:
    put(session, *({"email": email, "name": "Old"} for email in "abc"))
    put(session, {"email": "b", "name": "Theirs"})
    rows: list[dict[str, Any]] = [{"email": email, "name": "Mine", "version": 1} for email in "abcd"]
    rows[3]["version"] = None
    with pytest.raises(StaleVersionError) as caught:
        put(session, *rows, chunk=chunk)
    assert (caught.value.key, caught.value.expected, caught.value.current) == ("b", 1, 2)
    assert emails(session, Member.name) == {"a": "Old", "b": "Theirs", "c": "Old"}
    rows[1]["version"] = 2
    assert put(session, *rows, chunk=chunk) == 4
    found = emails(session, Member.name, Member.version)
    assert found == {"a": ("Mine", 2), "b": ("Mine", 3), "c": ("Mine", 2), "d": ("Mine", 1)}


def test_a_row_that_was_read_and_is_gone_is_not_made_anew(session: Session) -> None:
    put(session, {"email": "a", "name": "Ann"})
    bulk_delete(session, Member, where=Member.email == "a")
    for email in ("a", "never"):
        with pytest.raises(StaleVersionError) as caught:
            put(session, {"email": email, "name": "x", "version": 1})
        assert (caught.value.key, caught.value.current) == (email, None)


def test_a_row_that_was_not_there_and_is_now_is_a_conflict(session: Session) -> None:
    put(session, {"email": "a", "name": "Ann"})
    with pytest.raises(StaleVersionError) as caught:
        put(session, {"email": "a", "name": "x", "version": None})
    assert (caught.value.expected, caught.value.current) == (None, 1)


# ---------------------------------------------------------------------- many at a time


def test_eight_writers_of_the_same_keys_lose_nothing(database: str) -> None:
    """A counter for each of twenty keys, counted up by eight threads, in orders of their own."""
    keys = [f"key {number}" for number in range(20)]
    counted = {"hits": lambda row, given: row.hits + given.hits}
    together, failed = threading.Barrier(8), list[BaseException]()

    def count(maker: sessionmaker[Session], thread: int) -> None:
        together.wait()
        try:
            for turn in range(4):
                order = keys[thread + turn :] + keys[: thread + turn]
                with maker() as session:
                    # SQLite: who reads first and then wants to write may find that another one wrote meanwhile.
                    put(session, *({"email": key, "hits": 1} for key in order[::-1]), update=counted, chunk=7)
                    session.commit()
        except BaseException as error:
            failed.append(error)

    with club(database) as maker:
        maker.kw["bind"].dispose()
        threads = [threading.Thread(target=count, args=(maker, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        with maker() as session:
            assert emails(session, Member.hits, Member.version) == dict.fromkeys(keys, (32, 32))


def test_a_row_that_is_met_under_another_unique_key_first(postgresql_database: str) -> None:
    """What another writer does in the moment between two indexes, done here by a trigger: it fails once."""
    with club(postgresql_database) as maker, maker() as session:
        session.execute(
            sa.text(
                "create sequence turns; create function once() returns trigger language plpgsql as $$ begin"
                " if nextval('turns') = 1 then raise unique_violation using constraint = 'members_lower'; end if;"
                " return new; end $$; create trigger once before insert on members for each row execute function once()"
            )
        )
        assert put(session, {"email": "a", "name": "Ann"}, {"email": "b", "name": "Bo"}) == 2
        assert emails(session, Member.name) == {"a": "Ann", "b": "Bo"}
        with pytest.raises(UniqueError, match="members_lower"):
            put(session, {"email": "A", "name": "Another"})


def test_writers_who_read_a_version_never_overwrite_each_other(database: str) -> None:
    """Each reads the counter and writes it back, once more where somebody was faster."""
    together, failed = threading.Barrier(4), list[BaseException]()

    def count(maker: sessionmaker[Session]) -> None:
        together.wait()
        done = 0
        try:
            while done < 3:
                with maker() as session:
                    hits, version = session.execute(sa.select(Member.hits, Member.version)).one()
                with maker() as session:
                    try:
                        row = {"email": "a", "hits": hits + 1, "version": version}
                        put(session, row, update=["hits"])
                        session.commit()
                        done += 1
                    except StaleVersionError:
                        continue
        except BaseException as error:
            failed.append(error)

    with club(database) as maker:
        with maker.begin() as session:
            bulk_insert(session, Member, [{"email": "a", "hits": 0}])
        threads = [threading.Thread(target=count, args=(maker,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        with maker() as session:
            assert emails(session, Member.hits, Member.version) == {"a": (12, 13)}


# ---------------------------------------------------------------------- recorded, by every driver


def written(session: Session) -> None:
    put(session, *({"email": str(number), "name": "Bo"} for number in range(6)), chunk=4)
    with pytest.raises(StaleVersionError):
        put(session, {"email": "0", "name": "Cy", "version": 1})
    put(session, {"email": "0", "name": "Cy"}, {"email": "never", "name": "x"}, update=None)
    clubs = [{"code": "a", "size": 1}, {"code": "b", "size": 2.5}, {"code": "c", "size": None}]
    upsert(session, Club, clubs, on=["code"], update=["size"])


@pytest.mark.parametrize(
    "driver", ["postgresql", "postgresql+asyncpg", "postgresql+psycopg", "sqlite", "sqlite+aiosqlite"]
)
def test_it_is_recorded_and_can_be_undone(request: pytest.FixtureRequest, driver: str) -> None:
    url = request.getfixturevalue("sqlite_database" if driver.startswith("sqlite") else "postgresql_database")
    with club(url) as maker:
        with maker.begin() as session:
            put(session, *({"email": str(number), "name": "Ann"} for number in range(3)))
        protected = Protected(url)
        content = "select email, name, level from members order by email"
        before = protected.rows(content)
        with holdfast.context(actor="ada"):
            if "+" in driver:
                in_async_session(url, driver, written)
            else:
                with maker.begin() as session:
                    written(session)
        changes = [each for each in protected.log() if each.actor == "ada"]
        assert len({each.transaction for each in changes}) == 1
        assert sorted(each.operation for each in changes) == ["insert"] * 7 + ["update"] * 3
        updated = [each for each in changes if each.operation == "update"]
        assert all(
            (each.before, each.after) == ({"name": "Ann", "touched": 0}, {"name": "Bo", "touched": 7})
            for each in updated
        )
        protected.undo(changes[0].transaction)
        assert protected.rows(content) == before
        assert protected.rows("select * from clubs") == []
