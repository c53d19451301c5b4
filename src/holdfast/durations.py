"""Lengths of time as people write them: 400 days, ``"400d"``, ``"36h"``."""

from __future__ import annotations

import re
from datetime import timedelta

from holdfast.errors import DeclarationError

_TEXT = re.compile(r"(\d{1,9})\s*([smhdw])")
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_UNITS["w"] = timedelta(weeks=1)

Duration = int | str | timedelta
"""A number of days, a text such as ``"90d"`` (s, m, h, d, w), or a timedelta."""


def duration(value: Duration) -> timedelta:
    """The length of time; HF118 where it is none, or not more than none.

    >>> duration(90) == duration("90d") == timedelta(days=90)
    True
    """
    length = None
    if isinstance(value, timedelta):
        length = value
    elif isinstance(value, int) and not isinstance(value, bool):
        length = timedelta(days=value) if abs(value) < 1_000_000 else None
    elif isinstance(value, str) and (match := _TEXT.fullmatch(value.strip())):
        try:
            length = int(match[1]) * _UNITS[match[2]]
        except OverflowError:
            length = None
    if length is None or length <= timedelta():
        raise DeclarationError(
            "HF118", f"{value!r} is no length of time.", 'Give a number of days, 1 or more, or a text such as "400d".'
        )
    # Seconds are the smallest unit that is written.
    return timedelta(seconds=-(-length // timedelta(seconds=1)))


def spelled(length: timedelta) -> str:
    """The length in the largest unit that holds it without a rest.

    >>> spelled(timedelta(days=400)), spelled(timedelta(hours=36))
    ('400d', '36h')
    """
    for unit in ("d", "h", "m"):
        if length % _UNITS[unit] == timedelta():
            return f"{length // _UNITS[unit]}{unit}"
    return f"{length // _UNITS['s']}s"
