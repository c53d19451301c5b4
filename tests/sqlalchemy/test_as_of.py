"""What is read under ``as_of`` is what a plain read saw at that moment, and nothing stays behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine, create_engine, func, insert, select, text, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, selectinload
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool, QueuePool

import holdfast
import holdfast.sqlalchemy
from holdfast.errors import DeclarationError, HistoryError, UnsupportedError
from holdfast.sqlalchemy import Audited, as_of, async_as_of, include_deleted, install, versions
from tests.harness import Protected
from tests.sqlalchemy.conftest import Shop
from tests.sqlalchemy.ledger import Author, Base, Book, Prize, Shelf, Taxi, Truck, Vehicle, moment, session
from tests.sqlalchemy.ledger import execute as run
from tests.sqlalchemy.ledger import ledger as built_ledger

STEPS = 16
Read = dict[str, Any]


@pytest.fixture(params=["psycopg", "asyncpg", "pysqlite", "aiosqlite"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Shop]:
    yield from built_ledger(request, request.param)


@pytest.fixture(params=["psycopg", "pysqlite"])
def sync_ledger(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Where the driver makes no difference."""
    yield from built_ledger(request, request.param)


def then(ledger: Shop, scenarios: list[tuple[dict[str, Any], Callable[[Session], Any]]], **options: Any) -> list[Any]:
    """What each scenario gives at its moment, over the driver and one connection of a pool."""
    options.setdefault("models", Base)
    models = options.pop("models")
    pool = {"pool_size": 1, "max_overflow": 0}
    if ledger.is_async:

        async def main() -> list[Any]:
            engine = create_async_engine(ledger.url, poolclass=AsyncAdaptedQueuePool, **pool)
            holdfast.sqlalchemy.bind(engine)
            found = []
            try:
                for when, scenario in scenarios:
                    async with async_as_of(engine, models, **when, **options) as past:
                        found.append(await past.run_sync(scenario))
            finally:
                await engine.dispose()
            return found

        return asyncio.run(main())
    engine = pooled(ledger, **pool)
    found = []
    try:
        for when, scenario in scenarios:
            with as_of(engine, models, **when, **options) as past:
                found.append(scenario(past))
    finally:
        engine.dispose()
    return found


def pooled(ledger: Shop, **options: Any) -> Engine:
    url = ledger.url.set(drivername="postgresql+psycopg" if ledger.url.get_backend_name() != "sqlite" else "sqlite")
    engine = create_engine(url, poolclass=QueuePool, **options)
    holdfast.sqlalchemy.bind(engine)
    return engine


def reads(session: Session) -> Read:
    """Joins, relationships, aggregates and plain SQL over several tables."""
    eager = select(Author).options(selectinload(Author.books).joinedload(Book.prizes)).order_by(Author.id)
    joined = (
        select(Author.name, Book.title, Book.price, Prize.name)
        .join(Book.author)
        .outerjoin(Book.prizes)
        .order_by(Book.id, Prize.id)
    )
    counted = select(Author.id, func.count(Book.id), func.sum(Book.price)).outerjoin(Author.books).group_by(Author.id)
    plain = "select a.name, b.title from authors a join books b on b.author_id = a.id order by a.id, b.id"
    dead = select(Book.id).options(include_deleted()).where(Book.deleted_at.is_not(None)).order_by(Book.id)
    return {
        "eager": [
            (a.id, a.name, a.version, a.created_at, [(b.title, b.price, [p.name for p in b.prizes]) for b in a.books])
            for a in session.scalars(eager)
        ],
        "joined": [tuple(row) for row in session.execute(joined)],
        "counted": sorted(tuple(row) for row in session.execute(counted)),
        "core": sorted(tuple(row) for row in session.execute(select(Book.__table__))),
        "text": [tuple(row) for row in session.execute(text(plain))],
        "dead": session.scalars(dead).all(),
        "vehicles": sorted(
            (type(each).__name__, each.id, each.name, getattr(each, "load", None), getattr(each, "sign", None))
            for each in session.scalars(select(Vehicle))
        ),
        "lazy": [
            (prize.id, prize.book.title, prize.book.author.name if prize.book.author else None)
            for prize in session.scalars(select(Prize).join(Prize.book).order_by(Prize.id))
        ],
    }


