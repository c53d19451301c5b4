"""How long a migration may wait, for what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from holdfast.errors import DeclarationError


@dataclass(frozen=True, slots=True)
class MigrationSettings:
    """How long a migration may wait, for what; HF118 where a time is none.

    >>> MigrationSettings().lock_timeout
    datetime.timedelta(microseconds=100000)
    """

    lock_timeout: timedelta = timedelta(milliseconds=100)
    """For a lock that others queue up behind: nobody waits longer for the migration than that."""
    deadline: timedelta = timedelta(minutes=10)
    """For how long one revision is tried again, and another migrator is waited for."""
    long_transaction: timedelta = timedelta(seconds=10)
    """Transactions as old as that are told of before the migration starts."""
    mend_indexes: bool = True
    """Whether indexes that are there but not usable are built anew at the end."""

    def __post_init__(self) -> None:
        for name in ("lock_timeout", "deadline", "long_transaction"):
            if getattr(self, name) <= timedelta():
                raise DeclarationError("HF118", f"{name} is not a length of time.", "Give one of more than nothing.")
