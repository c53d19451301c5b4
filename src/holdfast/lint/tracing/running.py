"""Runs migrations on a scratch database, statement by statement, in the transactions that they declare."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.dialects.tracing import Tracing
from holdfast.lint.actions import Boundary, LockTable, Opaque, Statement
from holdfast.lint.checking import Migration
from holdfast.lint.findings import Finding
from holdfast.lint.rules import rules
from holdfast.lint.tracing.deeds import Deed
from holdfast.lint.tracing.observing import Counters, Moment, count, observe

FAILS = "statement-fails"
_NOTHING = Counters({}, {})
_KEYS_CHECKED = "validateForeignKeyConstraint"
_SESSION = ("SET", "RESET", "SAVEPOINT", "RELEASE", "ROLLBACK")


@dataclass(frozen=True, slots=True)
class Failure:
    """What the server said against a statement."""

    sqlstate: str
    function: str
    message: str


class Tracer:
    """Runs one migration after another, and says what the server did.

    The connection is one of psycopg's, in autocommit mode, to a database that nobody needs.
    """

    def __init__(
        self,
        connection: Connection,
        tracing: Tracing,
        *,
        time_zone: str = "Europe/Berlin",
        deployed_together: bool = False,
    ) -> None:
        self.connection = connection.execution_options(no_parameters=True)
        self.tracing = tracing
        self.deployed_together = deployed_together
        driver: Any = connection.connection.driver_connection
        self.driver = driver
        self.functions: set[str] = set()
        """Of the server, that said something about the statement that ran last."""
        self.transaction: int | None = None
        self.existing: frozenset[int] | None = None
        """The tables that may have users; None before the first migration."""
        self.notes: list[str] = []
        """What is not as it should be, and is no finding: tables without rows, earlier migrations that failed."""
        self.time_zone = time_zone
        self.driver.add_notice_handler(lambda notice: self.functions.add(notice.source_function or ""))
        self.before = self.start = Moment()

    def trace(self, migrations: Iterable[Migration]) -> list[Finding]:
        """What is found in those that are checked; the others only make what is there."""
        findings: list[Finding] = []
        self.existing = None
        self.notes.clear()
        self.before = self.start = Moment()
        for sql in self.tracing.settings(self.time_zone):
            self._send(sql)
        for migration in migrations:
            if migration.checked and self.existing is None:
                # What went before has long been run.
                self._end()
            if migration.checked and not self.inside:
                self._fill()
            if migration.checked and (self.existing is None or not self.deployed_together):
                self.existing = frozenset(self._observe().tables)
            for statement in migration.statements:
                found = self._statement(statement)
                if migration.checked:
                    findings += found
                else:
                    self.notes += [f"{each.file}:{each.line}: {each.message}" for each in found if each.rule == FAILS]
        self._end()
        return findings

    # ------------------------------------------------------------------ one statement

    def _statement(self, statement: Statement) -> list[Finding]:
        if not statement.words:
            # No SQL, or none that is understood; the rules say so.
            return []
        if statement.words[0].is_("COPY"):
            return [_not_traced(statement, "COPY sends its rows through the client")]
        found = self._transaction(statement)
        self.functions.clear()
        if any(isinstance(action, Boundary) for action in statement.actions) or (
            statement.words and statement.words[0].is_(*_SESSION)
        ):
            return [*found, *self._plainly(statement)]
        return [*found, *(self._step(statement) if self.inside else self._single(statement))]

    def _transaction(self, statement: Statement) -> list[Finding]:
        """Ends the transaction of the statement before, and begins this one's, where no statement does so."""
        begins = any(isinstance(action, Boundary) for action in statement.actions)
        found = []
        if self.inside and statement.transaction != self.transaction and (failure := self._end()):
            found.append(_failed(statement, failure, self.tracing))
        if not self.inside and statement.transaction is not None and not begins:
            self._begin()
        self.transaction = statement.transaction
        return found

    def _plainly(self, statement: Statement) -> list[Finding]:
        """What begins or ends a transaction, or sets something."""
        was_inside = self.inside
        failure = self._try(statement.text)
        if failure and self.inside:
            self._send("rollback")
        if failure or (statement.words and statement.words[0].is_("ROLLBACK", "ABORT")):
            self._observe()
        if self.inside != was_inside:
            self.start = self.before = replace(self.before, locks={})
        return [_failed(statement, failure, self.tracing)] if failure else []

    def _single(self, statement: Statement) -> list[Finding]:
        """A statement that is a transaction by itself: in one of ours, so that it can be looked at before its end."""
        self._begin()
        counted = count(self.connection, self.tracing)
        failure = self._try(statement.text)
        if failure and failure.sqlstate == self.tracing.outside_only:
            self._send("rollback")
            return self._alone(statement)
        if failure and self._about_rows(failure):
            self._send("rollback")
            self._empty()
            self._begin()
            counted = count(self.connection, self.tracing)
            failure = self._try(statement.text)
        found = [_failed(statement, failure, self.tracing)] if failure else self._found(statement, counted)
        if (failure := self._end()) is not None:
            found.append(_failed(statement, failure, self.tracing))
        return found

    def _alone(self, statement: Statement) -> list[Finding]:
        failure = self._try(statement.text)
        found = self._found(statement, None)
        return [*found, _failed(statement, failure, self.tracing)] if failure else found

    def _step(self, statement: Statement) -> list[Finding]:
        """A statement among others of a transaction, which goes on when it fails."""
        self._send("savepoint holdfast_trace")
        counted = count(self.connection, self.tracing)
        failure = self._try(statement.text)
        if failure and self._about_rows(failure):
            self._send("rollback to savepoint holdfast_trace")
            self._empty()
            counted = count(self.connection, self.tracing)
            failure = self._try(statement.text)
        if failure:
            self._send("rollback to savepoint holdfast_trace")
            return [_failed(statement, failure, self.tracing)]
        found = self._found(statement, counted)
        self._send("release savepoint holdfast_trace")
        return found

    def _found(self, statement: Statement, counted: Counters | None) -> list[Finding]:
        """``counted``: before it; None for a statement outside of any transaction."""
        before = self.before
        grown = _NOTHING if counted is None else count(self.connection, self.tracing).since(counted)
        deed = Deed(
            start=self.start,
            before=before,
            after=self._observe(),
            existing=self.existing or frozenset(),
            counted=grown,
            checked_keys=_KEYS_CHECKED in self.functions,
            alone=counted is None,
        )
        found = []
        # An ALTER TABLE that finds all as it should be does no more than lock either.
        asked = any(isinstance(action, LockTable | Opaque) for action in statement.actions)
        for effect in deed.effects():
            if effect.kind == "lock" and not asked:
                continue
            rule = rules()[effect.rule].rule
            found.append(replace(rule.finding(statement, effect.table, effect.message), source="trace"))
        return list(dict.fromkeys(found))

    # ------------------------------------------------------------------ the connection

    @property
    def inside(self) -> bool:
        return bool(self.driver.info.transaction_status)

    def _begin(self) -> None:
        self._send("begin")
        self.start = self.before = replace(self.before, locks={})

    def _end(self) -> Failure | None:
        """Commits; what was deferred may fail now."""
        failure = self._try("commit") if self.inside else None
        if failure:
            self._observe()
        self.before = replace(self.before, locks={})
        return failure

    def _send(self, sql: str) -> None:
        self.connection.exec_driver_sql(sql)

    def _try(self, sql: str) -> Failure | None:
        try:
            self._send(sql)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            diagnosis = getattr(error.orig, "diag", None)
            return Failure(
                sqlstate=getattr(error.orig, "sqlstate", None) or "",
                function=getattr(diagnosis, "source_function", None) or "",
                message=getattr(diagnosis, "message_primary", None) or str(error.orig),
            )
        return None

    def _observe(self) -> Moment:
        self.before = observe(self.connection, self.tracing)
        return self.before

    # ------------------------------------------------------------------ rows

    def _about_rows(self, failure: Failure) -> bool:
        """Whether it may be the made-up rows that are in the way."""
        return failure.sqlstate.startswith(self.tracing.data_errors)

    def _fill(self) -> None:
        """A few rows for each table without any: values by type, foreign keys let be."""
        self._send(self.tracing.as_replica(on=True))
        for table, sql in self.connection.exec_driver_sql(self.tracing.fill()).all():
            if failure := self._try(sql):
                self.notes.append(f"{table} has no rows on the scratch database: {failure.message}.")
        self._send(self.tracing.as_replica(on=False))

    def _empty(self) -> None:
        self._send(self.tracing.as_replica(on=True))
        for _, sql in self.connection.exec_driver_sql(self.tracing.empty()).all():
            with suppress(DBAPIError):
                self._send(sql)
        self._send(self.tracing.as_replica(on=False))


def _failed(statement: Statement, failure: Failure, tracing: Tracing) -> Finding:
    known = tracing.errors.get((failure.sqlstate, failure.function)) or tracing.errors.get((failure.sqlstate, ""))
    rule = rules()[known or FAILS].rule
    message = f"The server refuses it: {failure.message} ({failure.sqlstate or 'no SQLSTATE'})."
    without_values = failure.sqlstate == tracing.syntax and any(word.is_(":") for word in statement.words)
    if without_values or (failure.sqlstate, failure.function) in tracing.absent:
        why = (
            "its values cannot be written out" if without_values else f"the scratch server lacks it: {failure.message}"
        )
        return _not_traced(statement, why)
    return replace(rule.finding(statement, "", message), source="trace")


def _not_traced(statement: Statement, why: str) -> Finding:
    found = rules()[FAILS].rule.finding(statement, "", f"Not traced: {why}.", severity="info")
    return replace(found, source="trace")
