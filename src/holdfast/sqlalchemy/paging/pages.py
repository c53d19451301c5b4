"""What is handed out: a page of a list, with what leads on from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from holdfast.errors import RequestError

T = TypeVar("T")
Total = Literal["exact", "capped", "estimated"]

MAX_SIZE = 1_000
_LAST = 2**63 - 1
"""No database counts rows further."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows between two places of a list, in the order of the list, and the cursors that lead on.

    >>> page = Page(["a", "b"], next="kGx2…", previous=None)
    >>> page.has_next, page.has_previous, list(page)
    (True, False, ['a', 'b'])
    """

    items: Sequence[T]
    next: str | None = None
    """The cursor of the page after this one; None where no row follows."""
    previous: str | None = None
    """The cursor of the page before this one; None on the first page."""

    @property
    def has_next(self) -> bool:
        return self.next is not None

    @property
    def has_previous(self) -> bool:
        return self.previous is not None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class OffsetPage(Generic[T]):
    """Page ``number`` of a list, counted from 1, in pages of ``size``.

    >>> page = OffsetPage(["e"], number=3, size=2, has_next=False, total=5, total_is="exact")
    >>> page.has_previous, page.pages
    (True, 3)
    """

    items: Sequence[T]
    number: int
    size: int
    has_next: bool
    total: int | None = None
    """The rows of the whole list; None where they were not asked for."""
    total_is: Literal["exact", "at least", "estimated"] | None = None
    """How to take ``total``. ``"at least"``: the count stopped at the cap."""

    @property
    def has_previous(self) -> bool:
        return self.number > 1

    @property
    def pages(self) -> int | None:
        """How many pages there are; None unless the total is exact."""
        return -(-self.total // self.size) if self.total is not None and self.total_is == "exact" else None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def check_size(size: int, max_size: int) -> None:
    if not _is_number(size) or not 1 <= size <= max_size:
        raise RequestError(
            "HF620", f"A page can have 1 to {max_size:,} rows, not {size!r}.", "Ask for a size within that."
        )


def check_number(number: int, size: int) -> None:
    if not _is_number(number) or number < 1:
        raise RequestError("HF620", f"Pages are numbered from 1; there is no page {number!r}.", "Begin with number=1.")
    if number * size >= _LAST:
        raise RequestError(
            "HF620", f"No list has a page {number:.3g}.", "Follow has_next; a page behind the last one is empty."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
