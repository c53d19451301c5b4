"""A run: warnings first, the migrators' lock, then one revision after the other, each tried until it has its locks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.database import BEGUN_OTHERWISE, execute, explain
from holdfast.dialects import dialect_for
from holdfast.errors import (
    BusyError,
    ConnectionLostError,
    ConstraintError,
    DeadlockError,
    HoldfastError,
    LockTimeoutError,
    MigrationError,
)
from holdfast.migrating.attempts import Attempts, head
from holdfast.migrating.blocking import warn_of_long_transactions
from holdfast.migrating.foreign_keys import BrokenKeys, broken_keys, described, refuse_broken
from holdfast.migrating.indexes import invalid_indexes, mend
from holdfast.migrating.locking import MigratorLock
from holdfast.migrating.settings import MigrationSettings
from holdfast.migrating.statements import RESUMABLE, RUN, Statements, autocommits
from holdfast.tables import TableName

T = TypeVar("T")


class _WithoutKeysError(Exception):
    def __str__(self) -> str:
        return "its batch has to begin anew, without foreign keys."


_AGAIN = (LockTimeoutError, DeadlockError, BusyError)
"""What passes by itself: everything else would fail the same way once more."""


class MigrationRun:
    """Carries revisions out on one connection, which nobody else uses meanwhile and which is in no transaction."""

    def __init__(
        self,
        connection: Connection,
        settings: MigrationSettings,
        version_table: tuple[str | None, str],
        say: Callable[[str], None],
    ) -> None:
        self.connection = connection
        self.dialect = dialect_for(connection.dialect.name)
        self.settings = settings
        self.say = say
        self.statements = Statements(connection, self.dialect, settings, say)
        self._version_table = version_table
        self._lock: MigratorLock | None = None
        self._broken: BrokenKeys = BrokenKeys()
        self._attempts = Attempts(self.statements, self.dialect)
        self._later: list[tuple[str, tuple[str, ...]]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Locked against other migrators (HF455), statements limited, and at the end no index is invalid (HF459)."""
        warn_of_long_transactions(self.connection, self.dialect, self.settings, self.say)
        for each in invalid_indexes(self.connection, self.dialect):
            self.say(f"Index {each} is invalid: it is there, it costs every write, and no query uses it.")
        self._lock = MigratorLock(self.connection, self.dialect, self._lock_name(), self.settings, self.say)
        with self._lock.held(), self.statements.watched():
            self.connection.execution_options(**{RUN: self, BEGUN_OTHERWISE: True})
            try:
                yield
            finally:
                self.connection.execution_options(**{RUN: None, BEGUN_OTHERWISE: None})
            if self.settings.mend_indexes:
                mend(self.connection, self.dialect, self.say)

    def begin_step(self, step: str) -> None:
        """A revision begins, or begins again; HF456 where the lock is no longer ours."""
        if self._lock is not None:
            self._lock.check()
        self.statements.begin_step()
        self._later.clear()
        self._attempts.begin(step)
        if self.statements.without_keys:
            self._broken = broken_keys(self.connection, self.dialect)
            if self._broken:
                self.say(f"Rows that refer to what is not there, before {step}: {described(self._broken)}")

    def end_step(self) -> None:
        """The revision is committed, and so is the version that it leads to."""
        self.statements.begin_step()
        self.statements.without_keys = False

    def finish_later(self, table: str, statements: Sequence[str]) -> None:
        """After the commit of the revision, in a transaction of their own."""
        self._later.append((table, tuple(statements)))

    def finish(self) -> None:
        """What the committed revision left for later, such as to look whether the rows keep a new constraint.

        Raises HF460 where they do not, and HF457 where it took too long to get the locks.
        """
        later, self._later = self._later, []
        for table, statements in later:

            def attempt(statements: tuple[str, ...] = statements) -> None:
                with self.connection.begin():
                    for each in statements:
                        options = {"no_parameters": True, RESUMABLE: True}
                        self.connection.exec_driver_sql(each, execution_options=options)

            try:
                self.carry_out_statement(attempt)
            except DBAPIError as error:
                ours = self._explained(error)
                if not isinstance(ours, ConstraintError):
                    raise
                raise MigrationError(
                    "HF460",
                    f"{self._attempts.step} is done, and rows of {table} that were there before break what it added: "
                    f"{ours.message}",
                    "It holds for new rows. Find and mend the others, and let alembic revision --autogenerate write "
                    "what is left to do: it sees what is not valid.",
                ) from error

    def leave_keys_out(self) -> None:
        """Has the revision begin anew without foreign keys; HF470 where that could not be undone.

        Whether they are enforced cannot be changed within a transaction, and the transaction may have done something.
        """
        if self.statements.without_keys or autocommits(self.connection):
            raise MigrationError(
                "HF470",
                f"{self._attempts.step}: foreign keys are enforced, and stay so.",
                "Let the revision have a transaction: no AUTOCOMMIT, and no autocommit_block around the batch.",
            )
        raise _WithoutKeysError

    def check_keys(self) -> None:
        """Before the commit; HF472 where a revision that ran without foreign keys broke one."""
        if self.statements.without_keys:
            refuse_broken(broken_keys(self.connection, self.dialect) - self._broken, self._attempts.step)

    def carry_out(self, attempt: Callable[[], None]) -> None:
        """Calls it until it passes, for as long as only locks are in its way.

        Raises HF457 when that took too long, and HF458 when it failed after a part of it was committed that cannot
        be repeated. Whatever else it raised is raised.
        """
        while True:
            try:
                attempt()
            except _WithoutKeysError as error:
                self.connection.rollback()
                if self.statements.committed:
                    raise self._in_part(error) from error
                self.statements.without_keys = True
                continue
            except Exception as error:
                lost = self._lost(error)
                ours = lost or self._explained(error)
                if lost is None:
                    self.connection.rollback()
                if self.statements.committed:
                    raise self._in_part(ours or error) from error
                if lost is not None:
                    raise lost from error
                if not isinstance(ours, _AGAIN):
                    raise
                pause = self._attempts.pause(error)
            else:
                return
            time.sleep(pause)

    def carry_out_statement(self, attempt: Callable[[], T]) -> T:
        """The same for one statement that is a transaction of its own: what was committed before it stays."""
        self._attempts.begin_anew()
        while True:
            try:
                result = attempt()
            except Exception as error:
                if not isinstance(self._explained(error), _AGAIN):
                    raise
                pause = self._attempts.pause(error)
            else:
                self._attempts.begin_anew()
                return result
            time.sleep(pause)

    def _in_part(self, error: Exception) -> MigrationError:
        done = "".join(f"\n  {head(each)};" for each in self.statements.committed)
        reason = error.message if isinstance(error, HoldfastError) else str(error).splitlines()[0]
        return MigrationError(
            "HF458",
            f"{self._attempts.step} failed after a part of it was committed: {reason}",
            f"These statements are done, and would be done again:{done}\n"
            "Undo them, or take them out of the revision; then run the migration again.",
        )

    def _lost(self, error: BaseException | None) -> HoldfastError | None:
        """Alembic's own tidying up fails on a lost connection, and hides what it began with."""
        if not self.connection.invalidated:
            return None
        while error is not None and not (isinstance(error, DBAPIError) and error.connection_invalidated):
            error = error.__context__
        return ConnectionLostError(
            "HF615",
            f"{self._attempts.step}: the connection to the database was lost"
            + (f" ({str(error.orig).splitlines()[0]})." if error is not None else "."),
            "Run the migration again: the revisions before are done, and it goes on with this one.",
        )

    def _explained(self, error: Exception) -> HoldfastError | None:
        if isinstance(error, HoldfastError):
            return error
        return explain(error, self.dialect) if isinstance(error, DBAPIError) else None

    def _lock_name(self) -> str:
        schema, table = self._version_table
        default = self.dialect.migrating.default_schema()
        if schema is None and default is not None:
            schema = str(execute(self.connection, default)[0][0])
            self.connection.rollback()
        return self.dialect.migrating.lock_name(TableName(schema or "", table))
