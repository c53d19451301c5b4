"""The order of a list: its columns, which way each runs, and where its nulls stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import UnaryExpression

from holdfast.errors import PagingError
from holdfast.sqlalchemy.paging.uniqueness import expression_of, is_text

_DIRECTIONS = (operators.asc_op, operators.desc_op)
_NULLS = (operators.nulls_first_op, operators.nulls_last_op)


@dataclass(frozen=True, slots=True, eq=False)
class OrderColumn:
    """One column of the order, or an expression."""

    given: ColumnElement[Any]
    """As the statement names it: perhaps a label, which a condition cannot name."""
    descending: bool = False
    nulls_first: bool | None = None
    """None where the caller did not say."""
    nullable: bool = True

    @property
    def expression(self) -> ColumnElement[Any]:
        expression: ColumnElement[Any] = expression_of(self.given)
        return expression

    @property
    def begins_with_nulls(self) -> bool:
        """Unless it was said otherwise, nulls count as larger than every value, on every database."""
        return self.descending if self.nulls_first is None else self.nulls_first

    def clause(self) -> ColumnElement[Any]:
        """For ORDER BY. Nulls are not mentioned where there are none: an index then fits on every database."""
        directed = self.given.desc() if self.descending else self.given.asc()
        if self.nulls_first is None and not self.nullable:
            return directed
        return directed.nulls_first() if self.begins_with_nulls else directed.nulls_last()

    def reversed(self) -> OrderColumn:
        flipped = None if self.nulls_first is None else not self.nulls_first
        return replace(self, descending=not self.descending, nulls_first=flipped)


def parse_order(clauses: Iterable[Any]) -> list[OrderColumn]:
    """The columns of ORDER BY clauses as SQLAlchemy keeps them; HF641 for text, of which nothing is known."""
    return [_parse(clause) for clause in clauses]


def _parse(clause: Any) -> OrderColumn:
    descending, nulls_first = False, None
    while True:
        if isinstance(clause, UnaryExpression) and clause.modifier in _DIRECTIONS:
            descending = clause.modifier is operators.desc_op
            clause = clause.element
        elif isinstance(clause, UnaryExpression) and clause.modifier in _NULLS:
            nulls_first = clause.modifier is operators.nulls_first_op
            clause = clause.element
        elif clause.__visit_name__ == "label_reference":
            clause = clause.element
        else:
            break
    if is_text(clause):
        text = str(getattr(clause, "element", clause))
        raise PagingError(
            "HF641",
            f"order_by has the text {text!r}, of which nothing is known.",
            "Give columns and expressions: order_by=[Order.created_at.desc()].",
        )
    return OrderColumn(clause, descending, nulls_first)
