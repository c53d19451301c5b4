"""What every dialect answers about taking back: a whole transaction, or the mark of a deleted row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.dialects.query import Query
from holdfast.objects import Protection, Protections


@dataclass(frozen=True, slots=True)
class UndoStatements:
    """An undo, step by step, all within one transaction.

    ``prepare`` makes the temporary set of rows to take back; ``counts`` (relation, action, number of rows, and
    what else the dialect asks for; a table may have several rows for an action) and ``preview`` (relation, key,
    action, before, after) read it; each of ``conflicts`` answers rows of (relation, key, why, fields)
    with ``fields`` a JSON object of ``{"column": [base, theirs, ours]}``; ``apply`` writes. When the database
    refuses that, ``refusals`` answer rows like ``conflicts`` that say which rows it meant.
    ``verify`` answers rows like ``conflicts`` for what did not come back as it was. ``outside`` runs before the
    transaction begins and ``outside_after`` when it is over, however it ended.
    """

    prepare: tuple[Query, ...]
    counts: Query
    preview: Query
    conflicts: tuple[Query, ...]
    apply: tuple[str, ...]
    verify: tuple[Query, ...]
    refusals: tuple[Query, ...] = ()
    cleanup: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    outside_after: tuple[str, ...] = ()


class Undo(ABC):
    """Writes the inverse of what was recorded."""

    @abstractmethod
    def statements(
        self,
        transaction: str,
        protections: Sequence[Protection],
        references: Protections,
        force: bool,
        counted: Sequence[Sequence[Any]] | None = None,
    ) -> UndoStatements:
        """The undo of a transaction's changes to these tables; ``references`` are all protected tables.

        ``counted`` is what ``counts`` answered, once it is known: what does not occur may then be left out.
        """

    def check_constraints_now(self) -> str:
        """Checks deferred constraints now, while it can still be said which row breaks them."""
        return "select 1"

    @abstractmethod
    def restore(self, protection: Protection) -> str:
        """Takes the mark away from the row with key ``:key`` (as JSON) and answers a row for it, if it was dead."""
