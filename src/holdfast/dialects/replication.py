"""What a dialect answers about replicas: how far a server has come in what the primary wrote."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Replication(ABC):
    """Positions in the log that a primary writes and its replicas replay. They only grow."""

    @abstractmethod
    def written(self) -> str:
        """On the primary: one row, one text, the position behind all that was committed when it was asked."""

    @abstractmethod
    def replayed(self, pause: float) -> str:
        """After ``pause`` seconds on the server, one row: whether it is a replica, and, as text, what it has replayed."""

    @abstractmethod
    def position(self, text: str) -> int:
        """A position as a number, to be compared; ValueError for what is none."""
