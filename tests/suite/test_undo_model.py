"""Random schemas, random transactions, and a model in plain Python of what an undo must leave behind.

HOLDFAST_TEST_EXAMPLES=2000 looks further than the fixed examples of every run.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, IntegrityError

from holdfast.context import bind, context
from holdfast.database import execute, prepare_engine
from holdfast.errors import UndoConflictError
from holdfast.journal import Conflict
from holdfast.policies import Audit
from tests.harness import Protected, journal
from tests.servers import Server

EXAMPLES = int(os.environ.get("HOLDFAST_TEST_EXAMPLES", "0"))
ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")
DEFERRING = ("", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED")

Row = dict[str, Any]
Snapshot = dict[str, dict[tuple[Any, ...], Row]]
"""Table to key to row."""


def profile(examples: int) -> settings:
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        print_blob=True,
        # Making a failure smaller takes minutes, so that is for whoever looks into it.
        phases=(Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


small = st.integers(1, 4)
maybe = st.one_of(small, st.none())


# ---------------------------------------------------------------------- schemas


@dataclass(frozen=True)
class Reference:
    """A foreign key to another table's key, or to its unique column."""

    number: int
    target: int
    to_unique: bool
    on_delete: str
    on_update: str
    deferring: str


@dataclass(frozen=True)
class Table:
    number: int
    composite: bool
    unique: bool
    references: tuple[Reference, ...]
    audit: Audit

    @property
    def name(self) -> str:
        return f"t{self.number}"

    @property
    def key(self) -> tuple[str, ...]:
        return ("a", "b") if self.composite else ("a",)


@dataclass(frozen=True)
class Schema:
    tables: tuple[Table, ...]
    links: tuple[int | None, ...]

    def columns(self, table: Table) -> list[str]:
        """Every column, in order; a reference has as many as what it refers to."""
        names = [*table.key, "u", "v"]
        for reference in table.references:
            names += self.referring(reference)
        return names

    def referring(self, reference: Reference) -> list[str]:
        return [f"r{reference.number}{column}" for column in self.referred(reference)]

    def referred(self, reference: Reference) -> tuple[str, ...]:
        return ("u",) if reference.to_unique else self.tables[reference.target].key

    def ddl(self, dialect: str) -> list[str]:
        create, alter = [], []
        for table in self.tables:
            parts = [f"{column} int not null" for column in table.key]
            parts += ["u int unique" if table.unique else "u int", "v text default 'new'"]
            for reference in table.references:
                referring = self.referring(reference)
                parts += [f"{column} int default 1" for column in referring]
                clause = (
                    f"foreign key ({', '.join(referring)}) references t{reference.target} "
                    f"({', '.join(self.referred(reference))}) on delete {reference.on_delete} "
                    f"on update {reference.on_update}{reference.deferring}"
                )
                if dialect == "sqlite":
                    parts.append(clause)
                else:
                    alter.append(f"alter table {table.name} add {clause}")
            parts.append(f"primary key ({', '.join(table.key)})")
            # Constraints come after all columns.
            parts.sort(key=lambda part: part.startswith("foreign key"))
            create.append(f"create table {table.name} ({', '.join(parts)})")
        return create + alter

    def seed(self) -> list[str]:
        """Four rows for each table, that refer to each other at random."""
        rows = [f"({key}, 1, {key}, 's')" for key in (1, 2, 3, 4)]
        plain = [f"({key}, {key}, 's')" for key in (1, 2, 3, 4)]
        seeded, linked = [], []
        position = 0
        for table in self.tables:
            free = [column for each in table.references for column in self.referring(each)]
            listed = "".join(f", {column}" for column in free)
            nothing = ", null" * len(free)
            values = ", ".join(row[:-1] + nothing + ")" for row in (rows if table.composite else plain))
            seeded.append(f"insert into {table.name} ({', '.join(table.key)}, u, v{listed}) values {values}")
            for reference in table.references:
                for key in (1, 2, 3, 4):
                    link = self.links[position % len(self.links)]
                    position += 1
                    if link is not None:
                        value = {"a": link, "b": 1, "u": link}
                        sets = (
                            f"{column} = {value[referred]}"
                            for column, referred in zip(
                                self.referring(reference), self.referred(reference), strict=True
                            )
                        )
                        linked.append(f"update {table.name} set {', '.join(sets)} where a = {key}")
        return seeded + linked


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    count = draw(st.integers(1, 3))
    shapes = [(draw(st.booleans()), draw(st.booleans())) for _ in range(count)]
    tables = []
    for number, (composite, unique) in enumerate(shapes):
        references = []
        for which in range(draw(st.integers(0, 2))):
            target = draw(st.integers(0, count - 1))
            references.append(
                Reference(
                    which,
                    target,
                    shapes[target][1] and draw(st.booleans()),
                    draw(st.sampled_from(ACTIONS)),
                    draw(st.sampled_from(ACTIONS)),
                    draw(st.sampled_from(DEFERRING)),
                )
            )
        audit = Audit(inserts=draw(st.sampled_from(("key", "full"))), form=draw(st.sampled_from(("auto", "row"))))
        tables.append(Table(number, composite, unique, tuple(references), audit))
    return Schema(tuple(tables), tuple(draw(st.lists(maybe, min_size=1, max_size=8))))


