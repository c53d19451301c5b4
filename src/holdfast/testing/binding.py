"""Who is at work within a transaction that stands for many: kept by a rolled-back session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, NestedTransaction, event

from holdfast.catalog_rows import document_of
from holdfast.context import current, is_bound
from holdfast.database import OWN, execute
from holdfast.dialects import dialect_for
from holdfast.dialects.log import LogFilter
from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.journal import Change
from holdfast.testing import acting

_KEPT = "holdfast.rolled_back"


class NotRolledBackError(HoldfastError):
    """What is to be rolled back would have been committed; it was not."""


@dataclass(frozen=True, slots=True)
class _Since:
    """From the change after this one on, others are at work. A journal that has one actor for a transaction cannot
    say so of the changes of the same ``transaction``."""

    change: int
    transaction: str | None
    bound: Mapping[str, Any]


class Binding:
    """Binds the context where the tested code begins a transaction, which is but a savepoint, and at ``acting_as``."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect = dialect_for(connection.dialect.name)
        self.carries = is_bound(connection)
        self._around: NestedTransaction | None = connection.get_nested_transaction()
        self._bound: Mapping[str, Any] = current() if self.carries else {}
        self._acting = acting.present()
        self._since: list[_Since] = []
        self._skip = self._lost = self._within = False
        self._readable = self._may_read()
        self.first = self._last_change()
        """The last change of the journal before the session began."""
        self._listeners: list[tuple[str, Callable[..., None]]] = [
            ("savepoint", self._savepoint),
            ("rollback_savepoint", self._rolling_back),
            ("release_savepoint", self._releasing),
            ("before_cursor_execute", self._executing),
            ("commit", _refuse_commit),
        ]

    def start(self) -> None:
        for name, listener in self._listeners:
            event.listen(self.connection, name, listener)
        self.connection.info[_KEPT] = self

    def stop(self) -> None:
        for name, listener in self._listeners:
            event.remove(self.connection, name, listener)
        if not self.connection.invalidated:
            self.connection.info.pop(_KEPT, None)

    def as_it_was(self, change: Change) -> Change:
        """The change with who was at work when it was made."""
        since = next((each for each in reversed(self._since) if each.change < change.id), None)
        if since is None or since.transaction != change.transaction:
            return change
        bound = since.bound
        return replace(change, actor=bound.get("actor"), tenant=bound.get("tenant"), reason=bound.get("reason"))

    # ------------------------------------------------------------------ what the connection tells

    def _savepoint(self, connection: Connection, _name: str | None) -> None:
        if connection.get_nested_transaction() is self._around:
            self._within = self._lost = False
            if self.carries and (self._bound or current()):
                self._bind(current())
            self._acting = acting.present()
        self._skip = True

    def _rolling_back(self, _connection: Connection, _name: str, _context: None) -> None:
        # What was bound since the savepoint goes with it.
        self._lost = self._lost or self._within
        self._skip = True

    def _releasing(self, _connection: Connection, _name: str, _context: None) -> None:
        self._skip = True

    def _executing(
        self, _connection: Connection, _cursor: Any, _statement: str, _parameters: Any, executed: Any, _many: bool
    ) -> None:
        if executed.execution_options.get(OWN):
            return
        if self._skip:
            # This is the savepoint's own statement, and the transaction may take no other just now.
            self._skip = False
        elif acting.present() is not self._acting:
            self._acting = acting.present()
            if not self.carries:
                raise UnsupportedError(
                    "HF633",
                    "The engine is not bound, so nobody is recorded, whoever acts.",
                    "Say once, after create_engine: holdfast.sqlalchemy.bind(engine).",
                )
            self._bind(current())
            self._within, self._lost = True, False
        elif self._lost:
            self._bind(self._bound)
            self._lost = False

    # ------------------------------------------------------------------ the journal

    def _bind(self, wanted: Mapping[str, Any]) -> None:
        last = self._last_change()
        written = execute(self.connection, self.dialect.log.current_transaction()) if self._readable else []
        # A number that is not reached was that of a change that was rolled back, and may be given again.
        self._since = [each for each in self._since if each.change < last]
        self._since.append(_Since(last, str(written[0][0]) if written else None, wanted))
        for query in self.dialect.rebind_context(wanted):
            execute(self.connection, query)
        self._bound = wanted

    def _last_change(self) -> int:
        """The number of the newest change in sight."""
        rows = execute(self.connection, self.dialect.log.changes(LogFilter(limit=1))) if self._readable else []
        return int(rows[0].id) if rows else 0

    def _may_read(self) -> bool:
        state = document_of(execute(self.connection, self.dialect.catalog.state)[0][0])
        return state["marker"] is not None and bool(state.get("may_read_journal", True))


def binding_of(connection: Connection) -> Binding | None:
    """That of the rolled-back session whose connection it is."""
    binding: Binding | None = connection.info.get(_KEPT)
    return binding


def _refuse_commit(_connection: Connection) -> None:
    raise NotRolledBackError(
        "HF632",
        "The tested code commits the connection itself, and with it the test's own transaction.",
        "Have it commit its session; or test it on a database of its own (holdfast_database).",
    )