class Story:
    """Random work over several tables, in two sessions that overlap where the database lets them."""

    def __init__(self, sessions: list[Session], seed: int) -> None:
        self.sessions = sessions
        self.random = random.Random(seed)
        self.number = 10
        self.kinds: list[int] = []
        for number, writer in enumerate(sessions):
            books = [Book(id=number + 2 * each, title=f"book {each}") for each in range(1, 4)]
            books[0].prizes = [Prize(id=number, name="prize")]
            writer.add(Author(id=number, name=f"author {number}", books=books))
            writer.commit()

    def step(self) -> None:
        number = self.random.randrange(len(self.sessions))
        session = self.sessions[number]
        # Each has rows of its own, for the one would wait for the other.
        own = [each for each in session.scalars(select(Author).order_by(Author.id)) if each.id % 2 == number]
        books = [book for author in own for book in author.books]
        prizes = [prize for book in books for prize in book.prizes]
        self.number += 2
        # Each kind comes as often as the others.
        self.kinds = self.kinds or self.random.sample(range(9), 9)
        made, kind = self.number + number, self.kinds.pop()
        if kind < 2 or not own:
            session.add(Author(id=made, name=f"author {made}"))
        elif kind < 4 or not books:
            session.add(Book(id=made, title=f"book {made}", price=Decimal(made) / 4, author=self.random.choice(own)))
        elif kind == 4:
            session.add(Prize(id=made, name=f"prize {made}", book=self.random.choice(books)))
        elif kind == 5:
            self.random.choice(own).name = f"renamed {made}"
        elif kind == 6:
            book = self.random.choice(books)
            book.price, book.author = Decimal(made), self.random.choice(own)
        elif kind == 7 and prizes:
            session.delete(self.random.choice(prizes))
        elif kind == 7:
            session.add(Taxi(id=made, name="cab") if made % 4 else Truck(id=made, name="van", load=made))
        else:
            bare = [book for book in books if not book.prizes]
            if bare:
                session.delete(self.random.choice(bare))
        session.flush()
        if self.random.random() < 0.5 or len(self.sessions) == 1:
            session.rollback() if self.random.random() < 0.15 else session.commit()


def test_every_read_is_as_it_was_at_every_mark(ledger: Shop) -> None:
    overlapping = ledger.url.get_backend_name() != "sqlite"
    writers = [session(ledger) for _ in range(2 if overlapping else 1)]
    marks: list[tuple[datetime, Read]] = []
    with holdfast.context(actor="ann"):
        story = Story(writers, 7)
        for _ in range(STEPS):
            story.step()
            with session(ledger) as reading:
                seen = reads(reading)
            marks.append((moment(ledger), seen))
        for each in writers:
            each.commit()
            each.close()
    chosen = marks[::6] if ledger.is_async else marks[::3]
    found = then(ledger, [({"at": at}, reads) for at, _ in chosen])
    for (at, seen), past in zip(chosen, found, strict=True):
        for name in seen:
            assert past[name] == seen[name], (at, name)
    assert any(seen["dead"] for _, seen in marks)
    assert any(seen["lazy"] for _, seen in marks)


def test_a_version_with_what_was_around_it(ledger: Shop) -> None:
    def write(session: Session) -> None:
        author = Author(id=1, name="Ada", books=[Book(id=1, title="one"), Book(id=2, title="two")])
        session.add(author)
        session.commit()
        author.name = "Ada L."
        session.delete(author.books[0])
        session.commit()
        session.delete(author.books[0])
        session.delete(author)
        session.commit()

    with holdfast.context(actor="ann"):
        ledger.run(write)
    known = ledger.run(lambda s: versions(s, Author, 1))

    def around(past: Session) -> Any:
        author = past.get(Author, 1)
        # By a lazy load.
        return author and (author.name, [book.title for book in author.books])

    wanted = [("Ada", ["one", "two"]), ("Ada L.", ["two"]), None]
    assert then(ledger, [({"at": each.at}, around) for each in known]) == wanted
    assert then(ledger, [({"transaction": each.transaction}, around) for each in known]) == wanted


