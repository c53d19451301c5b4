"""What a dialect can find wrong with a database: checks, each a query of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.dialects.query import Query


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that can be wrong. The query gives a row for each place where it is: severity (``error``: it leaks now;
    ``warning``), object, sentence, and the SQL that mends it."""

    rule: str
    sql: str
    at_start: bool = False
    """Whether an application asks it of itself each time it starts; it then reads what every role may read."""


class Doctor(ABC):
    """One row for each finding: rule, severity, object, sentence, mend."""

    checks: tuple[Check, ...]

    @abstractmethod
    def findings(self, roles: Sequence[str]) -> Query:
        """Every check, of an application that connects as one of the roles; asked by who may read the journal."""

    @abstractmethod
    def findings_at_start(self) -> Query:
        """The checks of the start, of the role in use, in one round trip; asked by whoever it is."""
