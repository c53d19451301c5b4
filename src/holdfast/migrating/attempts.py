"""Another attempt: after what pause, and for how long still."""

from __future__ import annotations

import random
import time

from holdfast.dialects.base import Dialect
from holdfast.errors import HoldfastError, LockedError, MigrationError
from holdfast.migrating.blocking import blockers
from holdfast.migrating.statements import Statements

_PAUSE = (0.1, 4.0)
"""Seconds: the first pause at the most, and every one."""


def pause_after(attempt: int, chance: random.Random | None = None) -> float:
    """Seconds to wait after the attempt of that number, the first being 1: longer each time, by how much is chance."""
    most: float = min(_PAUSE[0] * 2 ** min(attempt - 1, 10), _PAUSE[1])
    # Two migrators that met would meet again.
    return most * (chance or random.Random()).uniform(0.5, 1)


def head(statement: str) -> str:
    """Its beginning, in one line."""
    return " ".join(statement.split())[:200]


class Attempts:
    """The attempts at one step, until it has its locks or the deadline has passed."""

    def __init__(self, statements: Statements, dialect: Dialect) -> None:
        self._statements = statements
        self._dialect = dialect
        self._number = 0
        self._first_failure = 0.0
        self.step = "The migration"

    def begin(self, step: str) -> None:
        if step != self.step:
            self.step, self._number = step, 0

    def begin_anew(self) -> None:
        self._number = 0

    def pause(self, error: Exception) -> float:
        """How long to wait before the next attempt; tells who was in the way."""
        now = time.monotonic()
        self._number += 1
        if self._number == 1:
            self._first_failure = now
        pause = pause_after(self._number)
        statement = head(self._statements.last)
        found = blockers(self._statements.connection, self._dialect, self._statements.last)
        in_the_way = "".join(f"\n  {each}" for each in found) or "\n  whoever it was is gone by now"
        if now + pause - self._first_failure > self._statements.settings.deadline.total_seconds():
            raise self._too_late(statement, in_the_way) from error
        self._statements.say(
            f"{self.step}: attempt {self._number} did not get its lock for: {statement}\nIn the way:{in_the_way}\n"
            f"Nothing of it is lost; next attempt in {pause:.1f} s."
        )
        return pause

    def _too_late(self, statement: str, in_the_way: str) -> HoldfastError:
        if self._dialect.migrating.begin is not None:
            return LockedError(
                "HF455",
                "Another connection kept the database locked for too long.",
                "Wait until it is done, and run the migration again.",
            )
        return MigrationError(
            "HF457",
            f"{self.step} did not get its lock in {self._number} attempts for: {statement}\nIn the way:{in_the_way}.\n",
            "It is rolled back, and the revisions before it are done. End what is in the way (pg_terminate_backend), "
            "or run the migration again when there is less to do; --deadline allows more time.",
        )
