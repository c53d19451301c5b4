"""A transaction that met another one is run again, as a whole, and only where that is known to be right."""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from holdfast.errors import RetryableError
from holdfast.sqlalchemy.scopes import async_session_scope, session_scope

S = TypeVar("S", bound=Session)
A = TypeVar("A", bound=AsyncSession)
P = ParamSpec("P")
T = TypeVar("T")


@overload
def retry(
    maker: Callable[[], S], work: Callable[[S], T], *, attempts: int = 5, pause: float = 0.05, longest: float = 1.0
) -> T: ...


@overload
def retry(
    maker: Callable[[], S], *, attempts: int = 5, pause: float = 0.05, longest: float = 1.0
) -> Callable[[Callable[Concatenate[S, P], T]], Callable[P, T]]: ...


def retry(
    maker: Callable[[], Any],
    work: Callable[[Any], Any] | None = None,
    *,
    attempts: int = 5,
    pause: float = 0.05,
    longest: float = 1.0,
) -> Any:
    """Runs ``work(session)`` in a ``session_scope`` and gives its result once that is committed.

    On a ``RetryableError`` (a serialization failure, a deadlock, a lock timeout, a busy SQLite file, a connection lost
    before the commit) the whole transaction is run again with a fresh session, ``attempts`` times at most, after a
    random pause of up to ``pause``, 2 ``pause``, 4 ``pause`` … seconds, never more than ``longest``; then the last one
    is raised, with a note. Nothing else is repeated: no broken constraint, no ``StaleVersionError``, no connection lost
    during the commit, no work that ended the transaction by itself.

    ``work`` may run several times, so it does nothing that a rollback does not take back: no mail, no request, no
    change to objects from outside. It reads all that it decides on with its session, and gives values, not rows that
    have yet to be loaded; a generator, which would run after the commit, is refused (``TypeError``). The context stays.

    Without ``work`` it decorates: the function takes the session first, and its caller leaves that out.

    >>> from sqlalchemy import create_engine, orm, text
    >>> sessions = orm.sessionmaker(create_engine("sqlite://"))
    >>> retry(sessions, lambda session: session.scalar(text("select 1")))
    1
    >>> @retry(sessions, attempts=3)
    ... def doubled(session: orm.Session, number: int) -> int:
    ...     return session.scalar(text("select 2 * :number"), {"number": number})
    >>> doubled(21)
    42
    """

    def run(work: Callable[[Any], T]) -> T:
        trying = _Attempts(attempts, pause, longest)
        while True:
            try:
                with session_scope(maker) as session, trying.one(session):
                    return _finished(work(session))
            except RetryableError as error:
                if not trying.is_next_allowed(error):
                    raise
            time.sleep(trying.pause())

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        @wraps(function)
        def repeated(*args: Any, **kwargs: Any) -> T:
            return run(lambda session: function(session, *args, **kwargs))

        return repeated

    return decorate if work is None else run(work)


@overload
def async_retry(
    maker: Callable[[], A],
    work: Callable[[A], Awaitable[T]],
    *,
    attempts: int = 5,
    pause: float = 0.05,
    longest: float = 1.0,
) -> Coroutine[Any, Any, T]: ...


@overload
def async_retry(
    maker: Callable[[], A], *, attempts: int = 5, pause: float = 0.05, longest: float = 1.0
) -> Callable[[Callable[Concatenate[A, P], Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]: ...


def async_retry(
    maker: Callable[[], Any],
    work: Callable[[Any], Awaitable[Any]] | None = None,
    *,
    attempts: int = 5,
    pause: float = 0.05,
    longest: float = 1.0,
) -> Any:
    """``retry`` for an ``async_sessionmaker`` and an ``async`` function; a task that is cancelled is not repeated."""

    async def run(work: Callable[[Any], Awaitable[T]]) -> T:
        trying = _Attempts(attempts, pause, longest)
        while True:
            try:
                async with async_session_scope(maker) as session:
                    with trying.one(session.sync_session):
                        return _finished(await work(session))
            except RetryableError as error:
                if not trying.is_next_allowed(error):
                    raise
            await asyncio.sleep(trying.pause())

    def decorate(function: Callable[..., Awaitable[T]]) -> Callable[..., Coroutine[Any, Any, T]]:
        @wraps(function)
        async def repeated(*args: Any, **kwargs: Any) -> T:
            return await run(lambda session: function(session, *args, **kwargs))

        return repeated

    return decorate if work is None else run(work)


class _Attempts:
    """How often, how long to wait, and whether the present attempt may be repeated at all."""

    def __init__(self, limit: int, pause: float, longest: float) -> None:
        if limit < 1:
            raise ValueError(f"attempts={limit}: there has to be one at least.")
        self._limit = limit
        self._pause = pause
        self._longest = longest
        self._made = 0
        self._ended = False

    @contextmanager
    def one(self, session: Session) -> Iterator[None]:
        """An attempt. Work that committed or rolled back by itself, and failed after that, is done in part."""
        self._made += 1
        begun = session.get_transaction()
        try:
            yield
        except BaseException:
            self._ended = session.get_transaction() is not begun
            raise

    def is_next_allowed(self, error: RetryableError) -> bool:
        if self._ended:
            error.add_note("It was not repeated: the work had ended its transaction by itself.")
        elif self._made >= self._limit:
            error.add_note(f"Given up after {self._made} attempts." if self._made > 1 else "Given up after 1 attempt.")
        else:
            return True
        return False

    def pause(self) -> float:
        """Random over the whole range, so that those who met do not meet again."""
        return random.uniform(0, min(self._longest, self._pause * 2 ** (self._made - 1)))


def _finished(result: T) -> T:
    """Refuses what has not been run yet: it would run after the commit, and never be repeated."""
    if inspect.isgenerator(result) or inspect.isasyncgen(result) or inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(
            f"The work gave a {type(result).__name__}, which would run after the commit: give values, "
            "and use async_retry for an async function."
        )
    return result