def test_nothing_can_be_written_and_the_connection_comes_back_clean(ledger: Shop) -> None:
    if ledger.url.get_backend_name() != "sqlite":
        # As the careful have it.
        run(ledger, f"alter database {ledger.url.database} set search_path = public, pg_temp")
    run(ledger, "insert into authors (id, name) values (1, 'one')")
    at = moment(ledger)
    run(ledger, "update authors set name = 'two'")

    def writing(past: Session) -> None:
        author = past.get_one(Author, 1)
        for statement in (
            insert(Author).values(id=5, name="x"),
            update(Author).values(name="x"),
            text("insert into authors (id, name) values (5, 'x')"),
            text("update shelves set name = 'x'"),
            text("create table surprise (id integer)"),
        ):
            with pytest.raises((UnsupportedError, sa.exc.DBAPIError)):
                past.execute(statement)
            past.rollback()
        author.name = "x"
        with pytest.raises(UnsupportedError, match="HF405"):
            past.commit()
        past.rollback()
        # Neither a commit nor a rollback within leads out of the past.
        past.commit()
        assert past.get_one(Author, 1).name == "one"
        raise KeyError

    state = (
        "select name from authors",
        "select count(*) from pg_class where relnamespace = pg_my_temp_schema()",
        "show transaction_read_only",
        "show transaction_isolation",
        "show search_path",
    )
    if ledger.url.get_backend_name() == "sqlite":
        state = (state[0], "select count(*) from temp.sqlite_master", "pragma query_only")

    def look(connection: sa.Connection) -> list[Any]:
        # Often enough for a driver to prepare it.
        for _ in range(8):
            names = connection.execute(text("select name from authors")).scalars().all()
        assert names == ["two"]
        return [connection.execute(text(each)).scalar() for each in state]

    def name(past: Session) -> Any:
        for _ in range(8):
            found = past.execute(text("select name from authors")).scalar()
        return found

    pool = {"pool_size": 1, "max_overflow": 0}
    if ledger.is_async:

        async def main() -> None:
            engine = create_async_engine(ledger.url, poolclass=AsyncAdaptedQueuePool, **pool)
            holdfast.sqlalchemy.bind(engine)
            async with engine.connect() as connection:
                before = await connection.run_sync(look)
            with pytest.raises(KeyError):
                async with async_as_of(engine, Base, at=at) as past:
                    await past.run_sync(writing)
            async with engine.connect() as connection:
                assert await connection.run_sync(look) == before
            async with async_as_of(engine, Base, at=at, unprotected="present") as past:
                assert await past.run_sync(name) == "one"
            async with engine.connect() as connection:
                assert await connection.run_sync(look) == before
            await engine.dispose()

        asyncio.run(main())
        return
    engine = pooled(ledger, **pool)
    with engine.connect() as connection:
        before = look(connection)
    with pytest.raises(KeyError), as_of(engine, Base, at=at) as past:
        writing(past)
    with engine.connect() as connection:
        assert look(connection) == before
    with as_of(engine, Base, at=at, unprotected="present") as past:
        assert name(past) == "one"
    with engine.connect() as connection:
        assert look(connection) == before
    engine.dispose()


def test_a_table_of_which_the_past_is_not_known_is_not_passed_off_as_the_present(sync_ledger: Shop) -> None:
    run(
        sync_ledger,
        "insert into shelves (id, name) values (1, 'top')",
        "insert into authors (id, name) values (1, 'Ada')",
        "insert into books (id, author_id, title, price, shelf_id) values (1, 1, 'old', 1, 1)",
    )
    at = moment(sync_ledger)
    run(sync_ledger, "update books set title = 'new'", "update shelves set name = 'new'")
    engine = pooled(sync_ledger)
    for read in (
        lambda past: past.get_one(Book, 1).shelf,
        lambda past: past.scalars(select(Book).options(joinedload(Book.shelf))).all(),
        lambda past: past.execute(select(Shelf.__table__)).all(),
        lambda past: past.execute(text("select * from shelves")).all(),
    ):
        with (
            pytest.raises(UnsupportedError, match="HF303: shelves is not recorded"),
            as_of(engine, Base, at=at) as past,
        ):
            read(past)
    with as_of(engine, Base, at=at) as past:
        assert past.get_one(Book, 1).title == "old"
    with as_of(engine, Base, at=at, unprotected="present") as past:
        book = past.get_one(Book, 1)
        assert book.shelf is not None
        assert (book.title, book.shelf.name) == ("old", "new")
    # Only the tables that are named are prepared; another one is an error, not the present.
    with as_of(engine, Base, at=at, tables=[Book]) as past:
        assert past.get_one(Book, 1).title == "old"
        with pytest.raises(sa.exc.DBAPIError, match="authors"):
            past.get(Author, 1)
    engine.dispose()


