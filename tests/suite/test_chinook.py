"""A real database, protected as a whole: a day of work by several people, told exactly and taken back exactly."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from holdfast.context import bind, context
from holdfast.database import prepare_engine
from holdfast.declaration import without_protection
from holdfast.policies import Audit
from tests.harness import Protected

ACTORS = ("ada", "ben", "cleo")
NAMES = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
Row = dict[str, Any]


@dataclass
class Told:
    """What the journal should say of one row."""

    actor: str
    reason: str
    table: str
    operation: str
    key: Any
    before: Row | None
    after: Row | None


@dataclass
class Shop:
    """Chinook, its day, and what the journal should have seen of it. Names are PostgreSQL's; SQLite's have no _."""

    database: Protected
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    expected: list[Told] = field(default_factory=list)
    statements: int = 0

    def __post_init__(self) -> None:
        self.engine = sa.create_engine(self.database.database.url, poolclass=sa.NullPool)
        prepare_engine(self.engine)
        if self.database.name == "sqlite":
            self.database.database.engine = kept_open(self.database)
        bind(self.engine)
        tables = self.database.inventory().tables.values()
        self.keys = {plain(table.name.name): [plain(name) for name in table.key] for table in tables}
        self.names = {plain(table.name.name): table.name.name for table in tables}

    def spelled(self, sql: str) -> str:
        return NAMES.sub(lambda match: match[0].replace("_", ""), sql) if self.database.name == "sqlite" else sql

    @contextmanager
    def at_work(self) -> Iterator[tuple[Connection, str, str]]:
        """A transaction by one of them: through the context, or as another program would say who it is."""
        actor, reason = self.chance.choice(ACTORS), f"ticket {self.chance.randint(1, 999)}"
        if self.database.name == "postgresql" and self.chance.random() < 0.4:
            with self.engine.begin() as connection:
                connection.exec_driver_sql(f"select holdfast.set_context(actor => '{actor}', reason => '{reason}')")
                yield connection, actor, reason
        else:
            with context(actor=actor, reason=reason), self.engine.begin() as connection:
                yield connection, actor, reason

    def select(self, connection: Connection, table: str, where: str, given: Row) -> list[Row]:
        rows = connection.execute(sa.text(self.spelled(f"select * from {table} where {where}")), given)
        return [{plain(name): value for name, value in row._mapping.items()} for row in rows]

    def key(self, table: str, row: Row) -> Any:
        values = [row[name] for name in self.keys[plain(table)]]
        return values[0] if len(values) == 1 else values

    def write(
        self, work: tuple[Connection, str, str], operation: str, table: str, where: str, sets: Row, **given: Any
    ) -> None:
        """One statement, and what it did to each row by looking before and after."""
        connection, actor, reason = work
        before = self.select(connection, table, where, given) if operation != "insert" else []
        if operation == "insert":
            sql = f"insert into {table} ({', '.join(sets)}) values ({', '.join(f':set_{name}' for name in sets)})"
        elif operation == "update":
            sql = f"update {table} set {', '.join(f'{name} = :set_{name}' for name in sets)} where {where}"
        else:
            sql = f"delete from {table} where {where}"
        values = {f"set_{name}": value for name, value in sets.items()}
        self.execute(connection, sql, {**given, **values})
        if operation == "insert":
            row = {plain(name): value for name, value in sets.items()}
            self.expected.append(Told(actor, reason, table, operation, self.key(table, row), None, row))
        for row in before:
            changed = {plain(name): value for name, value in sets.items() if same(row[plain(name)]) != same(value)}
            if operation == "update" and not changed:
                continue
            old = {name: row[name] for name in changed} if operation == "update" else row
            self.expected.append(Told(actor, reason, table, operation, self.key(table, row), old, changed or None))

    def execute(self, connection: Connection, sql: str, given: Row) -> None:
        """With parameters, or with every value written out."""
        self.statements += 1
        statement = sa.text(self.spelled(sql)).bindparams(
            **{self.spelled(name): value for name, value in given.items()}
        )
        if self.chance.random() < 0.5:
            connection.execute(statement)
        else:
            compiled = statement.compile(self.engine, compile_kwargs={"literal_binds": True})
            written = str(compiled)
            if self.engine.dialect.paramstyle == "pyformat":
                written = written.replace("%%", "%").replace("%", "%%")
            connection.exec_driver_sql(written)

    def checksums(self) -> dict[str, str]:
        return self.database.checksums(*(f'"{spelled}"' for spelled in self.names.values()))


def kept_open(database: Protected) -> sa.Engine:
    """One connection: SQLite reads the whole schema for each new one, which takes longer than most undos here."""
    engine = sa.create_engine(database.database.url, poolclass=sa.StaticPool)
    prepare_engine(engine)
    sa.event.listen(engine, "reset", lambda connection, *_: connection.execute("pragma query_only = off"))
    return engine


def plain(name: str) -> str:
    return name.lower().replace("_", "")


def same(value: Any) -> str:
    """A value as it can be compared between a driver and a JSON document."""
    text = str(value)
    return f"{float(text):.4f}" if re.fullmatch(r"-?\d+(\.\d+)?", text) else text


def a_morning(shop: Shop, number: int) -> None:
    """One transaction of everyday work."""
    chance = shop.chance
    with shop.at_work() as work:
        for _ in range(chance.randint(3, 8)):
            match chance.randint(1, 7):
                case 1:
                    shop.write(
                        work, "update", "customer", "customer_id = :id", {"email": f"new{chance.random()}@x.org"},
                        id=chance.randint(1, 59),
                    )  # fmt: skip
                case 2:
                    price = chance.choice(["0.99", "1.29", "1.99"])
                    shop.write(
                        work,
                        "update",
                        "track",
                        "album_id = :album",
                        {"unit_price": float(price)},
                        album=chance.randint(1, 347),
                    )
                case 3:
                    artist = 1000 + shop.statements
                    shop.write(
                        work, "insert", "artist", "", {"artist_id": artist, "name": f'O\'Artist "{number}" 100%'}
                    )
                    shop.write(
                        work, "insert", "album", "", {"album_id": artist, "title": "It: a \\ tale", "artist_id": artist}
                    )
                case 4:
                    shop.write(work, "delete", "playlist_track", "track_id = :id", {}, id=chance.randint(1, 3503))
                case 5:
                    shop.write(work, "delete", "invoice_line", "invoice_line_id = :id", {}, id=chance.randint(1, 2240))
                case 6:
                    title = f"Agent {chance.randint(1, 3)}"
                    shop.write(work, "update", "employee", "reports_to = :boss", {"title": title}, boss=2)
                case _:
                    shop.write(
                        work, "update", "invoice_line", "invoice_id = :id", {"quantity": chance.randint(1, 4)},
                        id=chance.randint(1, 412),
                    )  # fmt: skip


DESTRUCTIVE: Sequence[Sequence[str]] = (
    ["delete from playlist_track"],
    ["delete from invoice_line", "delete from invoice", "delete from customer"],
    ["delete from playlist_track where playlist_id = 1", "delete from playlist where playlist_id = 1"],
    ["update track set unit_price = 0, composer = null, milliseconds = milliseconds * 2"],
    ["update customer set support_rep_id = null, first_name = last_name, last_name = first_name"],
    ["update employee set reports_to = employee_id"],
    ["delete from invoice_line where invoice_id in (select invoice_id from invoice where total > 10)"],
    ["update playlist_track set playlist_id = playlist_id + 100 where false"],
    ["update invoice_line set invoice_line_id = invoice_line_id + 100000"],
    ["insert into genre (genre_id, name) select genre_id + 500, name from genre"],
    ["insert into artist (artist_id, name) values (9001, 'x')", "update artist set name = 'y' where artist_id = 9001"],
    ["delete from invoice_line where invoice_line_id = 1", "insert into invoice_line values (1, 1, 5, 9.99, 9)"],
)


@pytest.fixture(params=["postgresql", "sqlite"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    database = Protected(request.getfixturevalue(f"chinook_{request.param}"))
    inventory = database.inventory()
    left = {table.name for table, _ in without_protection(inventory)}
    database.protect({str(name): [Audit()] for name in inventory.tables if name not in left})
    assert database.drift() == []
    yield Shop(database)
    database.database.engine.dispose()


@pytest.mark.timeout(300)
def test_a_day_of_work_is_told_row_by_row(shop: Shop) -> None:
    start = shop.checksums()
    number = 0
    while shop.statements < 300:
        a_morning(shop, number)
        number += 1

    log = shop.database.log()
    assert len(log) == len(shop.expected)
    # Within a statement rows come in no order that matters; statement by statement they do.
    actual = sorted((change.actor or "", plain(change.table), change.operation, str(change.key)) for change in log)
    wanted = sorted((told.actor, plain(told.table), told.operation, str(told.key)) for told in shop.expected)
    assert actual == wanted
    check_rows(log, shop.expected)
    check_questions(shop)

    # And all of it back, the newest transaction first.
    for transaction in dict.fromkeys(change.transaction for change in reversed(log)):
        shop.database.undo(transaction)
    assert shop.checksums() == start


def check_rows(log: Sequence[Any], expected: Sequence[Told]) -> None:
    """Row by row, in the order of what happened to it: who, why, from what to what."""
    stories: dict[tuple[str, str], list[Told]] = {}
    for told in expected:
        stories.setdefault((plain(told.table), str(told.key)), []).append(told)
    for change in log:
        told = stories[plain(change.table), str(change.key)].pop(0)
        assert (change.actor, change.reason, change.operation) == (told.actor, told.reason, told.operation)
        for side, wanted in ((change.before, told.before), (change.after, told.after)):
            image = {plain(name): same(value) for name, value in (side or {}).items()}
            for name, value in (wanted or {}).items():
                if value is None or isinstance(value, str | int | float):
                    assert image[name] == same(value), (change, name)
            if told.operation == "update":
                assert set(image) == set(wanted or {})


def check_questions(shop: Shop) -> None:
    """What people ask of the log, each answer against the script."""
    database, expected = shop.database, shop.expected
    for actor in ACTORS:
        assert len(database.log(actor=actor)) == sum(told.actor == actor for told in expected)
    for operation in ("insert", "update", "delete"):
        assert len(database.log(operation=operation)) == sum(told.operation == operation for told in expected)
    for table in ("customer", "track", "playlist_track"):
        spelled = shop.names[plain(table)]
        assert len(database.log(spelled)) == sum(told.table == table for told in expected)
    first = next(told for told in expected if told.table == "customer")
    one = database.log(shop.names["customer"], key=str(first.key))
    assert len(one) == sum((told.table, told.key) == ("customer", first.key) for told in expected)
    assert len(database.log(limit=10)) == 10


@pytest.mark.timeout(300)
def test_each_destructive_statement_is_taken_back_exactly(shop: Shop) -> None:
    start = shop.checksums()
    for statements in DESTRUCTIVE:
        with context(actor="mallory"), shop.engine.begin() as connection:
            rows = sum(connection.exec_driver_sql(shop.spelled(each)).rowcount for each in statements)
        if rows == 0:
            assert shop.checksums() == start
            continue
        mallory = shop.database.log(actor="mallory", limit=1)
        after = shop.checksums()
        assert after != start, statements
        # An undo can be undone, and that one too.
        undone = shop.database.undo(mallory[0].transaction)
        again = shop.database.undo(undone.transaction)
        assert shop.checksums() == after, statements
        shop.database.undo(again.transaction)
        assert shop.checksums() == start, statements
