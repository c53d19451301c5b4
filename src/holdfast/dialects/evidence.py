"""What every dialect answers about evidence: what is to be sealed, what a seal holds, and what a verification reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
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
    epoch_table: str
    stand_in_table: str
    removed_table: str
    intervention_table: str
    sealed_at = "e.sealed_at"
    """Of an epoch ``e``, as text."""

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
    def members(self, kind: Kind, condition: str = "true", parameters: Mapping[str, Any] | None = None) -> Query:
        """Those whose row ``m`` of the journal meets the condition, in order."""

    @abstractmethod
    def among(self, ids: Sequence[int]) -> Query:
        """What follows a number in a condition: it is one of these."""

    def some(self, kind: Kind, ids: Sequence[int]) -> Query:
        """These, in order."""
        among = self.among(ids)
        return self.members(kind, f"m.id {among.sql}", among.parameters)

    @abstractmethod
    def described(self, ids: Sequence[int]) -> Query:
        """id, transaction, schema_name, table_name, key (JSON), operation of these changes."""

    @abstractmethod
    def running(self, snapshot: str) -> frozenset[str]:
        """The xids that were under way in a snapshot."""

    def epochs(self, *extra: str) -> Query:
        """Every epoch in its order, with these columns more."""
        more = "".join(f", e.{name}" for name in extra)
        return Query(f"select {self._columns}{more}\nfrom {self.epoch_table} as e order by e.number", {})

    def last_epoch(self) -> Query:
        """The last epoch, if there is one."""
        return Query(f"select {self._columns}\nfrom {self.epoch_table} as e order by e.number desc limit 1", {})

    @property
    def _columns(self) -> str:
        names = (f"e.{name}" for name in (*SCALARS, *RANGES, *DIGESTS))
        return ", ".join(f"{self.sealed_at} as sealed_at" if name == "e.sealed_at" else name for name in names)

    @abstractmethod
    def ranges(self, kind: Kind) -> Query:
        """number and text of the ranges of every epoch that has members of the kind, by their lowest number."""

    @abstractmethod
    def holders(self, kind: Kind, first: int, last: int) -> Query:
        """number, changes, transactions, interventions of the epochs that may hold numbers of that range."""

    def large(self, number: int) -> Query:
        """leaves, root, seed, seed_digest, salts and the ranges of an epoch."""
        return Query(
            "select e.leaves, e.root, e.seed, e.seed_digest, e.salts,\n"
            "    e.changes, e.transactions, e.interventions\n"
            f"from {self.epoch_table} as e where e.number = :number",
            {"number": number},
        )

    @abstractmethod
    def add_epoch(self, values: dict[str, Any]) -> Query: ...

    def set_salts(self, number: int, salts: bytes | None) -> Query:
        """Takes the seed of an epoch away and leaves these salts."""
        return Query(
            f"update {self.epoch_table} set seed = null, salts = :salts where number = :number",
            {"salts": salts, "number": number},
        )

    @abstractmethod
    def facts(self) -> str:
        """One JSON document: the names of the journal, and every object of ours with its state."""

    @abstractmethod
    def quiet(self) -> str:
        """installing, and how many interventions there ever were: while protection is changed, facts are not of one
        moment."""

    def interventions(self) -> str:
        """id, at, kind, actor, reason, details (JSON text), in order."""
        return (
            "select i.id, i.at, i.kind, i.actor, i.reason, cast(i.details as text) as details\n"
            f"from {self.intervention_table} as i order by i.id"
        )

    # ------------------------------------------------------------------ what stands for what is gone

    def stand_ins(self, ids: Sequence[int] | None = None) -> Query:
        """change, intervention, kind of the intervention, digest, remaining, salt: all, or those of some changes."""
        among = None if ids is None else self.among(ids)
        return Query(
            "select s.change, s.intervention, i.kind, s.digest, s.remaining, s.salt\n"
            f"from {self.stand_in_table} as s\n"
            f"left join {self.intervention_table} as i on i.id = s.intervention"
            + ("" if among is None else f"\nwhere s.change {among.sql}")
            + "\norder by s.change, s.intervention",
            {} if among is None else among.parameters,
        )

    def add_stand_in(self, change: int, intervention: int, digest: bytes) -> Query:
        return Query(
            f"insert into {self.stand_in_table} (change, intervention, digest)\n"
            "values (:change, :intervention, :digest)\non conflict (change, intervention) do nothing",
            {"change": change, "intervention": intervention, "digest": digest},
        )

    def drop_salt(self, change: int, intervention: int) -> Query:
        return Query(
            f"update {self.stand_in_table} set salt = null\nwhere change = :change and intervention = :intervention",
            {"change": change, "intervention": intervention},
        )

    def own_stand_ins(self, intervention: int) -> Query:
        """change of each stand-in of one intervention that does not know yet what remains, in order."""
        return Query(
            f"select s.change from {self.stand_in_table} as s\n"
            "where s.intervention = :intervention and s.remaining is null order by s.change",
            {"intervention": intervention},
        )

    def set_remaining(self, change: int, intervention: int, remaining: bytes, salt: bytes) -> Query:
        return Query(
            f"update {self.stand_in_table} set remaining = :remaining, salt = :salt\n"
            "where change = :change and intervention = :intervention",
            {"remaining": remaining, "salt": salt, "change": change, "intervention": intervention},
        )

    @abstractmethod
    def add_removed(self, intervention: int, kind: Kind, ids: Query) -> Query:
        """Writes the ids that the query gives down, as ranges."""

    def removed(self, intervention: int | None = None) -> Query:
        """what, first, last, intervention, kind of the intervention: all, or those of one, by what and first."""
        return Query(
            f"select r.what, r.first, r.last, r.intervention, i.kind\nfrom {self.removed_table} as r\n"
            f"left join {self.intervention_table} as i on i.id = r.intervention\n"
            + ("" if intervention is None else "where r.intervention = :intervention\n")
            + "order by r.what, r.first",
            {} if intervention is None else {"intervention": intervention},
        )

    # ------------------------------------------------------------------ installations

    @abstractmethod
    def present_transaction(self) -> str:
        """One text: by which the catalog knows what this transaction writes; NULL where it does not."""
