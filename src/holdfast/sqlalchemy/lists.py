"""The statement of a list: made once where only values change from one call to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sqlalchemy import Integer, bindparam

from holdfast.errors import InvalidFilterError
from holdfast.sqlalchemy.fields import Fields, OrderBy, Where
from holdfast.sqlalchemy.filters import COMPARING, Comparison, comparisons
from holdfast.sqlalchemy.selecting import Reading

Ordering = OrderBy | Iterable[OrderBy] | None
Limit = int | Literal["all"]
_LIMIT = "limit_of_list"


def list_statement(
    fields: Fields[Any], where: tuple[Where, ...], order_by: Ordering, limit: Limit, reading: Reading
) -> tuple[Any, Mapping[str, Any]]:
    """The statement, and the values to execute it with. HF623 for what is not declared."""
    limited = _limited(limit)
    compared = _compared(fields, where) if _is_named(order_by) else None
    if compared is None:
        clauses = fields.conditions(where).clauses
        statement = fields.selects.of(reading).where(*clauses).order_by(*fields.total_order(order_by))
        return (statement.limit(limited[_LIMIT]) if limited else statement), {}

    def build(first: Any) -> Any:
        clauses = [
            COMPARING[each.operator](each.field.expression, bindparam(name, type_=each.field.expression.type))
            for name, each in zip(_values(compared), compared, strict=True)
        ]
        statement = first.where(*clauses).order_by(*fields.total_order(order_by))
        return statement.limit(bindparam(_LIMIT, type_=Integer())) if limited else statement

    named = tuple(order_by) if isinstance(order_by, list) else order_by
    shape = "list", named, bool(limited), *((each.field.name, each.operator) for each in compared)
    return fields.selects.kept(shape, reading, build), {**_values(compared), **limited}


def _limited(limit: Any) -> dict[str, int]:
    if limit == "all":
        return {}
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise InvalidFilterError("HF623", f"A list cannot have {limit!r} rows.", "Say limit=50, or limit='all'.")
    return {_LIMIT: limit}


def _compared(fields: Fields[Any], where: tuple[Where, ...]) -> list[Comparison] | None:
    """What the filters compare with values, where that is all they do."""
    found = []
    for each in where:
        compared = comparisons(each, fields.filters, fields.owner) if isinstance(each, Mapping) else None
        if compared is None:
            return None
        found += compared
    return found


def _is_named(order_by: Any) -> bool:
    if order_by is None or isinstance(order_by, str):
        return True
    return isinstance(order_by, (tuple, list)) and all(isinstance(each, str) for each in order_by)


def _values(compared: Iterable[Comparison]) -> dict[str, Any]:
    return {f"value_of_list_{place}": each.value for place, each in enumerate(compared)}
