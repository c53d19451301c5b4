"""Values of Python against what the journal has of them, and moments that are near enough."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from uuid import UUID


class about:
    """Equal to any moment that is no further away than ``within``; a naive one is taken for UTC.

    There is no frozen clock: the database makes the times, so a clock that stands still in Python would only say
    something untrue. Compare with the moment at which the test ran instead.

    >>> datetime(2026, 1, 31, 12, 0, 7, tzinfo=UTC) == about(datetime(2026, 1, 31, 12, 0, tzinfo=UTC))
    True
    >>> datetime(2026, 1, 31, 13, 0, tzinfo=UTC) == about(datetime(2026, 1, 31, 12, 0, tzinfo=UTC))
    False
    """

    def __init__(self, moment: datetime, within: timedelta = timedelta(minutes=1)) -> None:
        self._moment = _aware(moment)
        self._within = within

    def __eq__(self, other: object) -> bool:
        given = _moment(other)
        return given is not None and abs(given - self._moment) <= self._within

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"about({self._moment.isoformat()}, within={self._within})"


def same(recorded: object, wanted: object) -> bool:
    """Whether the journal's value, which came from JSON, is that value of Python."""
    if wanted == recorded:
        return True
    match wanted:
        case Enum():
            return recorded == wanted.name or same(recorded, wanted.value)
        case UUID():
            with suppress(ValueError):
                return UUID(str(recorded)) == wanted
        case Decimal() | float():
            with suppress(InvalidOperation):
                return recorded is not None and Decimal(str(recorded)) == Decimal(str(wanted))
        case datetime():
            return _moment(recorded) == _aware(wanted)
        case date():
            return recorded == wanted.isoformat()
        case bytes():
            return recorded in (f"\\x{wanted.hex()}", {"blob": wanted.hex()})
    return False


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    return _aware(value) if isinstance(value, datetime) else None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
