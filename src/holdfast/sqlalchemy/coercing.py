"""Values from outside made those that a column holds, or refused: a query string knows text alone, JSON no dates."""

from __future__ import annotations

import datetime
import enum
import math
import re
import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import BigInteger, Enum, Integer, SmallInteger
from sqlalchemy.types import TypeEngine

from holdfast.sqlalchemy.times import UTCDateTime

Coerce = Callable[[Any], Any]
"""Gives the value, or raises a ValueError that says what was expected."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_BITS = ((SmallInteger, 16), (BigInteger, 64), (Integer, 32))
_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    Decimal: "a number",
    str: "text",
    bytes: "bytes",
    uuid.UUID: "a UUID",
    datetime.date: "a date, 2026-12-31",
    datetime.time: "a time, 23:59:59",
    datetime.datetime: "a date and time, 2026-12-31T23:59:59",
    datetime.timedelta: "a timedelta",
}


def coercer(kind: TypeEngine[Any]) -> Coerce | None:
    """What makes a value fit for columns of the type; None where nothing is known of what they hold."""
    if isinstance(kind, Enum):
        return _Member(kind)
    if isinstance(kind, UTCDateTime):
        return _Moment(aware=True)
    try:
        wanted = kind.python_type
    except NotImplementedError:
        return None
    if wanted is int:
        return _Whole(next((bits for each, bits in _BITS if isinstance(kind, each)), 64))
    if wanted is datetime.datetime:
        return _Moment(aware=bool(getattr(kind, "timezone", False)))
    return _SIMPLE.get(wanted)


def is_text(kind: TypeEngine[Any]) -> bool:
    """Whether patterns can be looked for in columns of the type."""
    return not isinstance(kind, Enum) and coercer(kind) is text


def is_ordered(kind: TypeEngine[Any]) -> bool:
    """Whether less and more mean something that a caller would expect."""
    known = coercer(kind)
    return known is not None and known is not truth and not isinstance(known, _Member)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise _expected(str)
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("text without characters that no database keeps as text (NUL, lone surrogates)")
    return value


def truth(value: Any) -> bool:
    if isinstance(value, str):
        value = _TRUTH.get(value.lower())
    if not isinstance(value, bool):
        raise _expected(bool)
    return value


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise _expected(float)
    return float(_finite(value))


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise _expected(Decimal)
    return _finite(value)


def _finite(value: Any) -> Decimal:
    try:
        number = Decimal(value.strip() if isinstance(value, str) else str(value))
    except InvalidOperation as error:
        raise _expected(Decimal) from error
    if not number.is_finite() or abs(number.adjusted()) > 10_000 or math.isinf(float(number)):
        raise ValueError("a finite number")
    return number


def _date(value: Any) -> datetime.date:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    found: datetime.date = _parsed(datetime.date, value)
    return found


def _time(value: Any) -> datetime.time:
    found: datetime.time = value if isinstance(value, datetime.time) else _parsed(datetime.time, value)
    return found


def _uuid(value: Any) -> uuid.UUID:
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise _expected(uuid.UUID) from error


def _bytes(value: Any) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise _expected(bytes)
    return bytes(value)


def _interval(value: Any) -> datetime.timedelta:
    if not isinstance(value, datetime.timedelta):
        raise _expected(datetime.timedelta)
    return value


_SIMPLE: dict[type, Coerce] = {
    str: text,
    bool: truth,
    float: _real,
    Decimal: _decimal,
    datetime.date: _date,
    datetime.time: _time,
    uuid.UUID: _uuid,
    bytes: _bytes,
    datetime.timedelta: _interval,
}


class _Whole:
    """An integer that PostgreSQL has room for: beyond, its driver would fail in its own words."""

    def __init__(self, bits: int) -> None:
        self.limit = 1 << (bits - 1)

    def __call__(self, value: Any) -> int:
        if type(value) is not int:
            if isinstance(value, bool) or not isinstance(value, (int, str)):
                raise _expected(int)
            if isinstance(value, str) and not _INTEGER.fullmatch(value):
                raise _expected(int)
            value = int(value)
        if not -self.limit <= value < self.limit:
            raise ValueError(f"an integer from {-self.limit:,} to {self.limit - 1:,}")
        number: int = value
        return number


class _Moment:
    """A date and time, with a zone exactly where the column is of moments."""

    def __init__(self, *, aware: bool) -> None:
        self.aware = aware

    def __call__(self, value: Any) -> datetime.datetime:
        moment = value if isinstance(value, datetime.datetime) else _parsed(datetime.datetime, value)
        if (moment.utcoffset() is not None) != self.aware:
            zone = "with a time zone, {}Z" if self.aware else "without a time zone, {}"
            raise ValueError("a date and time " + zone.format("2026-12-31T23:59:59"))
        return moment


class _Member:
    """One of an enum's members, or its value, or one of a list of strings."""

    def __init__(self, kind: Enum) -> None:
        self.enum_class: type[enum.Enum] | None = kind.enum_class
        self.names = list(kind.enums)

    def __call__(self, value: Any) -> Any:
        if self.enum_class is None:
            if isinstance(value, str) and value in self.names:
                return value
        elif isinstance(value, self.enum_class):
            return value
        else:
            for member in self.enum_class:
                if value == member.value and type(value) in (type(member.value), str, int):
                    return member
        allowed = self.names if self.enum_class is None else [str(member.value) for member in self.enum_class]
        raise ValueError(f"one of {', '.join(allowed)}")


def _parsed(wanted: Any, value: Any) -> Any:
    if isinstance(value, str):
        try:
            return wanted.fromisoformat(value)
        except ValueError:
            pass
    raise _expected(wanted)


def _expected(wanted: type) -> ValueError:
    return ValueError(_WORDS[wanted])
