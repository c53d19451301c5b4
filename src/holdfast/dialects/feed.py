"""What every dialect answers about the change feed: what comes after a position, and who has read how far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from holdfast.dialects.base import Query


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the feed: all up to and including this change is read.

    ``origin`` numbers the clusters that the journal has lived in, for each counts its transactions from anew.
    """

    origin: int = 0
    transaction: int = 0
    change: int = 0
    key: int | None = None
    """Of a run of inserted keys, the last one that is read; None where the whole change is."""

    @property
    def order(self) -> tuple[int, int, int, float]:
        """What positions are compared by."""
        return self.origin, self.transaction, self.change, float("inf") if self.key is None else self.key


@dataclass(frozen=True, slots=True)
class Origin:
    """One life of the journal: its transactions are of one counter, and its changes begin with number ``first``."""

    number: int
    identity: str
    first: int
    end: int
    """The number with which the next life begins."""


class Feed(ABC):
    """Reads the journal in the order of the feed, and keeps what consumers have acknowledged."""

    channel: str | None
    """What a session listens to in order to be woken; None where nobody can be."""

    @abstractmethod
    def is_there(self) -> str:
        """One boolean: whether there is a journal that has a feed."""

    @abstractmethod
    def state(self) -> Query:
        """One row: ``horizon``, before which every transaction is over; ``ahead``, which none has reached;
        ``identity`` of the journal here and now; ``origins``, JSON of ``[number, identity, first]`` each."""

    @abstractmethod
    def begin_origin(self) -> str | None:
        """Writes down that the journal lives in another cluster now; None where transactions are never renumbered."""

    @abstractmethod
    def page(
        self,
        after: Position,
        origin: Origin,
        horizon: int,
        relations: Sequence[int] | None,
        limit: int,
        look: int,
    ) -> Query:
        """The changes after the position, of transactions before the horizon, as ``Dialect.log`` gives them, and:
        ``xid``, ``key_last`` of a run, ``wanted``, and ``looked``, the number of changes that were looked at.

        Of the first ``look`` changes those that are wanted, as many as make ``limit`` rows; and the last one in any
        case, so that it is known how far was looked.
        """

    @abstractmethod
    def waiting(self, after: Position, origin: Origin) -> Query:
        """The first change after the position that is committed, beyond the horizon or not: ``transaction`` and
        ``seconds`` since it was committed."""

    @abstractmethod
    def since(self, at: datetime, origin: Origin) -> Query:
        """``transaction``: the first one that has a change of a transaction that began at that time or later."""

    # ------------------------------------------------------------------ consumers

    @abstractmethod
    def try_consumer_lock(self, name: str) -> Query | None:
        """One boolean: whether this connection is now the one consumer of that name; None where nothing can be held."""

    @abstractmethod
    def enter(self, name: str, cursor: str, holder: str) -> Query:
        """The consumer is this one now; ``cursor``: where it goes on, which is the one given if it is new."""

    @abstractmethod
    def held(self, name: str) -> Query:
        """Locks the consumer's row; ``cursor`` and ``holder``."""

    @abstractmethod
    def acknowledge(self, name: str, cursor: str) -> Query:
        """All up to the cursor is done."""

    def wake_up(self, *, on: bool) -> str | None:
        """Switches on or off that each commit wakes those who listen; None where nobody can be woken."""
        return None
