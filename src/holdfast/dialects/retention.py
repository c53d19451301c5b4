"""What every dialect answers about what of the journal may go: partitions and old changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from holdfast.dialects.query import Query


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the journal that is looked at by itself: a partition, or all of it where there are none."""

    name: str
    lower: datetime | None
    upper: datetime | None
    """None for a part without an end, which never goes as a whole."""


@dataclass(frozen=True, slots=True)
class Rules:
    """For each relation: changes of transactions that were committed before then may go."""

    until: Mapping[int, datetime]
    unsealed: str = "false"
    """A condition over the change ``c``: evidence has not seen it yet, so it stays."""
    unsealed_transaction: str = "false"
    """The same over the transaction ``t``."""
    unread: str = "false"
    """A condition over the change ``c``: a consumer has not acknowledged it yet, so it stays for a while."""
    patience: timedelta = timedelta(0)
    """For how much longer than its rule such a change stays."""

    @property
    def latest(self) -> datetime:
        return max(self.until.values())


class Retention(ABC):
    """SQL for what ``holdfast maintain`` does to the journal."""

    # ------------------------------------------------------------------ partitions

    @abstractmethod
    def try_lock(self) -> str:
        """One row, one boolean: whether this connection is now the one that maintains; released at its end."""

    @abstractmethod
    def identity(self) -> str:
        """One row, one text that is of this journal alone, for exports to be told apart."""

    def gaps(self, ahead: int) -> str | None:
        """One column: the months, as YYYYMM, up to so many ahead that have no partition, and those of rows that were
        caught by the default one; None where there are no partitions."""
        return None

    def make_partition(self, month: str) -> str:
        """Makes the month's partition and moves the default one's rows of that month there."""
        raise NotImplementedError

    @abstractmethod
    def parts(self) -> str:
        """name, lower, upper of each part, the oldest first."""

    # ------------------------------------------------------------------ removing

    def find_old(self, part: Part, rules: Rules) -> Query:
        """A row, if the part may have changes that go by the rules."""
        query = self.removable(part, rules)
        return Query(f"{query.sql}\nlimit 1", query.parameters)

    def keeps_any(self, part: Part, rules: Rules) -> Query | None:
        """One boolean: whether the part has changes that do not go; None where no part goes as a whole."""
        return None

    def is_empty(self, part: Part) -> str:
        """One boolean: whether the part has no change at all."""
        raise NotImplementedError

    def still(self, part: Part) -> str:
        """Keeps others from writing the part, while they can read it."""
        raise NotImplementedError

    def empty(self, part: Part) -> str:
        """Removes every change of the part."""
        raise NotImplementedError

    def drop(self, part: Part) -> tuple[str, ...]:
        """Takes the part away if it has no change."""
        raise NotImplementedError

    @abstractmethod
    def pieces(self, part: Part, rules: Rules, size: int) -> Query:
        """One row: first, end and step of the places to go through, so that a piece has about ``size`` changes."""

    @abstractmethod
    def removable(self, part: Part, rules: Rules, piece: tuple[int, int] | None = None) -> Query:
        """id, relation of the changes that go, of the whole part or of that piece of it."""

    @abstractmethod
    def lines(self, part: Part, rules: Rules | None) -> Query:
        """One column: each change that goes (without rules, each) as one line of JSON, its id first."""

    def in_utc(self) -> Sequence[str]:
        """Lets this transaction see times in UTC; nothing where they are written so."""
        return ()

    def begin_removing(self) -> Sequence[str]:
        """What lets this transaction remove what is otherwise append-only."""
        return ()

    def end_removing(self) -> Sequence[str]:
        """Takes that back, before the commit."""
        return ()

    @abstractmethod
    def remove(self, part: Part, piece: tuple[int, int], ids: Sequence[int]) -> tuple[Query, ...]:
        """Removes these changes of the piece; the last answers rows of a number of changes and what ``bare`` takes."""

    @abstractmethod
    def bare(self, transactions: Sequence[Sequence[Any]], rules: Rules) -> Query:
        """id of those of the transactions that have no change left."""

    @abstractmethod
    def chosen(self, ids: Sequence[int]) -> Query:
        """These numbers as the rows of a query."""

    @abstractmethod
    def remove_transactions(self, ids: Sequence[int]) -> Query:
        """Removes them."""

    def changes_of(self, part: Part) -> Query:
        """id, relation of all changes of a part that goes as a whole."""
        raise NotImplementedError

    def transactions_of(self, part: Part) -> Query:
        """id of all transactions whose changes are in it."""
        raise NotImplementedError

    @abstractmethod
    def note_dropped(self, part: Part, intervention: int, ids: Sequence[int] | None) -> Query:
        """Of each relation of these changes of the part (of all of them), what is dropped now: for those who read on."""

    @abstractmethod
    def move_since(self, until: Mapping[int, datetime]) -> Query:
        """Each relation's history is whole from then on, if it was whole before."""


def parameters(rules: Rules) -> dict[str, Any]:
    return {"relations": list(rules.until), "untils": list(rules.until.values())}
