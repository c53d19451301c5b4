"""A day of work on a generated database that has a column of every type: told row by row, then taken back."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from holdfast.policies import Audit, Guard
from tests.harness import Protected, journal
from tests.suite.test_types import DYNAMIC
from tests.values import GROUPS

pytestmark = pytest.mark.copy_of(build=journal)

ACTORS = ("alice", "bob", "carol", "nightly job")


@dataclass(frozen=True)
class Statement:
    """What somebody does, and what the log must say of it: the operation on each key."""

    sql: tuple[str, ...]
    told: frozenset[tuple[str, str, int]]


@dataclass
class Generated:
    """Tables that are named after groups of types, each with notes that a delete takes along."""

    protected: Protected
    values: dict[str, list[tuple[str, ...]]]
    """For each table, the values that each of its columns may take."""

    def rows(self, table: str) -> list[int]:
        return [key for (key,) in self.protected.rows(f"select id from {table} order by id")]

    def checksums(self) -> dict[str, str]:
        return self.protected.checksums(*(name for table in self.values for name in (table, f"{table}_notes")))

    def statement(self, chance: random.Random) -> Statement:
        table = chance.choice(list(self.values))
        rows = self.rows(table)
        new = max(rows, default=0) + 1
        kind = chance.choice(("insert", "insert", "update", "update", "update all", "delete", "move"))
        if kind == "insert" or not rows:
            values = ", ".join(chance.choice(column) for column in self.values[table])
            return Statement(
                (
                    f"insert into {table} values ({new}, {values}, {new})",
                    f"insert into {table}_notes values ({new}, {new}, 'note')",
                ),
                frozenset({("insert", table, new), ("insert", f"{table}_notes", new)}),
            )
        key = chance.choice(rows)
        if kind == "delete":
            notes = self.protected.rows(f"select id from {table}_notes where of = {key}")
            return Statement(
                (f"delete from {table} where id = {key}",),
                frozenset({("delete", table, key), *(("delete", f"{table}_notes", note) for (note,) in notes)}),
            )
        if kind == "update all":
            return Statement(
                (f"update {table} set counter = counter + 1",), frozenset(("update", table, each) for each in rows)
            )
        if kind == "move":
            notes = self.protected.rows(f"select id from {table}_notes where of = {key}")
            return Statement(
                (f"update {table} set id = {new} where id = {key}",),
                frozenset(
                    {("update", table, key), ("update", table, new)}
                    | {("update", f"{table}_notes", note) for (note,) in notes}
                ),
            )
        column = chance.randrange(len(self.values[table]))
        value = chance.choice(self.values[table][column])
        return Statement(
            (f"update {table} set v{column} = {value}, counter = counter + 1 where id = {key}",),
            frozenset({("update", table, key)}),
        )


def generated(url: str) -> Generated:
    protected = Protected(url)
    if protected.name == "sqlite":
        columns = {
            "affinities": [
                (each, (*DYNAMIC, "null")) for each in ("", "text", "integer", "real", "numeric", "blob", "boolean")
            ]
        }
        setup: Sequence[str] = ()
    else:
        columns = {
            f"t_{number}": [(kind.type, (*kind.values, "null")) for kind in kinds]
            for number, kinds in enumerate(GROUPS.values())
        }
        setup = [
            "create table kept (id integer primary key)",
            *dict.fromkeys(statement for kinds in GROUPS.values() for kind in kinds for statement in kind.setup),
        ]
    protected.run(*setup)
    for table, listed in columns.items():
        spelled = ", ".join(f"v{number} {type_}" for number, (type_, _) in enumerate(listed))
        protected.run(
            f"create table {table} (id integer primary key, {spelled}, counter integer)",
            f"create table {table}_notes (id integer primary key, "
            f"of integer references {table} on delete cascade on update cascade, text text)",
        )
    names = [name for table in columns for name in (table, f"{table}_notes")]
    protected.protect({name: [Audit(), Guard()] for name in names})
    return Generated(protected, {table: [values for _, values in listed] for table, listed in columns.items()})


@pytest.mark.timeout(300)
def test_a_day_of_work(database: str) -> None:
    day = generated(database)
    chance = random.Random(20260101)
    done: list[tuple[str, dict[str, str]]] = []
    wanted: dict[str, tuple[str, Statement]] = {}
    for _ in range(120):
        statement = day.statement(chance)
        actor = chance.choice(ACTORS)
        before = day.checksums() if len(done) % 10 == 0 else {}
        transaction = day.protected.write(*statement.sql, actor=actor)
        wanted[transaction] = (actor, statement)
        done.append((transaction, before))
    changes = sorted(day.protected.log(), key=lambda change: int(change.transaction))
    by_transaction = {name: list(told) for name, told in itertools.groupby(changes, lambda change: change.transaction)}
    assert by_transaction.keys() == wanted.keys()
    for transaction, (actor, statement) in wanted.items():
        told = by_transaction[transaction]
        assert {(each.operation, each.table, each.key) for each in told} == statement.told, statement.sql
        assert len(told) == len(statement.told)
        assert {each.actor for each in told} == {actor}
    for transaction, before in reversed(done):
        day.protected.undo(transaction)
        if before:
            assert day.checksums() == before
    assert all(day.rows(table) == [] for table in day.values)
    assert day.protected.drift() == []
