"""Random work on one table, told twice."""

from __future__ import annotations

import copy
import random
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from holdfast.database import execute
from holdfast.policies import Audit
from tests.harness import Protected
from tests.suite.history.moments import Row, Rows, now


class Writer:
    """One connection that writes in transactions; what it wrote is in the model once it commits."""

    def __init__(self, connection: sa.Connection, committed: Rows) -> None:
        self.connection = connection
        self.committed = committed
        self.pending: Rows = {}
        self.gone: set[int] = set()

    def seen(self) -> Rows:
        rows = {key: row for key, row in self.committed.items() if key not in self.gone}
        return {**rows, **self.pending}

    def run(self, sql: str) -> None:
        execute(self.connection, sql)

    def insert(self, key: int, row: Row) -> None:
        names = ", ".join(row)
        values = ", ".join(literal(value) for value in row.values())
        self.run(f"insert into item (id, {names}) values ({key}, {values})")
        self.pending[key] = dict(row)

    def update(self, key: int, changes: Row) -> None:
        self.run(f"update item set {', '.join(f'{k} = {literal(v)}' for k, v in changes.items())} where id = {key}")
        self.pending[key] = {**self.seen()[key], **changes}

    def delete(self, key: int) -> None:
        self.run(f"delete from item where id = {key}")
        self.pending.pop(key, None)
        self.gone.add(key)

    def move(self, key: int, to: int) -> None:
        self.run(f"update item set id = {to} where id = {key}")
        row = self.seen()[key]
        self.pending.pop(key, None)
        self.gone.add(key)
        self.gone.discard(to)
        self.pending[to] = row

    def end(self, *, commit: bool) -> None:
        if commit:
            self.connection.commit()
            for key in self.gone:
                self.committed.pop(key, None)
            self.committed.update(self.pending)
        else:
            self.connection.rollback()
        self.pending, self.gone = {}, set()


def literal(value: Any) -> str:
    if value is None:
        return "null"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


class Story:
    """Random work on one table, told twice: to the database, and to a dictionary of what is committed."""

    def __init__(self, protected: Protected, seed: int, writers: int, stack: ExitStack) -> None:
        self.protected, self.random = protected, random.Random(seed)
        self.committed: Rows = {}
        self.marks: list[tuple[datetime, Rows]] = []
        self.columns = ["name", "note", "amount"]
        self.writers = [Writer(stack.enter_context(protected.connect()), self.committed) for _ in range(writers)]
        self.number = 0

    def row(self) -> Row:
        return {name: self.value(name) for name in self.columns}

    def value(self, name: str) -> Any:
        if name.startswith("amount"):
            return self.random.choice([None, 0, 7, -1, 10**12])
        return self.random.choice([None, "", "it's", "naïve % :x", "x" * 40, "7"])

    def step(self) -> None:
        at = self.random.randrange(len(self.writers))
        writer = self.writers[at]
        # Each writer has rows of its own, so that none waits for another.
        mine = [key for key in writer.seen() if key % len(self.writers) == at]
        action = self.random.choice(["insert", "update", "update", "delete", "move", "commit", "commit", "rollback"])
        self.number += 1
        if action in ("commit", "rollback"):
            writer.end(commit=action == "commit")
            self.marks.append((now(self.protected), copy.deepcopy(self.committed)))
        elif action == "insert" or not mine:
            gone = [key for key in range(at, 12, len(self.writers)) if key not in writer.seen()]
            key = self.random.choice([*gone, self.number * len(self.writers) + at + 100])
            writer.insert(key, self.row())
        elif action == "update":
            names = self.random.sample(self.columns, self.random.randint(1, len(self.columns)))
            writer.update(self.random.choice(mine), {name: self.value(name) for name in names})
        elif action == "delete":
            writer.delete(self.random.choice(mine))
        else:
            writer.move(self.random.choice(mine), self.number * len(self.writers) + at + 1000)

    def end_all(self) -> None:
        for writer in self.writers:
            writer.end(commit=True)
        self.marks.append((now(self.protected), copy.deepcopy(self.committed)))

    def alter(self, sql: str, becomes: dict[str, str | None]) -> None:
        """DDL between transactions; the model's rows of all times go by the present names."""
        self.end_all()
        self.writers[0].run(sql)
        self.writers[0].connection.commit()
        self.protected.protect({"item": [Audit()]})
        for rows in [self.committed, *(rows for _, rows in self.marks)]:
            for row in rows.values():
                for old, new in becomes.items():
                    value = row.pop(old, None)
                    if new is not None:
                        row[new] = value
        self.columns = [name for name in (becomes.get(name, name) for name in self.columns) if name is not None]
