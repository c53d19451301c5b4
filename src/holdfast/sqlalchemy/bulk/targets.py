"""What is written to: the table of a mapped class, and its columns by the names of the attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table, inspect
from sqlalchemy.orm import Mapper

from holdfast.errors import DeclarationError, RowsError
from holdfast.policies import SoftDelete, Timestamps, Version
from holdfast.sqlalchemy.tables import policy_of


@dataclass(frozen=True)
class Target:
    """A mapped class over one table."""

    mapper: Mapper[Any]
    table: Table
    columns: Mapping[str, Column[Any]]
    """By the attribute that maps it."""

    @property
    def name(self) -> str:
        return self.mapper.class_.__name__

    @property
    def key(self) -> tuple[str, ...]:
        """The attributes of the primary key, in its order."""
        return tuple(self.attribute(column) for column in self.table.primary_key)

    @property
    def mark(self) -> Column[Any] | None:
        policy = policy_of(self.table, SoftDelete)
        return None if policy is None else self.table.c[policy.column]

    @property
    def version(self) -> str | None:
        """The attribute that counts versions, where the database does so."""
        policy = policy_of(self.table, Version)
        return None if policy is None else self.attribute(self.table.c[policy.column])

    @property
    def kept(self) -> frozenset[str]:
        """The attributes that the database writes, the version aside: times and mark."""
        names: list[str] = []
        if (timestamps := policy_of(self.table, Timestamps)) is not None:
            names += [timestamps.created, timestamps.updated]
        if (soft_delete := policy_of(self.table, SoftDelete)) is not None:
            names.append(soft_delete.column)
        return frozenset(self.attribute(self.table.c[name]) for name in names)

    def attribute(self, column: Column[Any]) -> str:
        return str(self.mapper.get_property_by_column(column).key)

    def of(self, names: Iterable[str]) -> tuple[Column[Any], ...]:
        return tuple(self.columns[name] for name in names)

    def check(self, names: Iterable[str], rows: Sequence[int] = ()) -> None:
        """HF650 where one of them is no column of the class."""
        for name in names:
            if name not in self.columns:
                raise RowsError(
                    "HF650",
                    f"{self.name} has no column {name!r}.",
                    f"It has: {', '.join(sorted(self.columns))}.",
                    rows=rows,
                )

    def refuse_kept(self, names: Iterable[str]) -> None:
        """HF650 where one of them is the database's to write."""
        for name in names:
            if name in self.kept:
                raise RowsError(
                    "HF650",
                    f"{self.name}.{name} is written by the database and by nobody else.",
                    "Leave it out; bulk_delete sets the mark, and a restore takes it away.",
                )


def target_of(model: type[Any], *, joined: bool = False) -> Target:
    """HF113 where it is no mapped class, or one over several tables and ``joined`` is not said."""
    mapper: Any = inspect(model, raiseerr=False)
    if not isinstance(mapper, Mapper) or not isinstance(mapper.local_table, Table):
        raise DeclarationError("HF113", f"{model!r} is not a mapped class over a table.", "Give the class of a model.")
    if len(mapper.tables) > 1 and not joined:
        raise DeclarationError(
            "HF113",
            f"{model.__name__} lies in several tables: {', '.join(str(table) for table in mapper.tables)}.",
            "Write it through the session: session.add_all, session.delete, or session.execute(update(…)).",
        )
    columns = {
        each.key: each.columns[0]
        for each in mapper.column_attrs
        if isinstance(each.columns[0], Column)
        and (len(mapper.tables) > 1 or each.columns[0].table is mapper.local_table)
    }
    return Target(mapper, mapper.local_table, columns)
