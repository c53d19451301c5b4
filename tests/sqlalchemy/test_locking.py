"""A write that read an older version is refused, and says with what it collided."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, inspect, select, text, update
from sqlalchemy.orm import Mapped, mapped_column, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

import holdfast.sqlalchemy
from holdfast.errors import HoldfastError, StaleVersionError
from holdfast.sqlalchemy import Audited, Repository, Versioned, explained
from holdfast.sqlalchemy.bulk import upsert
from holdfast.sqlalchemy.locking import Write, conflict, may_merge
from tests.sqlalchemy.conftest import installed
from tests.sqlalchemy.models import Base, Order

pytestmark = pytest.mark.copy_of(build=installed)
Sessions = sessionmaker[holdfast.sqlalchemy.Session]


class Article(Base, Versioned, Audited):
    __tablename__ = "articles"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(info={"merge": "auto"})
    body: Mapped[str] = mapped_column(info={"merge": "auto"})
    price: Mapped[int] = mapped_column(default=0)


class Note(Base, Versioned):
    """Nobody records what others did to it."""

    __tablename__ = "notes_without_audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(info={"merge": "auto"})


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = create_engine(database)
    holdfast.sqlalchemy.bind(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    return sessionmaker(engine, class_=holdfast.sqlalchemy.Session, expire_on_commit=False)


def test_the_database_counts_and_the_orm_is_told(sessions: Sessions) -> None:
    with sessions() as session:
        made = Order(note="a")
        session.add(made)
        session.commit()
        assert made.version == 1
        before = made.updated_at
        made.note = "b"
        session.commit()
        assert made.version == 2
        assert made.updated_at > before
        session.execute(update(Order).values(note="c"))
        session.commit()
        session.refresh(made)
        assert made.version == 3
        made.note = "d"
        session.commit()
        assert made.version == 4


def test_a_stale_flush_says_what_differs(sessions: Sessions) -> None:
    with sessions() as session, sessions() as other:
        mine = Order(status="new", note="as it was")
        session.add(mine)
        session.commit()
        key = mine.id
        theirs = other.get_one(Order, key)
        theirs.note = "theirs"
        other.commit()
        mine.note, mine.status = "mine", "paid"
        with pytest.raises(StaleVersionError) as caught:
            session.commit()
        session.rollback()
    error = caught.value
    assert isinstance(error, StaleDataError)
    assert (error.table, error.key, error.expected, error.current) == ("orders", key, 1, 2)
    assert error.fields == {"note": ("as it was", "theirs", "mine"), "status": ("new", "new", "paid")}


def test_a_stale_delete_is_refused(sessions: Sessions) -> None:
    with sessions() as session, sessions() as other:
        mine = Order(note="as it was")
        session.add(mine)
        session.commit()
        other.get_one(Order, mine.id).note = "theirs"
        other.commit()
        session.delete(mine)
        with pytest.raises(StaleVersionError) as caught:
            session.commit()
        session.rollback()
        assert caught.value.fields == {"note": ("as it was", "theirs", "as it was")}
        session.expire_all()
        assert session.get_one(Order, mine.id).note == "theirs"


def test_a_detached_form_of_long_ago_is_compared_by_the_journal(sessions: Sessions) -> None:
    with sessions() as session:
        made = Article(title="t1", body="b1")
        session.add(made)
        session.commit()
        made.title = "t2"
        session.commit()
        made.title, made.body = "t3", "b2"
        session.commit()
        write = Write(inspect(Article), (made.id,), 1, {"title": "mine"})
        error = conflict(session.connection(), write)
    assert error is not None
    assert (error.expected, error.current) == (1, 3)
    assert error.fields == {"title": ("t1", "t3", "mine"), "body": ("b1", "b2", "b1")}


def test_no_conflict_where_the_version_is_the_one_that_was_read(sessions: Sessions) -> None:
    with sessions() as session:
        made = Article(title="t", body="b")
        session.add(made)
        session.commit()
        assert conflict(session.connection(), Write(inspect(Article), (made.id,), 1, {"title": "x"})) is None
        assert conflict(session.connection(), Write(inspect(Article), (made.id + 1,), 1, {"title": "x"})) is None


@pytest.mark.parametrize(
    "mine, fields, merges",
    [
        pytest.param({"title": "m"}, {"title": ("a", "a", "m"), "body": ("b", "x", "b")}, True, id="disjoint"),
        pytest.param({"title": "m"}, {"title": ("a", "x", "m")}, False, id="the same field"),
        pytest.param({"title": "m"}, {"title": ("a", "m", "m")}, True, id="the same change"),
        pytest.param({"price": 5}, {"price": (1, 1, 5), "body": ("b", "x", "b")}, False, id="not declared"),
        pytest.param({"title": "m", "price": 5}, {"title": ("a", "a", "m")}, False, id="one of two not declared"),
    ],
)
def test_only_declared_fields_that_nobody_touched_merge(
    mine: dict[str, object], fields: dict[str, tuple[object, object, object]], merges: bool
) -> None:
    assert may_merge(inspect(Article), mine, fields) is merges


class Articles(Repository[Article]):
    writable = frozenset({"title", "body", "price"})


def test_a_form_merges_where_the_fields_are_declared_and_untouched(sessions: Sessions) -> None:
    with sessions() as session:
        made = Article(title="t1", body="b1", price=1)
        session.add(made)
        session.commit()
        key = made.id
        made.body = "b2"
        session.commit()
        made.price = 2
        session.commit()
        articles = Articles(session)
        merged = articles.update(key, {"title": "mine"}, version=1)
        session.commit()
        assert (merged.title, merged.body, merged.price, merged.version) == ("mine", "b2", 2, 4)
        with pytest.raises(StaleVersionError) as caught:
            articles.update(key, {"body": "mine"}, version=1)
        assert caught.value.fields["body"] == ("b1", "b2", "mine")
        with pytest.raises(StaleVersionError):
            articles.update(key, {"price": 9}, version=3)
        session.rollback()
        session.expire_all()
        assert (made.body, made.price) == ("b2", 2)


def test_nothing_merges_without_a_journal_of_what_others_did() -> None:
    mapper = inspect(Article)
    assert may_merge(mapper, {"title": "m"}, {"body": ("b", "x", "b")})
    assert not may_merge(mapper, {"title": "m"}, {})
    assert not may_merge(inspect(Note), {"text": "m"}, {"other": ("b", "x", "b")})


def test_raw_sql_that_names_an_old_version_is_refused(sessions: Sessions, database: str) -> None:
    with sessions() as session:
        made = Order(note="a")
        session.add(made)
        session.commit()
        key = made.id
        for note in ("b", "c", "d"):
            made.note = note
            session.commit()
        with pytest.raises(StaleVersionError) as caught, explained(session):
            session.execute(text("update orders set note = 'raw', version = 2 where id = :id"), {"id": made.id})
        session.rollback()
        assert session.execute(select(Order.note)).scalar() == "d"
    if database.startswith("postgresql"):
        assert (caught.value.key, caught.value.expected, caught.value.current) == (key, 2, 4)


def test_eight_writers_lose_no_update(engine: Engine, sessions: Sessions) -> None:
    """Each adds 1 to the same row by its own path, and repeats what was refused."""
    with sessions() as session:
        made = Article(title="t", body="b", price=0)
        session.add(made)
        session.commit()
        key = made.id
    rounds, accepted = 5, []

    def through_the_orm() -> None:
        with sessions() as session:
            found = session.get_one(Article, key, populate_existing=True)
            found.price += 1
            session.commit()

    def through_a_bulk_update() -> None:
        with sessions() as session:
            session.execute(update(Article).where(Article.id == key).values(price=Article.price + 1))
            session.commit()

    def through_core() -> None:
        with engine.begin() as connection:
            price, version = connection.execute(select(Article.price, Article.version)).one()
            statement = update(Article.__table__).where(Article.id == key, Article.version == version)
            if connection.execute(statement.values(price=price + 1)).rowcount == 0:
                raise StaleVersionError("HF202", "stale")

    def through_raw_sql() -> None:
        with engine.begin() as connection:
            connection.execute(text("update articles set price = price + 1 where id = :id"), {"id": key})

    def through_an_upsert() -> None:
        more = {"price": lambda row, given: row.price + given.price}
        with sessions() as session:
            upsert(session, Article, [{"id": key, "title": "t", "body": "b", "price": 1}], on=["id"], update=more)
            session.commit()

    def write(work: object) -> None:
        assert callable(work)
        for _ in range(rounds):
            while True:
                try:
                    with explained(engine):
                        work()
                except HoldfastError:
                    continue
                accepted.append(work)
                break

    works = [through_the_orm, through_a_bulk_update, through_core, through_raw_sql, through_an_upsert]
    works += [through_the_orm, through_core, through_an_upsert]
    threads = [threading.Thread(target=write, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sessions() as session:
        found = session.get_one(Article, key)
        assert found.price == len(accepted) == rounds * len(works)
        assert found.version == 1 + len(accepted)
