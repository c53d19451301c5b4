"""What a cursor carries: values exactly as the driver gave them, as text, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Any
from uuid import UUID

from holdfast.errors import PagingError

_MICROSECOND = timedelta(microseconds=1)

# The first that fits is taken: a datetime is a date too, and an interface an address.
_SORTS: tuple[tuple[str, tuple[type, ...], Callable[[Any], str], Callable[[str], Any]], ...] = (
    ("float", (float,), float.hex, float.fromhex),
    ("decimal", (Decimal,), str, Decimal),
    ("datetime", (datetime,), datetime.isoformat, datetime.fromisoformat),
    ("date", (date,), date.isoformat, date.fromisoformat),
    ("time", (time,), time.isoformat, time.fromisoformat),
    ("interval", (timedelta,), lambda value: str(value // _MICROSECOND), lambda text: int(text) * _MICROSECOND),
    ("uuid", (UUID,), str, UUID),
    ("bytes", (bytes, bytearray, memoryview), lambda value: bytes(value).hex(), bytes.fromhex),
    ("interface", (IPv4Interface, IPv6Interface), str, ip_interface),
    ("address", (IPv4Address, IPv6Address), str, ip_address),
    ("network", (IPv4Network, IPv6Network), str, ip_network),
)
_write = json.JSONEncoder(separators=(",", ":")).encode
_READERS = {name: read for name, _, _, read in _SORTS}


def dumps(values: Sequence[Any]) -> str:
    """The values as JSON; HF643 where there is one that would not come back as it was."""
    return _write([_plain(value) for value in values])


def loads(text: str) -> list[Any]:
    """What ``dumps`` wrote.

    >>> loads(dumps([None, True, 7, "a", 0.1, Decimal("1.10"), b"x"]))
    [None, True, 7, 'a', 0.1, Decimal('1.10'), b'x']
    """
    return [_value(plain) for plain in json.loads(text)]


def _plain(value: Any) -> Any:
    # Not a subclass: an enum over text would come back as mere text.
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) in (list, tuple):
        return [_plain(each) for each in value]
    for name, kinds, write, _ in _SORTS:
        if isinstance(value, kinds):
            return {name: write(value)}
    raise PagingError(
        "HF643",
        f"A cursor cannot carry a value of type {type(value).__module__}.{type(value).__qualname__}.",
        "Order by a column of numbers, text, times, bytes or UUIDs, or cast the column in order_by to one of these.",
    )


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_value(each) for each in plain]
    if isinstance(plain, dict):
        [(name, text)] = plain.items()
        return _READERS[name](text)
    return plain
