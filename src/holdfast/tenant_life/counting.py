"""How a deletion begins, and goes on: the tenant is closed, and each of its tables is counted once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.tenant_life import Rows
from holdfast.errors import TenantError, UnsupportedError
from holdfast.install import patiently
from holdfast.tenant_life.exporting import count_all
from holdfast.tenant_life.held import refuse_held
from holdfast.tenant_life.ledger import DEADLINE, DELETE, Entry, close, drop_locks
from holdfast.tenant_life.manifest import Manifest, flat, no_tenant
from holdfast.tenant_life.place import Work

Counted = dict[str, dict[str, Any]]
"""Number and checksum of the rows of each table, as they were before any was deleted."""


@dataclass(frozen=True, slots=True)
class Counting:
    """``copied`` are the tables whose rows are elsewhere too; None where they need not be."""

    connection: Connection
    work: Work
    manifest: Manifest
    rows: tuple[tuple[Rows, ...], ...]
    keep_history: bool
    copied: Collection[str] | None = None

    def begin(self, begun: Sequence[Entry]) -> Counted:
        """Closes the tenant and counts what was not counted before; HF483 where it has rows and was not copied."""
        earlier = next((each.details for each in reversed(begun) if each.step == "counted"), None)
        if earlier is not None:
            return self._go_on(earlier)
        every = flat(self.rows)
        with self.work.transaction(self.connection, every):
            if not begun and not any(self._number(each) for each in every):
                raise no_tenant(self.work.tenant)
            refuse_held(self.connection, self.work, self.manifest, every, keep_history=self.keep_history)
        close(self.connection, self.work, every, DELETE, {})
        if lost := self._uncopied(every):
            raise self._lost(
                lost,
                "Bring them there and run the command again. Or give the move up (holdfast tenants reopen), "
                "delete the copy that is in the target, and begin anew.",
            )
        return self._count(self.rows, {})

    def _go_on(self, earlier: Mapping[str, Any]) -> Counted:
        if earlier["keep_history"] != self.keep_history:
            what = "keep" if earlier["keep_history"] else "remove"
            raise TenantError("HF484", f"This deletion was begun to {what} the history.", "Go on in the same way.")
        counted: Counted = dict(earlier["tables"])
        # Meanwhile tables may have come, or have been made anew.
        every = flat(self.rows)
        close(self.connection, self.work, every, DELETE, {})
        new = tuple(each for each in every if self._called(each) not in counted)
        if lost := self._uncopied(new):
            # The deletion cannot be given up any more, so whoever runs this has to get at these rows.
            self._open(lost)
            raise self._lost(lost, "Bring them there, delete them here, and run the command again.")
        return self._count((new,), counted) if new else counted

    def _count(self, rows: tuple[tuple[Rows, ...], ...], earlier: Counted) -> Counted:
        counted = dict(earlier)
        with self.work.transaction(self.connection, flat(rows)):
            for table, (count, checksum) in count_all(self.connection, self.work, rows).items():
                counted[self.manifest.called(table.name)] = {"rows": count, "checksum": checksum}
            details = {"step": "counted", "tables": counted, "keep_history": self.keep_history}
            self.work.record(self.connection, DELETE, details)
        return counted

    def _uncopied(self, rows: tuple[Rows, ...]) -> list[Rows]:
        """Which of these have rows that a move would lose."""
        if self.copied is None:
            return []
        new = tuple(each for each in rows if self._called(each) not in self.copied)
        with self.work.transaction(self.connection, new):
            return [each for each in new if self._number(each)]

    def _lost(self, rows: Sequence[Rows], hint: str) -> UnsupportedError:
        listed = ", ".join(sorted(self._called(each) for each in rows))
        return UnsupportedError(
            "HF483",
            f"Rows of tenant {self.work.tenant!r} came to {listed} after the copies were compared, and are nowhere "
            "else; they were not deleted.",
            hint,
        )

    def _open(self, rows: Sequence[Rows]) -> None:
        def attempt() -> None:
            with self.work.transaction(self.connection, ()):
                drop_locks(self.connection, self.work, rows)

        patiently("A table of the tenant", attempt, DEADLINE)

    def _number(self, rows: Rows) -> int:
        return int(execute(self.connection, self.work.place.life.count(rows))[0][0])

    def _called(self, rows: Rows) -> str:
        return self.manifest.called(rows.table.name)
