"""What every dialect answers about the change feed: what comes after a position, and who has read how far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from holdfast.dialects.query import Query


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the feed, which goes on in batches: what was committed between two snapshots, in the order in which
    it was written."""

    origin: int
    """Numbers the clusters that the journal has lived in, for each counts its transactions from anew."""
    batch: int = 0
    done: str = ""
    """The snapshot in which all that could be seen has been read; empty for none."""
    reading: str | None = None
    """The snapshot that is being read: up to ``change``; None where the batch is over."""
    change: int = 0
    key: int | None = None
    """Of a run of inserted keys, the last one that is read; None where the whole change is."""
    transaction: int = 0
    wide: bool = False
    """Whether so many changes are looked through for the batch that it is done by their numbers, a part at a time."""
    following: int = 0
    """The transaction that was to begin next, when the snapshot that is being read had been taken; 0 if not known."""
    highest: int = 0
    """Of all changes that have come in this life of the journal, the highest number."""
    known: int = 0
    """What retention dropped up to this intervention has been taken note of."""
    marks: tuple[tuple[int, int], ...] = ()
    """``(transaction, change)``: that transaction and those that begin to write after it have only changes with
    higher numbers than that one."""

    @property
    def order(self) -> tuple[int, float, float]:
        """What positions on the way of one reader are compared by."""
        if self.reading is None:
            return self.batch, float("inf"), float("inf")
        return self.batch, self.change, float("inf") if self.key is None else self.key

    def closed(self) -> Position:
        """The end of the batch."""
        return replace(self, done=self.reading or self.done, reading=None, key=None, wide=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """One life of the journal: its transactions are of one counter, and its changes begin with number ``first``."""

    number: int
    identity: str
    first: int
    end: int
    """The number with which the next life begins."""


class Dropped(NamedTuple):
    """What retention has dropped of a table: by which intervention last, and the highest numbers that went."""

    intervention: int
    change: int
    transaction: int


EVERYTHING = "*"
"""Instead of a snapshot: all of a life that is over."""


class Feed(ABC):
    """Reads the journal in the order of the feed, and keeps what consumers have acknowledged."""

    consumer_table: str

    @abstractmethod
    def is_there(self) -> str:
        """One boolean: whether there is a journal that has a feed."""

    @abstractmethod
    def refused(self) -> str | None:
        """A query for a reason why the feed cannot be read here, which is NULL where it can; None where it always can."""

    def share(self) -> str | None:
        """From here on no part of the journal is emptied as a whole, which even a snapshot from before would not survive;
        to be the first statement of the transaction. None where nothing goes but row by row."""
        return None

    @abstractmethod
    def state(self) -> Query:
        """One row: ``snapshot``, what is committed now; the time ``now``; ``identity`` of the journal here and now;
        ``origins``, JSON of ``[number, identity, first]`` each; ``dropped``, JSON of what was dropped of each relation;
        ``following``, the transaction that will begin next,
        of which only the first statement of a transaction can be certain."""

    @abstractmethod
    def begin_origin(self) -> str | None:
        """Writes down that the journal lives in another cluster now; None where transactions are never renumbered."""

    @abstractmethod
    def is_ahead(self, position: Position, snapshot: str) -> bool:
        """Whether the position knows of transactions that there have not been yet."""

    @abstractmethod
    def is_far(self, position: Position, later: Position) -> bool:
        """Whether so much happened between the two that it should not be looked through again."""

    @abstractmethod
    def now(self, origin: Origin, snapshot: str, following: int | None, highest: int) -> Position:
        """All that is committed in the snapshot is read."""

    @abstractmethod
    def opened(self, position: Position, snapshot: str, following: int | None) -> Position:
        """The beginning of the batch that comes after the position, and ends with the snapshot."""

    def closed(self, position: Position) -> Position:
        """The end of the batch."""
        return position.closed()

    @abstractmethod
    def since(self, at: datetime, origin: Origin) -> Query:
        """``transaction``: the first one that has a change of a transaction that began at that time or later."""

    @abstractmethod
    def before(self, transaction: int, origin: Origin) -> Position:
        """All of the transactions before this one is read."""

    def is_empty(self, opened: Position) -> bool:
        """Whether it is certain that nothing was committed between the two snapshots."""
        return False

    def size(self, opened: Position, origin: Origin, most: int) -> Query | None:
        """``changes`` to look through for the batch, counted up to ``most``; None where it does not matter."""
        return None

    def highest(self, origin: Origin, snapshot: str) -> Query | None:
        """``change``: a number that had been given when the snapshot was taken, and there are few higher ones."""
        return None

    @abstractmethod
    def page(
        self,
        after: Position,
        origin: Origin,
        relations: Sequence[int] | None,
        limit: int,
        look: int,
        window: int | None,
    ) -> Query:
        """The changes of the batch after the position, as ``Dialect.log`` gives them, and: ``xid``, ``key_last`` of a
        run, ``wanted``, and ``looked``, the number of changes that were looked at.

        Of the first ``look`` changes those that are wanted, as many as make ``limit`` rows; and the last one in any
        case, so that it is known how far was looked. No further than ``window`` numbers, if it is given.
        """

    # ------------------------------------------------------------------ retention

    @abstractmethod
    def lacks(self, position: Position, origins: Sequence[Origin], dropped: Dropped) -> bool:
        """Whether what was dropped may have come after the position."""

    @abstractmethod
    def unread(self, position: Position, origins: Sequence[Origin]) -> str:
        """A condition over the change ``c``: it comes after the position."""

    def consumers(self) -> str:
        """name, cursor, acknowledged of each that has a place in the feed."""
        return (
            f"select c.name, c.cursor, c.acknowledged from {self.consumer_table} as c where c.cursor <> ''\n"
            "order by c.name"
        )

    # ------------------------------------------------------------------ consumers

    @abstractmethod
    def try_consumer_lock(self, name: str) -> Query | None:
        """One boolean: whether this connection is now the one consumer of that name; None where nothing can be held."""

    def enter(self, name: str, cursor: str, holder: str) -> Query:
        """The consumer is this one now; ``cursor``: where it goes on, which is the one given if it is new."""
        return Query(
            f"insert into {self.consumer_table} (name, cursor, holder) values (:name, :cursor, :holder)\n"
            "on conflict (name) do update set holder = excluded.holder, entered = excluded.entered\n"
            "returning cursor",
            {"name": name, "cursor": cursor, "holder": holder},
        )

    @abstractmethod
    def held(self, name: str) -> Query:
        """Locks the consumer's row; ``cursor`` and ``holder``."""

    @abstractmethod
    def acknowledge(self, name: str, cursor: str) -> Query:
        """All up to the cursor is done."""

    def listen(self) -> str | None:
        """From now on the session is told of each commit, if that is switched on; None where nobody can be told."""
        return None

    def wake_up(self, *, on: bool) -> str | None:
        """Switches on or off that each commit wakes those who listen; None where nobody can be woken."""
        return None
