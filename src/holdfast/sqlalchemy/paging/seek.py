"""The condition for the rows that come after a place in an order, written so that an index range serves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import REAL, Double, Float, TypeDecorator, and_, bindparam, cast, false, or_, true, tuple_
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import UserDefinedType

from holdfast.sqlalchemy.paging.order import OrderColumn

_SINGLE_DIGITS = 24
"""Up to this precision a Float is of 4 bytes."""


class AsStored(UserDefinedType[Any]):
    """A value as the driver gives and takes it. A column's own type may show less than what is stored: a SQLite
    time without its fraction is another text than the one that the type would write."""

    cache_ok = True


AS_STORED = AsStored()
Value = ColumnElement[Any] | None
"""What stands in SQL for the value of a column; None for null."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbours in the order that a row value can compare: one direction, no nulls; or one column that has nulls."""

    columns: tuple[OrderColumn, ...]
    values: tuple[Value, ...]

    @property
    def first(self) -> OrderColumn:
        return self.columns[0]

    def at(self) -> ColumnElement[bool]:
        """The rows that have the values, of which none is null."""
        pairs = zip(self.columns, self.values, strict=True)
        return and_(*(column.expression == value for column, value in pairs))

    def beyond(self, *, or_at: bool) -> ColumnElement[bool]:
        """The rows behind the values; with ``or_at`` those that have them too."""
        expression = self.first.expression
        if self.values[0] is None:
            if self.first.begins_with_nulls:
                return true() if or_at else expression.is_not(None)
            return expression.is_(None) if or_at else false()
        condition = self._compare(or_at)
        if self.first.nullable and not self.first.begins_with_nulls:
            return or_(condition, expression.is_(None))
        return condition

    def _compare(self, or_at: bool) -> ColumnElement[bool]:
        left: Any = self.first.expression
        right: Any = self.values[0]
        if len(self.values) > 1:
            left, right = tuple_(*(column.expression for column in self.columns)), tuple_(*self.values)
        if self.first.descending:
            condition = left <= right if or_at else left < right
        else:
            condition = left >= right if or_at else left > right
        found: ColumnElement[bool] = condition
        return found


def segments(
    columns: Sequence[OrderColumn], values: Sequence[Value], *, inclusive: bool, row_ranges: bool
) -> list[ColumnElement[bool]]:
    """Conditions that give, one after the other, the rows behind the values (with ``inclusive``, at them too).

    Each is one range of an index, which as one condition they would not be: the rows that share the first values,
    then those behind them, then those that have none. One alone where a row value says it all, and ``row_ranges``:
    where an index range serves a row value.
    """
    first, value = columns[0], values[0]
    expression = first.expression
    if first.nullable and value is None:
        tied = _after(_runs(columns[1:], values[1:]), inclusive) if len(columns) > 1 else _known(inclusive)
        here = and_(expression.is_(None), tied)
        return [here, expression.is_not(None)] if first.begins_with_nulls else [here]
    run, *others = _runs([replace(first, nullable=False), *columns[1:]], values, cut_first=not row_ranges)
    if others:
        found = [and_(run.at(), _after(others, inclusive)), run.beyond(or_at=False)]
    else:
        found = [run.beyond(or_at=inclusive)]
    if first.nullable and not first.begins_with_nulls:
        found.append(expression.is_(None))
    return found


def _after(runs: Sequence[_Run], inclusive: bool) -> ColumnElement[bool]:
    """Of runs a, b, c: ``a >= x AND (a > x OR (b >= y AND (b > y OR c > z)))``. The first bound follows from the
    rest; it is there because an index range can be made of it."""
    *others, last = runs
    condition = last.beyond(or_at=inclusive)
    for run in reversed(others):
        condition = and_(run.beyond(or_at=True), or_(run.beyond(or_at=False), condition))
    return condition


def _runs(columns: Sequence[OrderColumn], values: Sequence[Value], *, cut_first: bool = False) -> list[_Run]:
    runs: list[_Run] = []
    for column, value in zip(columns, values, strict=True):
        last = runs[-1] if runs and not (cut_first and len(runs) == 1) else None
        if last and not (column.nullable or last.first.nullable) and column.descending == last.first.descending:
            runs[-1] = _Run((*last.columns, column), (*last.values, value))
        else:
            runs.append(_Run((column,), (value,)))
    return runs


def _known(answer: bool) -> ColumnElement[bool]:
    return true() if answer else false()


def bound(column: OrderColumn, name: str, given: type) -> ColumnElement[Any]:
    """The parameter of that name, for a value of the Python type that the driver gave for the column."""
    kind = column.expression.type
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    single = isinstance(kind, Float) and (isinstance(kind, REAL) or 0 < (kind.precision or 0) <= _SINGLE_DIGITS)
    if single and issubclass(given, float):
        # 0.1 of 4 bytes is not 0.1 of 8 bytes, and a driver sends 8.
        return cast(bindparam(name, type_=Double()), kind)
    return bindparam(name, type_=AS_STORED)
