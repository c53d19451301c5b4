"""A rule: one module of ``holdfast.lint.rules`` each, named like its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from holdfast.lint.actions import OnTable, Statement
from holdfast.lint.findings import Finding, Severity
from holdfast.lint.history import History
from holdfast.lint.servers import Server

T = TypeVar("T", bound=OnTable)
Check = Callable[[Statement, History], Iterable[Finding]]
Finish = Callable[[History], Iterable[Finding]]

POSTGRESQL = ("postgresql",)
SQLITE = ("sqlite",)
MYSQL = ("mysql", "mariadb")
MSSQL = ("mssql",)
EVERY = (*POSTGRESQL, *SQLITE, *MYSQL, *MSSQL)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is wrong, how bad that is, where it applies, and what to do instead.

    ``flagged`` and ``safe`` are examples: the page of the rule shows them, and a test runs them.
    """

    name: str
    title: str
    severity: Severity
    fix: str
    flagged: tuple[str, ...]
    safe: tuple[str, ...]
    databases: tuple[str, ...] = POSTGRESQL
    since: tuple[int, ...] = ()
    before: tuple[int, ...] | None = None
    example_version: str | None = None
    """The version that the examples are checked for, where it is not the newest."""
    of_database: bool = False
    """Whether a database has to tell, so that a comment that allows it may stand where nothing is found."""
    in_transaction: bool = False
    """Whether the examples are run in one transaction."""

    def applies_to(self, server: Server) -> bool:
        if server.kind not in self.databases:
            return False
        return server.version >= self.since and (self.before is None or server.version < self.before)

    def finding(
        self, statement: Statement, thing: Any, message: str, *, severity: Severity | None = None, fix: str = ""
    ) -> Finding:
        return Finding(
            rule=self.name,
            severity=severity or self.severity,
            message=message,
            fix=fix or self.fix,
            file=statement.file,
            line=statement.line,
            statement=statement.text,
            object=str(thing),
            migration=statement.migration,
        )


def on_existing(statement: Statement, history: History, kind: type[T]) -> Iterator[T]:
    """The actions of this kind on tables that were there before: a new one has no rows and no users."""
    for action in statement.actions:
        if isinstance(action, kind) and not history.is_new(action.table):
            yield action
