"""Removes history that no rule keeps any more: a part of the journal as a whole, or piece by piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute, explained, stream
from holdfast.dialects.base import Dialect
from holdfast.dialects.evidence import Kind
from holdfast.dialects.query import Query
from holdfast.dialects.retention import Part, Rules
from holdfast.errors import LockTimeoutError, SerializationError, UnsupportedError
from holdfast.evidence import keep_removed, seal_lock
from holdfast.exporting import Exports
from holdfast.holds import freeze
from holdfast.install import patiently
from holdfast.inventory import Inventory
from holdfast.steps import LOCK_TIMEOUT
from holdfast.timeline import shown

Progress = Callable[[str, int, int], None]
"""Called with a part's name, how many of its pieces are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What went out of one part of the journal: how many changes of which table, and the file that has them."""

    part: str
    whole: bool
    changes: Mapping[str, int]
    file: Path | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "whole": self.whole,
            "changes": dict(self.changes),
            "file": str(self.file) if self.file else None,
        }


@dataclass(slots=True)
class Remover:
    """Removes, part by part, what the rules do not keep."""

    connection: Connection
    dialect: Dialect
    inventory: Inventory
    rules: Rules
    export: Path | None
    actor: str | None
    batch: int
    deadline: float
    progress: Progress | None
    removed: list[Removed] = field(default_factory=list)
    unsealed: list[str] = field(default_factory=list)

    def look_at(self, part: Part) -> None:
        sql = self.dialect.retention
        with self.connection.begin():
            waiting = Rules(self.rules.until, f"not ({self.rules.unsealed})")
            if self.rules.unsealed != "false" and execute(self.connection, sql.find_old(part, waiting)):
                self.unsealed.append(part.name)
            old = bool(execute(self.connection, sql.find_old(part, self.rules)))
            ended = part.upper is not None and part.upper <= self.rules.latest
            whole = old and ended and not self._keeps_any(part)
        file, counts = None, Counter[int]()
        if old:
            file, exports = self._export(part, whole)
            emptied = self._remove_whole(part, exports) if whole else None
            whole = emptied is not None
            counts = emptied if emptied is not None else self._remove_pieces(part, exports)
        if ended:
            self._drop_if_empty(part)
        if counts:
            tables = {shown(self.inventory.relations[number].table): count for number, count in sorted(counts.items())}
            self.removed.append(Removed(part.name, whole, tables, file))

    # ------------------------------------------------------------------ files

    def _export(self, part: Part, whole: bool) -> tuple[Path | None, Exports | None]:
        if self.export is None:
            return None, None
        with explained(self.dialect), self.connection.begin():
            for statement in self.dialect.retention.in_utc():
                execute(self.connection, statement)
            identity = str(execute(self.connection, self.dialect.retention.identity())[0][0])
            exports = Exports(self.export, identity, part.name)
            query = self.dialect.retention.lines(part, None if whole else self.rules)
            return exports.write(row[0] for row in stream(self.connection, query)), exports

    # ------------------------------------------------------------------ a part as a whole

    def _keeps_any(self, part: Part) -> bool:
        query = self.dialect.retention.keeps_any(part, self.rules)
        return query is None or bool(execute(self.connection, query)[0][0])

    def _remove_whole(self, part: Part, exports: Exports | None) -> Counter[int] | None:
        """Empties the part; None where it has something now that stays, or that is in no file."""

        def attempt() -> Counter[int] | None:
            with explained(self.dialect), self.connection.begin() as transaction:
                self._begin()
                execute(self.connection, self.dialect.retention.still(part))
                counts = self._counted(part, exports)
                if counts is None or self._keeps_any(part):
                    transaction.rollback()
                    return None
                intervention = self._write_down(part, counts, None)
                self._keep(intervention, "change", self.dialect.retention.changes_of(part))
                self._remove_transactions(intervention, self.dialect.retention.transactions_of(part))
                self._empty(part)
            return counts

        return patiently(f"The journal's part {part.name}", attempt, self.deadline)

    def _counted(self, part: Part, exports: Exports | None) -> Counter[int] | None:
        """How many changes of which relation the part has; None where one is in no file."""
        counts: Counter[int] = Counter()
        for number, relation in stream(self.connection, self.dialect.retention.changes_of(part)):
            if exports is not None and number not in exports.there:
                return None
            counts[relation] += 1
        return counts

    def _empty(self, part: Part) -> None:
        """Those who read the journal are waited for, a moment at a time; what was done so far is not lost by that."""

        def attempt() -> None:
            with explained(self.dialect), self.connection.begin_nested():
                execute(self.connection, self.dialect.retention.empty(part))

        patiently(f"The journal's part {part.name}", attempt, self.deadline)

    def _drop_if_empty(self, part: Part) -> None:
        """Nobody writes the journal meanwhile, so this waits for the moment only; what is left is an empty table."""
        with self.connection.begin():
            if not execute(self.connection, self.dialect.retention.is_empty(part))[0][0]:
                return

        def attempt() -> None:
            with explained(self.dialect), self.connection.begin():
                for statement in (*self.dialect.lock_settings(LOCK_TIMEOUT), *self.dialect.retention.drop(part)):
                    execute(self.connection, statement)

        try:
            patiently(f"The journal's part {part.name}", attempt, min(self.deadline, 5.0))
        except UnsupportedError as error:
            if not isinstance(error.__cause__, LockTimeoutError):
                raise

    # ------------------------------------------------------------------ a part piece by piece

    def _remove_pieces(self, part: Part, exports: Exports | None) -> Counter[int]:
        with self.connection.begin():
            first, end, step = execute(self.connection, self.dialect.retention.pieces(part, self.rules, self.batch))[0]
        counts: Counter[int] = Counter()
        starts = range(int(first), int(end), int(step))
        for done, start in enumerate(starts, 1):
            piece = (start, start + int(step))

            def attempt(piece: tuple[int, int] = piece) -> Counter[int]:
                with explained(self.dialect), self.connection.begin():
                    return self._remove_piece(part, piece, exports)

            counts += patiently(f"The journal's part {part.name}", attempt, self.deadline)
            if self.progress is not None:
                self.progress(part.name, done, len(starts))
        return counts

    def _remove_piece(self, part: Part, piece: tuple[int, int], exports: Exports | None) -> Counter[int]:
        sql = self.dialect.retention
        self._begin()
        rows = [
            (row.id, row.relation)
            for row in execute(self.connection, sql.removable(part, self.rules, piece))
            if exports is None or row.id in exports.there
        ]
        counts = Counter(relation for _, relation in rows)
        if rows:
            ids = [number for number, _ in rows]
            intervention = self._write_down(part, counts, ids)
            self._keep(intervention, "change", sql.chosen(ids))
            answers = [execute(self.connection, query) for query in sql.remove(part, piece, ids)][-1]
            if sum(row[0] for row in answers) != len(ids):
                raise SerializationError("HF611", f"Changes in {part.name} were changed meanwhile.", "")
            transactions = sorted({tuple(row[1:]) for row in answers})
            self._remove_transactions(intervention, sql.bare(transactions, self.rules))
        for statement in sql.end_removing():
            execute(self.connection, statement)
        return counts

    # ------------------------------------------------------------------ what both need

    def _begin(self) -> None:
        """Nobody seals, and nobody places a hold, until the transaction ends."""
        seal_lock(self.connection, self.dialect)
        for statement in (*self.dialect.lock_settings(LOCK_TIMEOUT), *self.dialect.retention.begin_removing()):
            execute(self.connection, statement)
        freeze(self.connection, self.dialect)

    def _write_down(self, part: Part, counts: Mapping[int, int], ids: Sequence[int] | None) -> int:
        """Moves the beginning of each table's history together with what it says of it; without ids all of it goes."""
        until = {relation: self.rules.until[relation] for relation in counts}
        tables = {
            str(self.inventory.relations[relation].table): {
                "until": until[relation].astimezone(UTC).isoformat(),
                "changes": count,
            }
            for relation, count in sorted(counts.items())
        }
        details = {"part": part.name, "whole": ids is None, "tables": tables, "exported": self.export is not None}
        query = self.dialect.record_intervention("retention", self.actor, "retention rule", details)
        intervention = int(execute(self.connection, query)[0][0])
        if until:
            execute(self.connection, self.dialect.retention.move_since(until))
            execute(self.connection, self.dialect.retention.note_dropped(part, intervention, ids))
        return intervention

    def _keep(self, intervention: int, what: Kind, query: Query) -> None:
        keep_removed(self.connection, self.dialect, intervention, what, query)

    def _remove_transactions(self, intervention: int, query: Query) -> None:
        ids: Sequence[int] = [row[0] for row in execute(self.connection, query)]
        if ids:
            self._keep(intervention, "transaction", self.dialect.retention.chosen(ids))
            execute(self.connection, self.dialect.retention.remove_transactions(ids))