# ---------------------------------------------------------------------- statements


def _literal(value: Any) -> str:
    return "null" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


@st.composite
def statements(draw: st.DrawFn, schema: Schema, dialect: str) -> tuple[str, ...]:
    """What one writer sends at a time, by one of the paths there are."""
    table = draw(st.sampled_from(schema.tables))
    columns = schema.columns(table)
    free = [column for column in columns if column not in table.key]
    where = draw(st.sampled_from(("a = {}", "a >= {}", "a <> {}"))).format(draw(small))
    kind = draw(st.sampled_from(("insert", "insert", "insert", "upsert", "update", "update", "shift", "move", "swap",
                                 "delete", "delete", "clear", "again")))  # fmt: skip
    if kind in ("insert", "upsert"):
        keys = st.tuples(*[small if kind == "upsert" else st.integers(1, 9)] * len(table.key))
        rows = draw(st.lists(keys, min_size=1, max_size=3, unique=True))
        values = ", ".join(
            "(" + ", ".join(_literal(each) for each in (*row, *(_value(draw, column) for column in free))) + ")"
            for row in rows
        )
        upsert = ""
        if kind == "upsert":
            sets = ", ".join(f"{column} = excluded.{column}" for column in free)
            upsert = f" on conflict ({', '.join(table.key)}) do update set {sets}"
        return (f"insert into {table.name} ({', '.join(columns)}) values {values}{upsert}",)
    if kind == "update":
        changed = draw(st.lists(st.sampled_from(free), min_size=1, max_size=3, unique=True))
        sets = ", ".join(f"{column} = {_literal(_value(draw, column))}" for column in changed)
        return (f"update {table.name} set {sets} where {where}",)
    if kind == "shift":
        return (f"update {table.name} set u = u + {draw(st.sampled_from((1, -1)))} where {where}",)
    if kind == "move":
        return (f"update {table.name} set a = {draw(st.integers(1, 9))} where a = {draw(small)}",)
    if kind == "swap":
        one, two = draw(small), draw(small)
        column = draw(st.sampled_from(("u", "a")))
        return (
            f"update {table.name} set {column} = -1 where {column} = {one}",
            f"update {table.name} set {column} = {one} where {column} = {two}",
            f"update {table.name} set {column} = {two} where {column} = -1",
        )
    if kind == "clear":
        return (f"truncate {table.name} cascade" if dialect == "postgresql" else f"delete from {table.name}",)
    if kind == "again":
        key = ", ".join(str(draw(small)) for _ in table.key)
        return (
            f"delete from {table.name} where ({', '.join(table.key)}) = ({key})",
            f"insert into {table.name} ({', '.join(table.key)}) values ({key})",
        )
    return (f"delete from {table.name} where {where}",)


def _value(draw: st.DrawFn, column: str) -> Any:
    return draw(st.sampled_from(("x", "y", None, ""))) if column == "v" else draw(maybe)


@st.composite
def stories(draw: st.DrawFn, dialect: str) -> tuple[Schema, list[list[tuple[str, ...]]], int]:
    schema = draw(schemas())
    transaction = st.lists(statements(schema, dialect), min_size=1, max_size=5)
    transactions = draw(st.lists(transaction, min_size=2, max_size=5))
    return schema, transactions, draw(st.integers(0, len(transactions) - 1))


# ---------------------------------------------------------------------- the database and its model


