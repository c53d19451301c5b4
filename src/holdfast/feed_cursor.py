"""A cursor of the change feed: a place in it, as a text that is taken along."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import astuple
from datetime import datetime
from typing import Any, NamedTuple

from holdfast.dialects.base import Dialect
from holdfast.dialects.feed import Dropped, Origin, Position
from holdfast.errors import InvalidCursorError

_FORMAT = 3
_SNAPSHOT = re.compile(r"|\d{1,19}|\*|\d{1,19}:\d{1,19}:(\d{1,19}(,\d{1,19})*)?", re.ASCII)


class FeedState(NamedTuple):
    """What there is to read at one moment."""

    snapshot: str
    now: datetime
    origins: tuple[Origin, ...]
    following: int | None
    """The transaction that was to begin next, once the snapshot had been taken; None where that is not certain."""
    dropped: Mapping[int, Dropped]
    """By relation."""

    @property
    def known(self) -> int:
        return max((each.intervention for each in self.dropped.values()), default=0)

    def origin(self, number: int) -> Origin:
        return next(each for each in self.origins if each.number == number)


def encode(position: Position, identity: str) -> str:
    content = json.dumps([_FORMAT, identity, *astuple(position)], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(content) + content).decode().rstrip("=")


def decode(cursor: str | None, dialect: Dialect, state: FeedState) -> Position:
    """The position; the beginning for no cursor. HF430 where it is not one of this database."""
    if cursor is None:
        return Position(state.origins[0].number, known=state.known)
    identity, position = _decoded(cursor)
    if identity not in [each.identity for each in state.origins if each.number == position.origin]:
        raise _invalid("This cursor is of another database.")
    if position.origin == state.origins[-1].number and dialect.feed.is_ahead(position, state.snapshot):
        raise _invalid("This cursor is ahead of the database, which was set back to an earlier time since.")
    return position


def position_of(cursor: str) -> Position:
    return _decoded(cursor)[1]


def _decoded(cursor: str) -> tuple[str, Position]:
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, content = raw[:6], raw[6:]
        if digest != _check(content):
            raise _invalid("This is not a cursor of a change feed, or not all of it.")
        version, identity, *parts = json.loads(content)
        if version == _FORMAT:
            return str(identity), _position(*parts)
    except (binascii.Error, UnicodeError, ValueError, TypeError) as error:
        raise _invalid("This is not a cursor of a change feed, or not all of it.") from error
    raise _invalid("This cursor was made by another version of holdfast.")


def _position(
    origin: int,
    batch: int,
    done: str,
    reading: str | None,
    change: int,
    key: int | None,
    transaction: int,
    wide: bool,
    following: int,
    highest: int,
    known: int,
    marks: list[list[int]],
) -> Position:
    """What anybody may have written must be of the right kind: it becomes a part of SQL."""
    pairs = tuple((begins, above) for begins, above in marks)
    numbers: list[Any] = [
        origin,
        batch,
        change,
        transaction,
        following,
        highest,
        known,
        *(each for pair in pairs for each in pair),
    ]
    numbers += [] if key is None else [key]
    if not all(type(each) is int and abs(each) < 2**64 for each in numbers) or type(wide) is not bool:
        raise ValueError("not a number")
    if not (_SNAPSHOT.fullmatch(done) and (reading is None or _SNAPSHOT.fullmatch(reading))):
        raise ValueError("not a snapshot")
    return Position(origin, batch, done, reading, change, key, transaction, wide, following, highest, known, pairs)


def _check(content: bytes) -> bytes:
    """Against a slip of the hand, not against malice: a cursor gives nothing that the feed does not."""
    return hashlib.sha256(content).digest()[:6]


def _invalid(message: str) -> InvalidCursorError:
    return InvalidCursorError(
        "HF430",
        message,
        "Take the cursor that the feed gave last. Without one, begin at a time before it was lost (cursor_at, "
        "holdfast tail --since) or at the beginning; what was seen before comes again.",
    )
