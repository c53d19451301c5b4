"""The journal as plain data: a Transaction (who, when, why) has many Changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from holdfast.tables import TableName

Operation = Literal["insert", "update", "delete", "restore", "truncate"]
OPERATIONS: Mapping[str, Operation] = {
    "I": "insert",
    "U": "update",
    "D": "delete",
    "S": "delete",
    "R": "restore",
    "T": "truncate",
}
"""How the journal spells an operation. S is a delete by the mark, R takes the mark away again."""


ERASED: Mapping[str, Any] = MappingProxyType({"erased": True})
"""What stands in a change for a value that was erased; no real value is an object."""


@dataclass(frozen=True, slots=True)
class Relation:
    """What the journal calls a table and its columns, for ever: ids that survive every rename."""

    id: int
    table: TableName
    key: tuple[str, ...]
    columns: Mapping[str, int]
    """Present column name to its id."""

    def column_id(self, name: str) -> int:
        return self.columns[name]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that was changed: its key, and the columns before and after."""

    id: int
    transaction: str
    at: datetime
    actor: str | None
    tenant: str | None
    reason: str | None
    table: str
    key: Any
    operation: Operation
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """The fields that ``holdfast log --json`` prints, in its order."""
        return {
            "transaction": self.transaction,
            "at": self.at.astimezone(UTC).isoformat(),
            "actor": self.actor,
            "tenant": self.tenant,
            "reason": self.reason,
            "table": self.table,
            "key": self.key,
            "operation": self.operation,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class Transaction:
    """A database transaction that changed something: the actor's claim, and what the server knows itself."""

    id: str
    at: datetime
    actor: str | None
    tenant: str | None
    reason: str | None
    context: dict[str, Any]
    session_user: str | None
    application: str | None
    client: str | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why one row cannot be undone, field by field: ``base`` is what the undone change wrote, ``theirs`` what
    stands there now, ``ours`` what the undo would write."""

    table: str
    key: Any
    why: str
    fields: Mapping[str, tuple[Any, Any, Any]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "key": self.key,
            "why": self.why,
            "fields": {
                name: {"base": base, "theirs": theirs, "ours": ours}
                for name, (base, theirs, ours) in self.fields.items()
            },
        }


def key_document(values: Iterable[Any]) -> Any:
    """A key as the journal spells it: the value itself, or an array of values in the order of the key."""
    listed = list(values)
    return listed[0] if len(listed) == 1 else listed
