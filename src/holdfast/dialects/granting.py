"""What a dialect answers about roles: how each is made for its duty, and what it may do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from holdfast.dialects.query import Query
from holdfast.roles import Duty, Roles
from holdfast.tables import TableName


class Granting(ABC):
    """Every statement may run again, and then changes nothing."""

    longest_name: int
    """Bytes. A longer name of a role would be cut."""

    @abstractmethod
    def make(self, role: str, duty: Duty) -> str:
        """Makes the role where it is missing, without a password, and marks it as ours."""

    @abstractmethod
    def assign(self, roles: Roles) -> tuple[str, ...]:
        """Writes down which role has which duty; who had one before has it no longer."""

    @abstractmethod
    def memberships(self, roles: Roles) -> tuple[str, ...]:
        """Who may act for whom."""

    @abstractmethod
    def on_schema(self, schema: str, roles: Roles) -> tuple[str, ...]: ...

    @abstractmethod
    def on_table(self, table: TableName, roles: Roles, views: Iterable[str] = ()) -> tuple[str, ...]:
        """Rights on the table's rows, its sequences, and the views of its living rows; on nothing else of it."""

    @abstractmethod
    def on_journal(self, roles: Roles) -> tuple[str, ...]:
        """What the auditor reads."""

    @abstractmethod
    def close_large_objects(self) -> str:
        """Large objects have no tenants: takes their functions from everybody, where whoever runs this may."""

    @abstractmethod
    def open_large_objects(self) -> str:
        """Gives back what ``close_large_objects`` took."""

    @abstractmethod
    def large_objects(self) -> Query:
        """What is still to be taken from everybody, as statements, each with the role that may run it."""

    @abstractmethod
    def own(self, table: TableName, owner: str) -> str:
        """The table, with its sequences, belongs to the role."""

    @abstractmethod
    def join(self, role: str) -> str:
        """Whoever runs this is a member of the role, as one must be to hand anything over to it."""

    @abstractmethod
    def drop(self, role: str) -> tuple[str, ...]:
        """The role is gone, with its rights in this database; what it owned belongs to whoever runs this."""

    @abstractmethod
    def present(self) -> Query:
        """name and duty of every role that is there; duty is empty where it was not we who made it."""