class Story:
    """Plays the transactions, and keeps a snapshot of every table before and after each."""

    def __init__(self, url: str, schema: Schema) -> None:
        self.schema = schema
        self.protected = Protected(url)
        self.protected.run(*schema.ddl(self.protected.name), *schema.seed())
        self.protected.protect({table.name: [table.audit] for table in schema.tables})
        # It stays open, as a program's does; and a snapshot is taken often.
        self.engine = sqlalchemy.create_engine(self.protected.database.url, pool_size=1)
        prepare_engine(self.engine)
        bind(self.engine)
        self.ids: list[str] = []
        self.snapshots = [self.snapshot()]
        self.conflicts: tuple[Conflict, ...] = ()

    def snapshot(self) -> Snapshot:
        found: Snapshot = {}
        with self.engine.begin() as connection:
            for table in self.schema.tables:
                columns = self.schema.columns(table)
                rows = execute(connection, f"select {', '.join(columns)} from {table.name}")
                size = len(table.key)
                found[table.name] = {tuple(row[:size]): dict(zip(columns, row, strict=True)) for row in rows}
        return found

    def play(self, transaction: list[tuple[str, ...]]) -> None:
        """What the database refuses is taken back to the savepoint, as a program would, and the rest goes on."""
        with contextlib.suppress(IntegrityError), context(actor="writer"), self.engine.begin() as connection:
            for group in transaction:
                with contextlib.suppress(DBAPIError), connection.begin_nested():
                    for statement in group:
                        execute(connection, statement)
            execute(connection, self.protected.database.dialect.undo.check_constraints_now())
            written = execute(connection, self.protected.database.dialect.log.current_transaction())
        after = self.snapshot()
        if after != self.snapshots[-1]:
            self.ids.append(str(written[0][0]))
            self.snapshots.append(after)

    @property
    def exchanged(self) -> bool:
        """Whether the last undo failed for one of the two things that it may fail for though nothing happened since.

        Rows that exchanged unique values, and that others refer to, are in each other's way. And a row whose key moved
        leaves and comes again, so a foreign key to another unique column of it would act.
        """
        elsewhere = any(reference.to_unique for table in self.schema.tables for reference in table.references)
        return any(
            "duplicate key" in each.why or "UNIQUE" in each.why or ("refer to it now" in each.why and elsewhere)
            for each in self.conflicts
        )

    def undo(self, transaction: str, *, rehearsed: bool = True) -> str | None:
        """The id of the undo; None where it found a conflict, and then nothing was written."""
        before = self.snapshot()
        if not rehearsed:
            try:
                return self.protected.undo(transaction).transaction
            except UndoConflictError as error:
                self.conflicts = tuple(error.conflicts)
                assert self.snapshot() == before
                return None
        rehearsal = self.protected.undo(transaction, dry_run=True)
        assert self.snapshot() == before
        self.conflicts = rehearsal.conflicts
        if self.conflicts:
            with pytest.raises(UndoConflictError) as caught:
                self.protected.undo(transaction)
            assert caught.value.conflicts == rehearsal.conflicts
            assert self.snapshot() == before
            return None
        undone = self.protected.undo(transaction)
        assert undone.counts == rehearsal.counts
        return undone.transaction


def without(snapshots: list[Snapshot], position: int) -> Snapshot | None:
    """The newest snapshot as it would be without one transaction; None where that takes away what came later."""
    before, after, now = snapshots[position], snapshots[position + 1], snapshots[-1]
    expected = {table: dict(rows) for table, rows in now.items()}
    for table, rows in expected.items():
        for key in {*before[table], *after[table]}:
            old, new, present = (each[table].get(key) for each in (before, after, now))
            if old == new:
                continue
            if (new is None) != (present is None):
                return None
            changed = {column for column in old if old[column] != new[column]} if old and new else set(old or new or ())
            if new is not None and present is not None and any(new[column] != present[column] for column in changed):
                return None
            if old is None:
                del rows[key]
            else:
                rows[key] = {**(present or {}), **{column: old[column] for column in changed}}
    return expected


@contextlib.contextmanager
def fresh(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database for one example."""
    if "sqlite" in request.node.name:
        path: pathlib.Path = request.getfixturevalue("tmp_path") / f"{uuid.uuid4().hex}.db"
        path.touch()
        yield f"sqlite:///{path}"
        path.unlink()
    else:
        server: Server = request.getfixturevalue("postgresql")
        with server.new_database(request.getfixturevalue("servers").template(server, journal)) as url:
            yield url


def tell(request: pytest.FixtureRequest, story: tuple[Schema, list[list[tuple[str, ...]]], int]) -> None:
    schema, transactions, chosen = story
    with fresh(request) as url:
        played = Story(url, schema)
        try:
            for transaction in transactions:
                played.play(transaction)
            if played.ids:
                _undo_an_older_one(played, chosen % len(played.ids))
                _undo_all(played)
        finally:
            played.engine.dispose()


def _undo_an_older_one(played: Story, position: int) -> None:
    expected = without(played.snapshots, position)
    undone = played.undo(played.ids[position])
    if undone is not None:
        assert played.snapshot() == expected
        assert played.undo(undone) is not None or played.exchanged
        if not played.exchanged:
            assert played.snapshot() == played.snapshots[-1]
    elif position == len(played.ids) - 1:
        assert played.exchanged, played.conflicts


def _undo_all(played: Story) -> None:
    for position in reversed(range(len(played.ids))):
        if played.undo(played.ids[position], rehearsed=False) is None:
            assert played.exchanged, played.conflicts
            return
        assert played.snapshot() == played.snapshots[position]


Told = tuple[Schema, list[list[tuple[str, ...]]], int]


@profile(30)
@given(story=stories("postgresql"))
def test_an_undo_leaves_what_the_model_says_postgresql(
    request: pytest.FixtureRequest, postgresql: Server, story: Told
) -> None:
    tell(request, story)


@profile(30)
@given(story=stories("sqlite"))
def test_an_undo_leaves_what_the_model_says_sqlite(request: pytest.FixtureRequest, story: Told) -> None:
    tell(request, story)
