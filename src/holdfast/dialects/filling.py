"""What every dialect answers about rows that are updated in many small transactions, in the order of their key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.dialects.changing import Target
from holdfast.dialects.query import Query

CURSORS = "holdfast_backfill"
"""The table of how far each backfill has come; it is there while one is under way."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Filling(ABC):
    begin: str
    commit = "commit"
    rollback = "rollback"

    @abstractmethod
    def name(self, table: Target) -> str: ...

    @abstractmethod
    def quote(self, name: str) -> str: ...

    @abstractmethod
    def key(self, table: Target) -> Query:
        """name, type of each column of the key, in its order; no row where there is none."""

    @abstractmethod
    def estimate(self, table: Target) -> Query:
        """One number: about how many rows there are; negative where nobody knows."""

    def replica_lag(self) -> str | None:
        """One number: by how many seconds the replica that is furthest behind is behind; NULL where there is none."""
        return None

    def bounded_wait(self, milliseconds: int) -> str | None:
        """Bounds the wait for a row that others have locked, in the transaction in hand."""
        return None

    @abstractmethod
    def key_text(self, column: str) -> str:
        """A column of the key, as the cursor keeps it."""

    @abstractmethod
    def key_value(self, parameter: str, type_: str) -> str:
        """What the cursor keeps, as a value of the column's type."""

    # ------------------------------------------------------------------ a batch

    def upper(self, table: Target, key: Sequence[tuple[str, str]], after: Sequence[Any] | None, size: int) -> Query:
        """The key of the row that ends the batch; no row where fewer are left."""
        texts = ", ".join(self.key_text(self.quote(column)) for column, _ in key)
        # By a bare name, PostgreSQL would order by what is selected, which is text, and read the whole table for it.
        order = ", ".join(f"t.{self.quote(column)}" for column, _ in key)
        where = "" if after is None else f"where {self._compared('>', key, 'after')}\n"
        return Query(
            f"select {texts} from {self.name(table)} as t\n{where}order by {order} limit 1 offset {size - 1:d}",
            self._parameters("after", after),
        )

    def update(
        self,
        table: Target,
        column: str,
        value: str,
        where: str,
        key: Sequence[tuple[str, str]],
        after: Sequence[Any] | None,
        until: Sequence[Any] | None,
    ) -> Query:
        """Fills the rows behind ``after``, to the one that ends the batch or to the last."""
        conditions = [f"({where})"]
        if after is not None:
            conditions.insert(0, self._compared(">", key, "after"))
        if until is not None:
            conditions.insert(0, self._compared("<=", key, "until"))
        return Query(
            f"update {self.name(table)}\nset {self.quote(column)} = {value}\nwhere " + "\n    and ".join(conditions),
            {**self._parameters("after", after), **self._parameters("until", until)},
        )

    def _compared(self, operator: str, key: Sequence[tuple[str, str]], prefix: str) -> str:
        columns = ", ".join(self.quote(column) for column, _ in key)
        values = ", ".join(self.key_value(f":{prefix}_{LETTERS[i]}", type_) for i, (_, type_) in enumerate(key))
        return f"({columns}) {operator} ({values})"

    def _parameters(self, prefix: str, values: Sequence[Any] | None) -> Mapping[str, Any]:
        return {f"{prefix}_{LETTERS[i]}": each for i, each in enumerate(values or ())}

    # ------------------------------------------------------------------ cursors

    def create_cursors(self) -> str:
        return (
            f"create table if not exists {CURSORS} (\n"
            "    name text primary key,\n    after_key text,\n    done bigint not null,\n    changed bigint not null\n)"
        )

    def cursor(self, name: str) -> Query:
        """after_key as JSON, rows looked at, rows changed."""
        return Query(f"select after_key, done, changed from {CURSORS} where name = :name", {"name": name})

    def save_cursor(self, name: str, after: str, done: int, changed: int) -> Query:
        return Query(
            f"insert into {CURSORS} (name, after_key, done, changed)\nvalues (:name, :after, {done:d}, {changed:d})\n"
            "on conflict (name) do update set after_key = excluded.after_key, done = excluded.done,\n"
            "    changed = excluded.changed",
            {"name": name, "after": after},
        )

    def drop_cursor(self, name: str) -> Query:
        return Query(f"delete from {CURSORS} where name = :name", {"name": name})

    def cursors_left(self) -> str:
        return f"select count(*) from {CURSORS}"

    def drop_cursors(self) -> str:
        return f"drop table {CURSORS}"
