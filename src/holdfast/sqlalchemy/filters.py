"""Filters as data, as a request has them: ``{"status": "paid", "total__gte": 5}``, over declared fields alone."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_

from holdfast.errors import InvalidFilterError
from holdfast.sqlalchemy.coercing import Coerce, coercer, is_ordered, is_text, truth

MOST = 10_000
"""Values of one ``in``: a statement has room for 32,766 parameters on SQLite, and 65,535 on PostgreSQL."""
_ESCAPE = "\\"


@dataclass(frozen=True)
class Field:
    """A field that may be filtered by: its name, what stands for it in SQL, and whether it can be null."""

    name: str
    expression: Any
    nullable: bool
    takes_parameters: bool = False
    """Whether it is compared with a parameter as with a value: somebody's own type or comparator may look at that."""

    @cached_property
    def coerce(self) -> Coerce | None:
        return coercer(self.expression.type)

    @cached_property
    def operators(self) -> tuple[str, ...]:
        """Those that mean something for the field's type."""
        kind = self.expression.type
        if coercer(kind) is None:
            return ("is_null",)
        return (
            *_ANY,
            *(_ORDERED if is_ordered(kind) else ()),
            *(_PATTERNS if is_text(kind) else ()),
        )

    def value(self, operator: str, value: Any) -> Any:
        """The value as the column holds it; HF623 where it does not fit."""
        assert self.coerce is not None
        if value is None:
            raise self.refused(operator, "a value; for null say is_null")
        try:
            return self.coerce(value)
        except ValueError as error:
            raise self.refused(operator, str(error), value) from error

    def values(self, operator: str, given: Any, count: int | None = None) -> list[Any]:
        if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Collection):
            raise self.refused(operator, "a list", given)
        if len(given) > MOST:
            raise self.refused(operator, f"{MOST:,} values at most, and there are {len(given):,}")
        if count is not None and len(given) != count:
            raise self.refused(operator, f"{count} values, and there are {len(given)}")
        return [self.value(operator, each) for each in given]

    def refused(self, operator: str, expected: str, given: Any = None) -> InvalidFilterError:
        name = self.name if operator == "eq" else f"{self.name}__{operator}"
        got = "" if given is None else f", not {_shortened(given)}"
        return InvalidFilterError("HF623", f"The filter {name} takes {expected}{got}.", "Nothing was read or written.")


@dataclass(frozen=True)
class Conditions:
    """What a filter says, and whether it leaves anything out: one that does not is no filter for a write."""

    clauses: tuple[ColumnElement[bool], ...]
    restricts: bool


def parse_filter(data: Mapping[str, Any], fields: Mapping[str, Field], owner: str) -> Conditions:
    """The conditions for a filter of declared fields; HF623 for any other field, operator or value."""
    clauses: list[ColumnElement[bool]] = []
    restricts = False
    for name, value in data.items():
        field, operator = _find(name, fields, owner)
        restricts |= not _leaves_nothing_out(field, operator, value)
        clauses.append(_CONDITIONS[operator](field, operator, value))
    return Conditions(tuple(clauses), restricts)


class Comparison(NamedTuple):
    """One condition, of those that are the same statement whatever the value is."""

    field: Field
    operator: str
    value: Any


def comparisons(data: Mapping[str, Any], fields: Mapping[str, Field], owner: str) -> list[Comparison] | None:
    """What the filter compares with values; None where it says anything else. HF623 as ``parse_filter``."""
    found = []
    for name, value in data.items():
        field, operator = _find(name, fields, owner)
        if value is None or operator not in COMPARING or not field.takes_parameters:
            return None
        found.append(Comparison(field, operator, field.value(operator, value)))
    return found


def suggestion(name: str, allowed: Iterable[str], what: str) -> str:
    """What could have been meant, and what there is."""
    known = sorted(allowed)
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    return f"{meant}{what}: {', '.join(known) or 'nothing'}."


def _find(name: Any, fields: Mapping[str, Field], owner: str) -> tuple[Field, str]:
    if not isinstance(name, str):
        raise InvalidFilterError(
            "HF623", f"A filter names its fields in text, not as {_shortened(name)}.", "Write {'status': 'paid'}."
        )
    if name in fields:
        return _checked(fields[name], "eq")
    front, _, operator = name.rpartition("__")
    if front in fields:
        return _checked(fields[front], operator)
    field = front if operator in _CONDITIONS else name
    raise InvalidFilterError(
        "HF623",
        f"{owner} has no filter {_shortened(field)}.",
        suggestion(field, fields, f"{owner}.filterable declares"),
    )