def test_a_moment_that_is_not_known_is_refused(sync_ledger: Shop) -> None:
    engine = pooled(sync_ledger)
    with pytest.raises(HistoryError, match="HF435"), as_of(engine, Base, at=datetime(2999, 1, 1, tzinfo=UTC)):
        pass
    with pytest.raises(UnsupportedError, match="HF410"), as_of(engine, Base, transaction="999999"):
        pass
    # Before it was recorded.
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(HistoryError, match="HF435"), as_of(engine, Base, at=long_ago) as past:
        past.get(Author, 1)
    plain = create_engine(engine.url, poolclass=NullPool)
    with pytest.raises(UnsupportedError, match="HF416"), as_of(plain, Base, at=datetime.now(UTC)):
        pass
    engine.dispose()


def test_tables_in_schemas_of_their_own(postgresql_database: str) -> None:
    class Own(DeclarativeBase):
        pass

    class Note(Own, Audited):
        __tablename__ = "notes"
        __table_args__ = {"schema": "desk"}  # noqa: RUF012
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    class Page(Own, Audited):
        __tablename__ = "pages"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    engine = create_engine(postgresql_database, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("create schema desk"))
        connection.execute(text("create schema one"))
    tenant = engine.execution_options(schema_translate_map={None: "one"})
    Own.metadata.create_all(tenant)
    holdfast.sqlalchemy.bind(engine)
    holdfast.sqlalchemy.bind(tenant)
    for name in ("desk.notes", "one.pages"):
        Protected(postgresql_database).protect({name: [holdfast.Audit()]})
    with holdfast.sqlalchemy.Session(tenant) as writing:
        writing.add_all([Note(id=1, text="old"), Page(id=1, text="old")])
        writing.commit()
        at = writing.scalar(text("select clock_timestamp()"))
        writing.execute(update(Note).values(text="new"))
        writing.execute(update(Page).values(text="new"))
        writing.commit()
        with as_of(writing, Own, at=at) as past:
            assert past.execute(select(Note.text, Page.text).join(Page, Page.id == Note.id)).all() == [("old", "old")]
        assert writing.execute(select(Note.text, Page.text).join(Page, Page.id == Note.id)).all() == [("new", "new")]
    # Under a map of the application's own that leaves the tables without a schema alone.
    mapped = engine.execution_options(schema_translate_map={"desk": "desk"})
    holdfast.sqlalchemy.bind(mapped)
    for _ in range(2):
        with mapped.connect() as connection:
            assert connection.scalar(select(Note.text)) == "new"
        with as_of(mapped, Own, at=at) as past:
            assert past.scalar(select(Note.text)) == "old"

    class Same(Own, Audited):
        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True)

    with engine.begin() as connection:
        connection.execute(text("create table one.notes (id integer primary key)"))
    with pytest.raises(DeclarationError, match="HF417"), as_of(tenant, Own, at=at):
        pass


def test_columns_that_were_renamed_added_and_dropped(sync_ledger: Shop) -> None:
    run(sync_ledger, "insert into prizes (id, book_id, name) select 1, 1, 'first' where false")
    run(sync_ledger, "insert into authors (id, name) values (1, 'one')")
    at = moment(sync_ledger)
    run(sync_ledger, "update authors set name = 'two'")
    for change in ("rename column name to called", "add column name varchar(20)"):
        run(sync_ledger, f"alter table authors {change}")
        install(sync_ledger.engine(), Base, roles_apart=False)
    run(sync_ledger, "update authors set name = 'mister', called = 'three'")
    engine = pooled(sync_ledger)
    with as_of(engine, Base, at=at) as past:
        assert past.execute(text("select called, name from authors")).all() == [("one", None)]
    engine.dispose()
