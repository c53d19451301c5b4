"""What a dialect answers about tenants that each have a schema, or a database, of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from holdfast.dialects.query import Query


class Tenancy(ABC):
    """Makes, finds and drops schemas and databases, and points a transaction to a schema.

    Every name comes as it is and is quoted, or handed over as a parameter, here.
    """

    @abstractmethod
    def use_schemas(self, schemas: Sequence[str], *, for_transaction: bool) -> Query:
        """Unqualified names are looked up in these schemas and nowhere else, until the transaction in hand ends, or
        the connection does. One row, one boolean: whether the first of them is there."""

    @abstractmethod
    def create_schema(self, name: str) -> str: ...

    @abstractmethod
    def drop_schema(self, name: str) -> str:
        """With all that is in it."""

    @abstractmethod
    def schemas(self, prefix: str) -> Query:
        """The names of all schemas that begin so, in their order."""

    @abstractmethod
    def grant_schema(self, name: str, role: str) -> tuple[str, ...]:
        """The role may read and write the rows of its tables, of those that this role makes there later as well."""

    @abstractmethod
    def create_database(self, name: str, template: str) -> str:
        """To be run outside of a transaction, as are the two that follow."""

    @abstractmethod
    def rename_database(self, name: str, to: str) -> str: ...

    @abstractmethod
    def drop_database(self, name: str, *, force: bool) -> str:
        """``force`` ends the connections to it; else it is refused while there are any."""

    @abstractmethod
    def databases(self, prefix: str) -> Query:
        """The names of all databases that begin so, in their order."""

    @abstractmethod
    def try_lock(self, name: str) -> Query:
        """One row, one boolean: whether this connection has the lock of that name now; released at its end."""