def _checked(field: Field, operator: str) -> tuple[Field, str]:
    if operator not in field.operators:
        raise InvalidFilterError(
            "HF623",
            f"The field {field.name} has no operator {_shortened(operator)}.",
            suggestion(operator, field.operators, "It has"),
        )
    return field, operator


def _leaves_nothing_out(field: Field, operator: str, value: Any) -> bool:
    match operator:
        case "not_in":
            return isinstance(value, Collection) and not value
        case "contains" | "startswith" | "endswith" | "icontains" | "istartswith" | "iendswith":
            return isinstance(value, str) and not value
        case "ne":
            return value is None and not field.nullable
        case "is_null":
            return not field.nullable and truth_of(field, value) is False
    return False


def truth_of(field: Field, value: Any) -> bool:
    try:
        return truth(value)
    except ValueError as error:
        raise field.refused("is_null", str(error), value) from error


def _equal(field: Field, operator: str, value: Any) -> Any:
    return field.expression.is_(None) if value is None else field.expression == field.value(operator, value)


def _unequal(field: Field, operator: str, value: Any) -> Any:
    """A row without a value is one that has another value."""
    if value is None:
        return field.expression.is_not(None)
    differs = field.expression != field.value(operator, value)
    return or_(field.expression.is_(None), differs) if field.nullable else differs


def _among(field: Field, operator: str, value: Any) -> Any:
    return field.expression.in_(field.values(operator, value))


def _not_among(field: Field, operator: str, value: Any) -> Any:
    others = field.expression.not_in(field.values(operator, value))
    return or_(field.expression.is_(None), others) if field.nullable else others


def _null(field: Field, operator: str, value: Any) -> Any:
    return field.expression.is_(None) if truth_of(field, value) else field.expression.is_not(None)


def _between(field: Field, operator: str, value: Any) -> Any:
    low, high = field.values(operator, value, count=2)
    return field.expression.between(low, high)


def _compared(field: Field, operator: str, value: Any) -> Any:
    return COMPARING[operator](field.expression, field.value(operator, value))


def _pattern(before: str, after: str) -> Callable[[Field, str, Any], Any]:
    """LIKE over exactly the text: what it takes for wildcards is escaped."""

    def condition(field: Field, operator: str, value: Any) -> Any:
        wanted: str = field.value(operator, value)
        folded = operator.startswith("i")
        pattern = before + _escaped(wanted) + after
        if folded:
            return func.lower(field.expression).like(func.lower(pattern), escape=_ESCAPE)
        alike = field.expression.like(pattern, escape=_ESCAPE)
        # SQLite's LIKE takes a for A. These do not, anywhere, and LIKE is left its index.
        return and_(alike, _exactly(field.expression, operator, wanted)) if wanted else alike

    return condition


def _exactly(expression: Any, operator: str, wanted: str) -> Any:
    if operator == "contains":
        return func.replace(expression, wanted, "") != expression
    if operator == "startswith":
        return func.substr(expression, 1, len(wanted)) == wanted
    return func.substr(expression, func.length(expression) - len(wanted) + 1) == wanted


def _escaped(value: str) -> str:
    for character in (_ESCAPE, "%", "_"):
        value = value.replace(character, _ESCAPE + character)
    return value


def _same_folded(field: Field, operator: str, value: Any) -> Any:
    return func.lower(field.expression) == func.lower(field.value(operator, value))


def _shortened(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


COMPARING: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": eq,
    "lt": lt,
    "lte": le,
    "gt": gt,
    "gte": ge,
}
_ANY = ("eq", "ne", "in", "not_in", "is_null")
_ORDERED = ("lt", "lte", "gt", "gte", "between")
_PATTERNS = ("contains", "startswith", "endswith", "ieq", "icontains", "istartswith", "iendswith")
_CONDITIONS: Mapping[str, Callable[[Field, str, Any], Any]] = {
    "eq": _equal,
    "ne": _unequal,
    "in": _among,
    "not_in": _not_among,
    "is_null": _null,
    "lt": _compared,
    "lte": _compared,
    "gt": _compared,
    "gte": _compared,
    "between": _between,
    "contains": _pattern("%", "%"),
    "startswith": _pattern("", "%"),
    "endswith": _pattern("%", ""),
    "ieq": _same_folded,
    "icontains": _pattern("%", "%"),
    "istartswith": _pattern("", "%"),
    "iendswith": _pattern("%", ""),
}
OPERATORS = tuple(_CONDITIONS)
"""``field`` alone means ``field__eq``. ``ne`` and ``not_in`` find rows without a value too; ``in`` of nothing, none."""
