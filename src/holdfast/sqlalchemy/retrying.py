"""A transaction that met another one is run again, as a whole, and only where that is known to be right."""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from collections.abc import Awaitable, Callable, Iterator
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
    """Runs ``work(session)`` in a transaction of its own and gives its result once that is committed.

    On a ``RetryableError`` (a serialization failure, a deadlock, a lock timeout, a busy SQLite file, a connection lost
    before the commit) the whole transaction is run again with a fresh session, up to ``attempts`` times, after a random
    pause of at most ``pause``, 2 ``pause``, 4 ``pause`` … seconds, never more than ``longest``. The last error is
    raised, with a note. Nothing else is repeated: no broken constraint, no ``StaleVersionError``, no connection lost
    during the commit, no work that ended the transaction itself.

    ``work`` may run several times, so it does nothing that a rollback does not take back: no mail, no request, no
    change to objects from outside. It reads all that it decides on from its session, and gives values, not rows that
    are still to be loaded; a generator, which would run after the commit, is refused. The context stays.

    Without ``work`` it decorates: the function takes the session first, its caller leaves it out.

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
    pauses = _Pauses(attempts, pause, longest)

    def run(work: Callable[[Any], T]) -> T:
        while True:
            attempt = _Attempt()
            try:
                with session_scope(maker) as session, attempt.watching(session):
                    return _finished(work(session))
            except RetryableError as error:
                time.sleep(pauses.next(attempt, error))

    def decorate(work: Callable[..., T]) -> Callable[..., T]:
        _refuse_generator(work)

        @wraps(work)
        def repeated(*args: Any, **kwargs: Any) -> T:
            return retry(
                maker,
                lambda session: work(session, *args, **kwargs),
                attempts=attempts,
                pause=pause,
                longest=longest,
            )

        return repeated

    return decorate if work is None else run(work)


@overload
async def async_retry(
    maker: Callable[[], A],
    work: Callable[[A], Awaitable[T]],
    *,
    attempts: int = 5,
    pause: float = 0.05,
    longest: float = 1.0,
) -> T: ...
