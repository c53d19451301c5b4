"""What passes through the migrating connection: each statement waits for its lock as long as its kind may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from holdfast.database import OWN, execute
from holdfast.dialects.base import Dialect
from holdfast.dialects.migrating import LockClass, OwnTimeouts
from holdfast.migrating.settings import MigrationSettings

RUN = "holdfast_migration"
"""The execution option of the migrating connection by which an operation finds the run that it belongs to."""
RESUMABLE = "holdfast_resumable"
"""The execution option of a statement whose operation sees for itself, when it is run again, how far it came."""


class Statements:
    """Listens to one connection, for as long as it is ``watched``, and to no other."""

    def __init__(
        self, connection: Connection, dialect: Dialect, settings: MigrationSettings, say: Callable[[str], None]
    ) -> None:
        self.connection = connection
        self.migrating = dialect.migrating
        self.settings = settings
        self.say = say
        self.last = ""
        """The statement that was sent last, which is the one that failed."""
        self.committed: list[str] = []
        """What of the revision in hand is committed, though the revision is not, and would be done twice."""
        self._uncommitted: list[str] = []
        self._own: OwnTimeouts | None = None
        self._in_force: LockClass | None = None
        self._theirs = False
        self.without_keys = False
        """Whether transactions that begin now are not to enforce foreign keys, which the session otherwise does."""
        self._keys_off = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        listeners: dict[str, Callable[..., None]] = {
            "before_cursor_execute": self._before,
            "after_cursor_execute": self._after,
            "begin": self._begun,
            "commit": self._committed,
            "rollback": self._rolled_back,
            "rollback_savepoint": self._savepoint_rolled_back,
        }
        if (asked := self.migrating.own_timeouts()) is not None:
            [row] = execute(self.connection, asked)
            self._own = OwnTimeouts(*row)
            self.connection.rollback()
        for name, listener in listeners.items():
            event.listen(self.connection, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(self.connection, name, listener)
            self._give_back()

    def begin_step(self) -> None:
        """A revision begins: nothing of it is committed."""
        self.committed.clear()
        self._uncommitted.clear()

    # ------------------------------------------------------------------ timeouts

    def _before(
        self, connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        options = context.execution_options
        if options.get(OWN):
            return
        self.last = statement
        self._limit(connection, statement)
        if not options.get(RESUMABLE) and autocommits(connection):
            self._make_room(connection, statement)

    def _limit(self, connection: Connection, statement: str) -> None:
        if self._own is None:
            return
        if self.migrating.sets_timeouts(statement):
            self._theirs = True
        lock_class = self.migrating.lock_class(statement)
        if self._theirs or lock_class is self._in_force:
            return
        # For the session, not for the transaction: where there is none, that would be for nothing.
        execute(connection, self.migrating.set_timeouts(lock_class, self.settings.lock_timeout, self._own))
        self._in_force = lock_class

    def _make_room(self, connection: Connection, statement: str) -> None:
        """IF NOT EXISTS would take what a failed build has left for an index, and without it there is an error."""
        built = self.migrating.built_index(statement)
        if built is None:
            return
        asked, default = self.migrating.invalid_indexes(), self.migrating.default_schema()
        schema = built[0] or (execute(connection, default)[0][0] if default else "")
        for each in execute(connection, asked) if asked else ():
            if (each[0], each[1]) == (schema, built[1]):
                self.say(f"Index {schema}.{each[1]} is invalid, left behind by a build that failed: it is dropped.")
                execute(connection, self.migrating.drop_index(each[0], each[1]))

    def _give_back(self) -> None:
        """The session as it was; a lost one needs nothing."""
        if self.connection.closed or self.connection.invalidated:
            return
        if self._keys_off:
            self.connection.rollback()
            with self.connection.begin():
                _out_of_transaction(self.connection)
                self._enforce_keys(self.connection)
        if self._own is None:
            return
        self.connection.rollback()
        execute(self.connection, self.migrating.set_timeouts(LockClass.WEAK, self.settings.lock_timeout, self._own))
        self.connection.commit()

    # ------------------------------------------------------------------ transactions

    def _after(
        self, connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        options = context.execution_options
        if options.get(OWN) or options.get(RESUMABLE) or (context.isddl is False and _reads(statement)):
            return
        (self.committed if autocommits(connection) else self._uncommitted).append(statement)

    def _begun(self, connection: Connection) -> None:
        if self.migrating.begin is None or autocommits(connection):
            return
        # The engine may have begun one that reads first, and would be refused when it writes.
        _out_of_transaction(connection)
        if self.without_keys is not self._keys_off:
            self._enforce_keys(connection, on=not self.without_keys)
        execute(connection, self.migrating.begin)

    def _enforce_keys(self, connection: Connection, on: bool = True) -> None:
        """In a transaction it would do nothing, and not say so."""
        execute(connection, self.migrating.enforce_keys(on))
        self._keys_off = not on

    def _committed(self, _connection: Connection) -> None:
        self.committed += self._uncommitted
        self._uncommitted.clear()
        if self._theirs:
            self._theirs, self._in_force = False, None

    def _rolled_back(self, _connection: Connection) -> None:
        # What was set in the transaction is undone with it.
        self._uncommitted.clear()
        self._theirs, self._in_force = False, None

    def _savepoint_rolled_back(self, _connection: Connection, _name: str, _context: Any) -> None:
        self._in_force = None


def settle(connection: Connection) -> None:
    """Ends a transaction in which something was only asked, where there is one: not if each statement commits."""
    if not autocommits(connection):
        connection.rollback()


def _out_of_transaction(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    if driver.in_transaction:
        execute(connection, "rollback")


def autocommits(connection: Connection) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _reads(statement: str) -> bool:
    return statement.lstrip().lower().startswith(("select", "show", "set ", "reset", "explain", "pragma"))
