"""What a dialect answers about contexts that count only with a signature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from holdfast.dialects.query import Query

if TYPE_CHECKING:
    from holdfast.dialects.base import Dialect


class Signing(ABC):
    """Keeps the keys, and checks with them what the application says of itself."""

    @abstractmethod
    def home(self) -> str:
        """One row: two names that this database has and no copy of it, and the seconds of its clock."""

    @abstractmethod
    def bind(self, signed: str, context: Mapping[str, Any]) -> Query:
        """The transaction in hand carries the context, and what proves it."""

    @abstractmethod
    def turned(self, on: bool) -> Dialect:
        """The dialect for this database once it has keys, and asks for signatures or does not."""

    @abstractmethod
    def forget(self) -> tuple[str, ...]:
        """Takes the checks away, when nothing uses them any more."""

    @abstractmethod
    def keys(self) -> Query:
        """id, created, retired (NULL of one in use) of every key, the oldest first. Never the key itself."""

    @abstractmethod
    def lock_keys(self) -> str:
        """Until the transaction in hand ends nobody else adds or retires a key."""

    @abstractmethod
    def copy_key(self) -> str:
        """A COPY that takes id, inner block and outer block: of what is copied nothing is logged."""

    @abstractmethod
    def retire(self, key: str) -> Query: ...

    @abstractmethod
    def readers(self) -> str:
        """The names of the roles of the application that can read the keys, whatever was revoked from them."""
