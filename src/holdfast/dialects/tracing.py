"""What a dialect answers about a statement that has just run: locks, files, scans, constraints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping


class Tracing(ABC):
    """SQL to look at a scratch database before and after each statement, from the connection that runs it."""

    errors: Mapping[tuple[str, str], str]
    """The rule that an error stands for, by SQLSTATE and the server's function; an empty function means any."""
    absent: tuple[tuple[str, str], ...]
    """The same of what the server has, and not the database: roles, extensions."""
    syntax: str
    """The SQLSTATE of a statement that is no SQL."""
    outside_only: str
    """The SQLSTATE of a statement that refuses to run in a transaction."""
    data_errors: tuple[str, ...]
    """How the SQLSTATEs begin that are about rows."""

    @abstractmethod
    def settings(self, time_zone: str) -> tuple[str, ...]:
        """Statements for the session that traces."""

    @abstractmethod
    def tables(self) -> str:
        """id, schema, name, kind, file, empty of each table."""

    @abstractmethod
    def columns(self) -> str:
        """table, number, name, type with its modifier, not null, and what fills it: generated, serial, default, domain (its own default), or nothing."""

    @abstractmethod
    def indexes(self) -> str:
        """id, table, file, name, kind of its constraint, numbers of its columns; those that have no rows are left out."""

    @abstractmethod
    def constraints(self) -> str:
        """id, name, kind, table, table referred to, whether it is valid, numbers of its columns."""

    @abstractmethod
    def partitions(self) -> str:
        """partition, parent."""

    @abstractmethod
    def locks(self) -> str:
        """table, mode of what the session holds, for all modes that others wait for."""

    @abstractmethod
    def counters(self) -> str:
        """table, scans from end to end, rows changed since this transaction began or earlier; table 0 is the catalog."""

    @abstractmethod
    def fill(self) -> str:
        """table, statement that gives it a few rows, of each table without any."""

    @abstractmethod
    def empty(self) -> str:
        """table, statement that takes all its rows, of each table with some."""

    @abstractmethod
    def as_replica(self, *, on: bool) -> str:
        """Whether triggers and foreign keys keep still."""

    @abstractmethod
    def roles(self) -> str:
        """The names of a server's roles."""

    @abstractmethod
    def make_role(self, name: str) -> str:
        """A role of that name that can do nothing."""

    @abstractmethod
    def identity(self) -> str:
        """One text: the server's own identity."""
