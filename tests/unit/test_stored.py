"""Which column of a table is which of the journal: whatever is done to a table, none is taken for another."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from holdfast.stored import StoredColumn, StoredRelation
from holdfast.tables import ColumnInfo, TableInfo, TableName

NAME = TableName("public", "t")


@dataclass
class Table:
    """A table as PostgreSQL keeps it: (who it is, name) of each column by position, and the highest one ever."""

    columns: dict[int, tuple[int, str]] = field(default_factory=dict)
    last: int = 0
    made: int = 0

    def add(self) -> None:
        self.last += 1
        self.made += 1
        self.columns[self.last] = (self.made, f"c{self.made}")

    def alter(self, dice: random.Random, *ways: str) -> None:
        """Adds, drops or renames a column, never to a name that was there before."""
        position = dice.choice(list(self.columns or [0]))
        match dice.choice(ways or ("add", "drop", "rename")):
            case "drop" if position:
                del self.columns[position]
            case "rename" if position:
                who, name = self.columns[position]
                self.columns[position] = (who, f"{name}_")
            case "add":
                self.add()
            case _:
                pass

    def restored(self) -> Table:
        """As a dump makes it elsewhere."""
        return Table(dict(enumerate(self.columns.values(), 1)), len(self.columns), self.made)

    def upgraded(self) -> Table:
        """As pg_upgrade leaves it."""
        return Table(dict(self.columns), self.last, self.made)

    def info(self, oid: int) -> TableInfo:
        columns = tuple(ColumnInfo(name, "text", "text", position=at) for at, (_, name) in self.columns.items())
        return TableInfo(NAME, columns, (), oid=oid, last_position=self.last)

    def stored(self, oid: int) -> StoredRelation:
        columns = tuple(StoredColumn(who, name, at, "text") for at, (who, name) in self.columns.items())
        return StoredRelation(1, NAME, oid, (), (), (), True, columns, self.made + 1, typed=True)


@pytest.mark.parametrize("way", ["the same", "restored", "upgraded", "moved up"])
def test_no_column_is_taken_for_another(way: str) -> None:
    for seed in range(1000):
        check(way, random.Random(seed))


def check(way: str, dice: random.Random) -> None:
    table = Table()
    for _ in range(dice.randint(3, 12)):
        table.alter(dice)
    if way == "moved up":
        table = table.restored()
    oid = 7 if way == "the same" else 0
    stored = table.stored(oid)
    known = {who for who, _ in table.columns.values()}
    present = {"the same": lambda: table, "upgraded": table.upgraded}.get(way, table.restored)()
    for _ in range(dice.randint(0, 5)):
        # Where columns move up, one that is added behind them cannot be told from a renamed one.
        present.alter(dice, *(("drop", "rename") if way == "moved up" else ()))
    if way == "moved up":
        present = present.restored()
    found = stored.for_table(present.info(7)).columns
    assert len(set(found.values())) == len(found)
    for who, name in present.columns.values():
        if who in known and (way == "the same" or name in {each.name for each in stored.columns}):
            assert found[name] == who
        # At worst one that was renamed is not known again.
        assert found[name] == who or found[name] >= stored.next_column
    assert stored.ending(present.info(7)) is None


@pytest.mark.parametrize("gaps", [0, 3])
def test_renamed_columns_are_known_again_in_a_copy(gaps: int) -> None:
    table = Table()
    for _ in range(6):
        table.add()
    for position in range(1, gaps + 1):
        del table.columns[position]
    copy = table.restored()
    copy.add()
    copy.columns = {at: (who, f"{name}_") for at, (who, name) in copy.columns.items()}
    found = table.stored(0).for_table(copy.info(7)).columns
    assert [found[name] for _, name in copy.columns.values()] == [who for who, _ in copy.columns.values()]
