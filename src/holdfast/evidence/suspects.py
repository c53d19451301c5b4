"""Members that are not as they were sealed: what became of each is said when all are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.evidence import Evidence, Kind
from holdfast.evidence.leaves import inner, leaf
from holdfast.evidence.results import Finding
from holdfast.journal import OPERATIONS

if TYPE_CHECKING:
    from holdfast.database import AnyRow
    from holdfast.evidence.expecting import Sealed

_COMPARED = 50
"""How many are compared with each other, to see which were given each other's number."""
_DESCRIBED = 500


class Suspects:
    """Those of one kind. Beyond the first few they are reported at once, so that memory stays bounded."""

    def __init__(self, kind: Kind, connection: Connection, evidence: Evidence, add: Callable[[Finding], None]) -> None:
        self.kind, self.connection, self.evidence, self.add = kind, connection, evidence, add
        self._edited: list[tuple[AnyRow, int, Sealed]] = []
        self._missing: list[tuple[int, int, int, Sealed]] = []
        self._extra: list[AnyRow] = []
        self._forged: list[tuple[AnyRow, Sealed]] = []

    def edited(self, row: AnyRow, place: int, epoch: Sealed) -> None:
        self._edited.append((row, place, epoch))
        self._keep_small()

    def missing(self, first: int, last: int, place: int, epoch: Sealed) -> None:
        self._missing.append((first, last, place, epoch))
        self._keep_small()

    def extra(self, row: AnyRow) -> None:
        self._extra.append(row)
        self._keep_small()

    def forged(self, row: AnyRow, epoch: Sealed) -> None:
        self._forged.append((row, epoch))
        self._keep_small()

    def _keep_small(self) -> None:
        if len(self._edited) + len(self._missing) + len(self._extra) + len(self._forged) >= _DESCRIBED:
            self.report()

    def report(self) -> None:
        moved = self._renumbered()
        described = self._described()
        explained = {*moved, *(number for number, _ in moved.values())}
        for row, _, epoch in self._edited:
            if row.id not in explained:
                happened = f"was edited after it was sealed in epoch {epoch.number}"
                self._tell("edited", row.id, epoch.number, described, happened)
        for row, epoch in self._forged:
            happened = "was edited, or what stands for its erased values is not of the recorded erasure"
            self._tell("forged", row.id, epoch.number, described, happened)
        for number, (sealed, epoch_number) in moved.items():
            happened = f"is what was sealed as number {sealed} in epoch {epoch_number}: the order was changed"
            self._tell("reordered", number, epoch_number, described, happened)
        for first, last, _, epoch in self._missing:
            if first == last and first in explained:
                continue
            which = f"{self.kind} {first}, sealed in epoch {epoch.number}, was removed"
            if first != last:
                which = f"{self.kind}s {first} to {last}, sealed in epoch {epoch.number}, were removed"
            message = f"{which.capitalize()}."
            self.add(Finding(f"{self.kind} removed", message, epoch=epoch.number, **self._numbered(first)))
        for row in self._extra:
            if row.id not in explained:
                self._tell("inserted", row.id, None, described, "was inserted among what had been sealed already")
        self._edited, self._missing, self._extra, self._forged = [], [], [], []

    def _renumbered(self) -> dict[int, tuple[int, int]]:
        """Number to the number that it was sealed with, and the epoch."""
        targets = [(row.id, place, epoch) for row, place, epoch in self._edited]
        for first, last, place, epoch in self._missing:
            targets += [(number, place + number - first, epoch) for number in range(first, min(last, first + 5) + 1)]
        candidates = [*(row for row, _, _ in self._edited), *self._extra][:_COMPARED]
        found: dict[int, tuple[int, int]] = {}
        for number, place, epoch in targets[:_COMPARED]:
            salt, sealed = epoch.salt(number, place), epoch.leaf(place)
            for row in candidates:
                if row.id != number:
                    head = row.head.replace(str(row.id), str(number), 1)
                    if leaf(self.kind, head, inner(salt, row.body)) == sealed:
                        found[row.id] = (number, epoch.number)
        return found

    def _tell(self, what: str, number: int, epoch: int | None, described: dict[int, AnyRow], happened: str) -> None:
        self.add(
            Finding(
                f"{self.kind} {what}", f"{self._name(number, described)} {happened}.", epoch=epoch,
                **self._fields(number, described),
            )
        )  # fmt: skip

    def _described(self) -> dict[int, AnyRow]:
        ids = [
            *(row.id for row, _, _ in self._edited),
            *(row.id for row, _ in self._forged),
            *(r.id for r in self._extra),
        ]
        if self.kind != "change" or not ids:
            return {}
        return {row.id: row for row in execute(self.connection, self.evidence.described(ids))}

    def _name(self, number: int, described: dict[int, AnyRow]) -> str:
        row = described.get(number)
        if row is None or row.table_name is None:
            return f"{self.kind.capitalize()} {number}"
        operation = OPERATIONS.get(row.operation, "change")
        return f"Change {number} ({operation} of {row.schema_name}.{row.table_name} {row.key})"

    def _numbered(self, number: int) -> dict[str, Any]:
        if self.kind == "change":
            return {"change": number}
        return {"transaction": str(number)} if self.kind == "transaction" else {"object": f"intervention {number}"}

    def _fields(self, number: int, described: dict[int, AnyRow]) -> dict[str, Any]:
        row = described.get(number)
        if row is None:
            return self._numbered(number)
        fields: dict[str, Any] = {
            "change": number,
            "transaction": row.transaction,
            "table": None if row.table_name is None else f"{row.schema_name}.{row.table_name}",
            "key": row.key,
        }
        return {name: value for name, value in fields.items() if value is not None}
