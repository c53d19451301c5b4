"""Points in time as people write and read them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from holdfast.durations import duration
from holdfast.errors import DeclarationError

_AGO = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WAIT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|m|h)")
_WAIT_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours"}


class Moment(click.ParamType[datetime]):
    """``2026-11-21T14:00+01:00``, ``2026-11-21`` (both local unless they say otherwise), or ``1h`` for an hour ago."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            if ago := _AGO.fullmatch(text):
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            # A time without a zone is of the zone that the reader lives in.
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{text!r} is no time. Write ISO 8601, such as 2026-11-21T14:00 or 2026-11-21, "
                "or how long ago: 90s, 30m, 1h, 2d, 1w.",
                param,
                ctx,
            )


class Length(click.ParamType[timedelta]):
    """``90d``, ``36h``, or a number of days."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        text = str(value).strip()
        try:
            return duration(int(text) if text.isdecimal() else text)
        except (DeclarationError, ValueError):
            self.fail(f"{text!r} is no length of time. Write a number of days, 1 or more, or 36h, 90d, 8w.", param, ctx)


class Wait(click.ParamType[timedelta]):
    """How long to wait: ``100ms``, ``5s``, ``10m``, ``1h``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _WAIT.fullmatch(str(value).strip())
        length = timedelta(**{_WAIT_UNITS[match[2]]: float(match[1])}) if match else timedelta()
        if length <= timedelta():
            self.fail(f"{value!r} is no length of time. Write 100ms, 5s, 10m or 1h.", param, ctx)
        return length


class Interval(click.FloatRange):
    """Seconds between two looks."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return seconds


def local(moment: datetime) -> str:
    """In the reader's zone, with the offset, so that it can be compared with another machine's."""
    here = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone()
    offset = here.strftime("%z")
    return f"{here:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"
