"""Keys: UUIDs in the order of time, made in Python, and the two mixins that bring a key column."""

from __future__ import annotations

import os
import secrets
import threading
import time
import uuid
from typing import Any

from sqlalchemy import BigInteger, Identity, Integer, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.errors import DeclarationError

_COUNTER_BITS = 74
"""What RFC 9562 leaves free beside time, version and variant: 12 bits and 62."""
_FIRST = -100
"""Before the columns of the model itself, which stand at 0."""


class _Clock:
    """The last value given: milliseconds, and a counter that begins anywhere in its lower half."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.milliseconds = 0
        self.counter = 0

    def next(self) -> tuple[int, int]:
        now = time.time_ns() // 1_000_000
        with self.lock:
            if now > self.milliseconds:
                self._begin(now)
            else:
                # The same millisecond, or a clock that went back. A step of random length keeps the next one secret.
                self.counter += 1 + secrets.randbits(32)
                if self.counter >> _COUNTER_BITS:
                    self._begin(self.milliseconds + 1)
            return self.milliseconds, self.counter

    def _begin(self, milliseconds: int) -> None:
        self.milliseconds, self.counter = milliseconds, secrets.randbits(_COUNTER_BITS - 1)

    def forked(self) -> None:
        """A child gives other values than its parent, still above all that were given before the fork."""
        self.lock = threading.Lock()
        self._begin(self.milliseconds + 1)


_clock = _Clock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_clock.forked)


def uuid7() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562), greater than every one that this process gave before.

    That holds across threads, after a fork, and when the clock is set back: the time within then waits for the
    clock. Between processes the order is that of their clocks, to the millisecond.

    >>> uuid7() < uuid7()
    True
    >>> uuid7().version
    7
    """
    milliseconds, counter = _clock.next()
    high, low = counter >> 62, counter & (1 << 62) - 1
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low)


class UUIDKey:
    """Brings ``id``: a UUID made in Python, in the order of time, so that new rows lie together in the index.

    The type is ``uuid`` where the database has one, else 32 characters. A second primary key column is refused
    (HF112).

    >>> from sqlalchemy.orm import DeclarativeBase
    >>> class Base(DeclarativeBase): ...
    >>> class Invoice(UUIDKey, Base):
    ...     __tablename__ = "invoices"
    >>> [column.name for column in Invoice.__table__.primary_key]
    ['id']
    """

    id: Mapped[uuid.UUID] = mapped_column(Uuid(), primary_key=True, default=uuid7, sort_order=_FIRST)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _refuse_wider_key(cls, UUIDKey.__name__)


class PublicId:
    """Brings ``id``, a small number that the database counts, and ``public_id``, a unique UUID to show to others.

    Foreign keys and joins use the number; addresses and messages the UUID, from which nobody reads how many rows
    there are. On SQLite ``id`` is the rowid. A second primary key column is refused (HF112).

    >>> from sqlalchemy.orm import DeclarativeBase
    >>> class Base(DeclarativeBase): ...
    >>> class Customer(PublicId, Base):
    ...     __tablename__ = "customers"
    >>> Customer.__table__.c.keys()
    ['id', 'public_id']
    """

    # Only an INTEGER PRIMARY KEY is counted up by SQLite; it holds 64 bits all the same.
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), Identity(), primary_key=True, sort_order=_FIRST
    )
    public_id: Mapped[uuid.UUID] = mapped_column(Uuid(), default=uuid7, unique=True, sort_order=_FIRST + 1)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _refuse_wider_key(cls, PublicId.__name__)


def _refuse_wider_key(model: type, mixin: str) -> None:
    """An association with keys of its own would, with one more, let the same pair in twice."""
    table = vars(model).get("__table__")
    if table is None or "id" not in table.primary_key.columns or len(table.primary_key.columns) == 1:
        return
    others = ", ".join(column.name for column in table.primary_key.columns if column.name != "id")
    raise DeclarationError(
        "HF112",
        f"{table.name} has the key column 'id' of {mixin}, and primary key columns of its own beside it: {others}.",
        f"Take {mixin} away; or take primary_key=True off those columns and add "
        f"UniqueConstraint({', '.join(repr(name) for name in others.split(', '))}).",
    )
