"""A change in steps, each a transaction of its own, each found in the catalog when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import ExecutableDDLElement

from holdfast.alembic.translating import refuse_translated
from holdfast.database import OWN, execute, explain
from holdfast.dialects import dialect_for
from holdfast.dialects.changing import Target
from holdfast.dialects.query import Query
from holdfast.errors import ConstraintError, LockedError, MigrationError
from holdfast.migrating.running import MigrationRun
from holdfast.migrating.statements import RESUMABLE, RUN

if TYPE_CHECKING:
    from holdfast.database import AnyRow

Statement = str | ExecutableDDLElement | tuple[str, ...]
"""Several are one transaction."""


@dataclass(frozen=True, slots=True)
class Step:
    """What leads out of a state. ``mends`` what a crash left, so that it is no part of a script."""

    state: str
    statement: Statement
    mends: bool = False


class Stepping:
    """The migrating connection, or the script that is written, as an operation sees it."""

    def __init__(self, operations: Operations, table: Target) -> None:
        self.operations = operations
        self.context: Any = operations.get_context()
        self.table = table
        self.dialect = dialect_for(self.context.dialect.name)
        self.changing = self.dialect.migrating.changing
        if not (self.context.as_sql or self.recorded):
            refuse_translated(self.connection, str(table), table.schema)

    @property
    def connection(self) -> Connection:
        return self.operations.get_bind()

    @property
    def version(self) -> tuple[int, ...]:
        """Of the server; none while a script is written, for nobody knows where it will run."""
        return () if self.context.as_sql else tuple(self.context.dialect.server_version_info or ())

    @property
    def recorded(self) -> bool:
        """Whether the linter reads the revision: there is no database to ask, and nothing to find in these steps."""
        return bool(getattr(self.context.impl, "records", False))

    def walk(self, what: str, steps: Sequence[Step], look: Callable[[], str], done: str, give_up: str) -> None:
        """From whatever state the catalog shows to the last one, or, in a script, from the first.

        Raises HF460 where rows that are there stand in the way, and HF463 where env.py has a transaction of its own.
        """
        if self.context.as_sql:
            with self.context.autocommit_block():
                for step in steps:
                    if not step.mends:
                        self._print(step.statement)
            return
        ways = {step.state: step.statement for step in steps}

        def advance() -> bool:
            """One step, from what is there now: what failed may have left something."""
            state = look()
            if state != done:
                self._execute(ways[state])
            return state == done

        with self.each_by_itself():
            # A mended state leads back to the first one; more often than that nothing gets better.
            if not any(self._carry_out(what, advance, give_up) for _ in range(len(steps) + 2)):
                raise MigrationError(
                    "HF462",
                    f"{what}: the database does not come to the state that it should.",
                    "Look at what is there.",
                )

    def write(self, *statements: Statement) -> None:
        """Into a script, outside of its transactions."""
        with self.context.autocommit_block():
            for each in statements:
                self._print(each)

    def send(self, statement: Statement) -> None:
        """A statement of the revision's own transaction."""
        if self.context.as_sql:
            self._print(statement)
        elif isinstance(statement, str):
            self.connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        elif isinstance(statement, tuple):
            for each in statement:
                self.send(each)
        else:
            self.connection.execute(statement)

    def refuse_partitioned(self, what: str, instead: str) -> None:
        """HF461 where the table is only the sum of its partitions."""
        asked = self.changing.table_kind(self.table)
        if self.context.as_sql or asked is None:
            return
        if [tuple(row) for row in self.ask(asked)] == [("partitioned",)]:
            raise MigrationError("HF461", f"{what}: {self.table} has partitions, which this cannot do.", instead)

    def ask(self, query: Query) -> list[AnyRow]:
        return execute(self.connection, query)

    def as_the_catalog_has_it(
        self, make: Callable[[Target], ExecutableDDLElement], asked: Callable[[Target], Query]
    ) -> AnyRow:
        """What the catalog makes of something, learnt on an empty table like this one."""
        twin = self.changing.twin(self.table)
        connection = self.connection
        execute(connection, twin.begin)
        try:
            execute(connection, twin.create)
            connection.execute(make(twin.table), execution_options={OWN: True})
            return execute(connection, asked(twin.table))[0]
        finally:
            execute(connection, twin.rollback)

    def different(self, what: str, found: str, wanted: str) -> MigrationError:
        return MigrationError(
            "HF462",
            f"{what} is there already, and is something else: {found}, not {wanted}.",
            "Give another name, or drop what is there first.",
        )

    def building(self, what: str) -> LockedError:
        return LockedError(
            "HF455", f"{what} is being built by another session.", "Wait until it is done, and run the migration again."
        )

    @contextmanager
    def each_by_itself(self) -> Iterator[None]:
        with ExitStack() as exits:
            try:
                exits.enter_context(self.context.autocommit_block())
            except AssertionError as error:
                raise MigrationError(
                    "HF463",
                    "env.py runs the revisions in a transaction of its own, and this operation has to commit.",
                    "In env.py call holdfast.alembic.run_migrations(connection, …), with no transaction around it.",
                ) from error
            yield

    def _carry_out(self, what: str, advance: Callable[[], bool], give_up: str) -> bool:
        run: MigrationRun | None = self.connection.get_execution_options().get(RUN)
        try:
            return advance() if run is None else run.carry_out_statement(advance)
        except DBAPIError as error:
            ours = explain(error, self.dialect)
            if not isinstance(ours, ConstraintError):
                raise
            raise MigrationError(
                "HF460",
                f"{what}: rows that are there already break it.",
                "It holds for new rows. Find and mend the others, and run the migration again: it goes on from there. "
                f"To give it up: {give_up}",
            ) from error

    def _execute(self, statement: Statement) -> None:
        if isinstance(statement, tuple):
            self._together(statement)
        elif isinstance(statement, str):
            options = {"no_parameters": True, RESUMABLE: True}
            self.connection.exec_driver_sql(statement, execution_options=options)
        else:
            self.connection.execute(statement, execution_options={RESUMABLE: True})

    def _together(self, statements: tuple[str, ...]) -> None:
        """All of them or none, in a transaction that the driver, which commits each by itself, knows nothing of."""
        run: MigrationRun | None = self.connection.get_execution_options().get(RUN)
        filling = self.dialect.migrating.filling
        execute(self.connection, filling.begin)
        try:
            if run is not None:
                milliseconds = max(1, round(run.settings.lock_timeout.total_seconds() * 1000))
                for each in self.dialect.lock_settings(milliseconds):
                    execute(self.connection, each)
            for each in statements:
                if run is not None:
                    run.statements.last = each
                execute(self.connection, each)
            execute(self.connection, filling.commit)
        except BaseException:
            if not self.connection.invalidated:
                execute(self.connection, filling.rollback)
            raise

    def _print(self, statement: Statement) -> None:
        dialect = self.context.dialect
        if isinstance(statement, tuple):
            for each in ("begin", *statement, "commit"):
                self._print(each)
            return
        if not isinstance(statement, str):
            statement = str(statement.compile(dialect=dialect)).strip()
            if dialect.paramstyle in ("format", "pyformat"):
                # Doubled for a driver that looks for parameters; a script has no driver.
                statement = statement.replace("%%", "%")
        self.context.impl.static_output(f"{statement};")
