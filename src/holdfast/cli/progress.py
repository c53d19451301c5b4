"""What is shown on a terminal while work is under way; nothing in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from holdfast.cli.printing import printable


@contextmanager
def busy(what: str) -> Iterator[None]:
    """That something is done, where nobody can tell how much of it."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(Text(printable(what))):
            yield
    else:
        yield


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """One bar, for what is called with how much is done, and of how much."""
    with bars() as advance:
        yield None if advance is None else lambda done, total: advance(what, done, total)


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar for each part, for what is called with its name, how much of it is done, and of how much."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        tasks = {}

        def advance(part: str, done: int, total: int) -> None:
            if part not in tasks:
                tasks[part] = progress.add_task(escape(printable(part)), total=total)
            progress.update(tasks[part], completed=done, total=total)

        yield advance
