"""What every dialect answers to those who know that a statement is a delete, and mark the rows themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod

from holdfast.dialects.query import Query


class Marking(ABC):
    """The mark of a deleted row, for one statement or for several that are one delete."""

    @abstractmethod
    def present(self) -> str:
        """An expression: the mark of a row that the present statement deletes."""

    @abstractmethod
    def begin_shared(self) -> tuple[Query, ...]:
        """From now on, until ``end_shared``, several statements are one delete: their rows carry one mark."""

    @abstractmethod
    def shared(self) -> str:
        """An expression: the mark that the statements of one delete share."""

    def end_shared(self) -> tuple[Query, ...]:
        """Nothing where a mark that nobody asks for is of no effect."""
        return ()
