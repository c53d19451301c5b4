"""What is known when a statement comes: what there is, what the migration did before, what its transaction holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.lint.actions import Action, Boundary, Setting, Statement
from holdfast.lint.known import Known, Table
from holdfast.lint.locks import Lock, locks_of
from holdfast.lint.servers import Server
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class Held:
    lock: Lock
    table: TableName
    statement: Statement


class History(Known):
    """Kept by whoever checks; a rule asks it before its statement is added."""

    def __init__(
        self,
        server: Server,
        *,
        tables: Iterable[Table] = (),
        deployed_together: bool = False,
        runner_sets_timeout: bool = False,
    ) -> None:
        super().__init__(tables)
        self.server = server
        self.deployed_together = deployed_together
        """Whether the migrations that are checked are all run at once, so that a table of one is empty in the next."""
        self.runner_sets_timeout = runner_sets_timeout
        self.statements: list[Statement] = []
        """Of this migration, so far."""
        self.settings: dict[str, str] = {}
        self.held: list[Held] = []
        self.transaction: int | None = None
        self.inside = False
        """Whether a BEGIN of the file's own is open."""
        self._local: set[str] = set()

    # ------------------------------------------------------------------------------------------------- questions

    def is_new(self, name: TableName | None) -> bool:
        """Whether the table was made a moment ago, so that nobody else uses it and it has no rows to speak of."""
        table = self.tables.get(name) if name is not None else None
        if table is None or table.created is None:
            return False
        return table.created == self.migration or self.deployed_together

    def locked(self, statement: Statement, at_least: Lock) -> Iterator[Held]:
        """The locks that the transaction of the statement holds on tables that others use."""
        if statement.transaction is not None and statement.transaction == self.transaction:
            yield from (each for each in self.held if each.lock >= at_least)

    def earlier(self, statement: Statement) -> Iterator[tuple[Statement, Action]]:
        """What was done before, in this migration."""
        for each in self.statements:
            for action in each.actions:
                yield each, action

    # -------------------------------------------------------------------------------------------------- what happens

    def forget_session(self) -> None:
        """What follows is run by another session: its locks and settings are its own."""
        self.held, self.settings, self.transaction = [], {}, None

    def begin(self, migration: str) -> None:
        self.migration = migration
        self.statements = []
        self.inside = False

    def arrive(self, statement: Statement) -> None:
        """The statement is next; what an earlier transaction held and set for itself is gone."""
        if statement.transaction is None or statement.transaction != self.transaction:
            self.held = []
            for name in self._local:
                self.settings.pop(name, None)
            self._local = set()
        self.transaction = statement.transaction

    def add(self, statement: Statement) -> None:
        """The statement has run."""
        for action in statement.actions:
            if statement.transaction is not None:
                for lock, table in locks_of(action):
                    owner = self.owner_of(table)
                    table = owner.name if owner is not None and table not in self.tables else table
                    if not self.is_new(table):
                        self.held.append(Held(lock, table, statement))
            match action:
                case Setting(name=name, value=value, local=local):
                    self.settings[name] = value
                    if local:
                        self._local.add(name)
                case Boundary(verb=verb):
                    self.inside = verb == "begin"
                case _:
                    self.apply(action, statement)
        self.statements.append(statement)
