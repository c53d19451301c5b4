"""What every dialect answers about evidence: what is to be sealed, what a seal holds, and what a verification reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

from holdfast.dialects.query import Query

Kind = Literal["change", "transaction", "intervention"]
KINDS: tuple[Kind, ...] = ("change", "transaction", "intervention")
"""What has leaves in an epoch, in their order there."""

SCALARS = ("number", "journal", "sealed_at", "place", "snapshot", "high_change", "high_transaction", "total")
RANGES = ("changes", "transactions", "interventions")
DIGESTS = ("root", "seed_digest", "facts_digest", "previous", "hash")
"""The columns of an epoch that are read with every one of them; the large ones are asked for by name."""


class Evidence(ABC):
    """The statements of sealing and verifying. Digests are made elsewhere: the database gives canonical texts.

    A member is ``id``, ``xid`` (NULL where the database tells nobody), ``head`` and ``body``. ``head`` is what stays
    for ever, ``body`` what an erasure may take away; neither can be read in two ways.
    """

    at_once: int
    """How many ids one epoch covers at most."""
    rewrites_triggers: bool
    """Whether the database itself alters triggers when a table or a column is renamed."""

    @abstractmethod
    def is_there(self) -> str:
        """One boolean: whether the journal has the tables of evidence."""

    @abstractmethod
    def try_seal_lock(self) -> str:
        """One boolean: whether this connection may seal now; released at its end."""

    def seal_unlock(self) -> str | None:
        """Gives it back before that; None where nothing is held."""
        return None

    @abstractmethod
    def seal_lock(self) -> str | None:
        """Keeps sealers out until the transaction ends; None where a transaction that writes does so anyway."""

    def begin_sealing(self) -> str | None:
        """Takes the lock of a writer, where one that comes later could not be had."""
        return None

    @abstractmethod
    def moment(self) -> str:
        """sealed_at, snapshot, place: the time, what is committed, and where xids and oids mean what they meant."""

    @abstractmethod
    def reached(self) -> str:
        """The highest number given so far to a change, and to a transaction."""

    @abstractmethod
    def fresh(self, kind: Kind, after: int, until: int) -> Query:
        """The members with numbers in (after, until], in order; of interventions those without a sealed number."""

    @abstractmethod
    def late(self, kind: Kind, last: int) -> Query | None:
        """The members that the epoch ``last``, the last one of the run before, could not see since their transactions
        were under way; in order."""

    @abstractmethod
    def unsealed(self, kind: Kind, alias: str) -> str:
        """A condition on a row of the journal: no epoch has it, though there are epochs."""

    @abstractmethod
    def members(self, kind: Kind) -> Query:
        """All of them, in order."""

    @abstractmethod
    def some(self, kind: Kind, ids: Sequence[int]) -> Query:
        """These, in order."""

    @abstractmethod
    def described(self, ids: Sequence[int]) -> Query:
        """id, transaction, schema_name, table_name, key (JSON), operation of these changes."""

    @abstractmethod
    def running(self, snapshot: str) -> frozenset[str]:
        """The xids that were under way in a snapshot."""

    @abstractmethod
    def epochs(self, *extra: str) -> Query:
        """Every epoch in its order, with these columns more."""

    @abstractmethod
    def last_epoch(self) -> Query:
        """The last epoch, if there is one."""

    @abstractmethod
    def ranges(self, kind: Kind) -> Query:
        """number and text of the ranges of every epoch that has members of the kind, by their lowest number."""

    @abstractmethod
    def holders(self, kind: Kind, first: int, last: int) -> Query:
        """number, changes, transactions, interventions of the epochs that may hold numbers of that range."""

    @abstractmethod
    def large(self, number: int) -> Query:
        """leaves, root, seed, seed_digest, salts and the ranges of an epoch."""

    @abstractmethod
    def add_epoch(self, values: dict[str, Any]) -> Query: ...

    @abstractmethod
    def set_salts(self, number: int, salts: bytes | None) -> Query:
        """Takes the seed of an epoch away and leaves these salts."""

    @abstractmethod
    def facts(self) -> str:
        """One JSON document: the names of the journal, and every object of ours with its state."""

    @abstractmethod
    def quiet(self) -> str:
        """installing, and how many interventions there ever were: while protection is changed, facts are not of one
        moment."""

    @abstractmethod
    def interventions(self) -> str:
        """id, at, kind, actor, reason, details (JSON text), in order."""

    # ------------------------------------------------------------------ what stands for what is gone

    @abstractmethod
    def stand_ins(self, ids: Sequence[int] | None = None) -> Query:
        """change, intervention, kind of the intervention, digest, remaining, salt: all, or those of some changes."""

    @abstractmethod
    def add_stand_in(self, change: int, intervention: int, digest: bytes) -> Query: ...

    @abstractmethod
    def drop_salt(self, change: int, intervention: int) -> Query: ...

    @abstractmethod
    def own_stand_ins(self, intervention: int) -> Query:
        """change of each stand-in of one intervention that does not know yet what remains, in order."""

    @abstractmethod
    def set_remaining(self, change: int, intervention: int, remaining: bytes, salt: bytes) -> Query: ...

    @abstractmethod
    def add_removed(self, intervention: int, kind: Kind, ids: Query) -> Query:
        """Writes the ids that the query gives down, as ranges."""

    @abstractmethod
    def removed(self, intervention: int | None = None) -> Query:
        """what, first, last, intervention, kind of the intervention: all, or those of one, by what and first."""

    # ------------------------------------------------------------------ installations

    @abstractmethod
    def present_transaction(self) -> str:
        """One text: by which the catalog knows what this transaction writes; NULL where it does not."""
