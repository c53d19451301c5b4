"""Saying in a test who is at work."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

from holdfast.context import context

F = TypeVar("F", bound=Callable[..., Any])
_acting: ContextVar[object] = ContextVar("holdfast_acting", default=None)


def acting_as(
    actor: str | None,
    *,
    tenant: str | None = None,
    reason: str | None = None,
    allow: str | int | None = None,
    **more: Any,
) -> ActingAs:
    """What is done within the block is recorded as done by ``actor``: ``holdfast.context``, for tests.

    It differs in one point: in a rolled-back session it counts at once, from the next statement on, and so does its
    end; ``holdfast.context`` counts when the tested code begins a transaction, as it does outside of tests. It is
    a decorator too, of functions and of coroutine functions.

    >>> with acting_as("ada", reason="ticket 4711") as bound:
    ...     bound["actor"]
    'ada'
    """
    return ActingAs({"actor": actor, "tenant": tenant, "reason": reason, "allow": allow, **more})


class ActingAs(AbstractContextManager[Mapping[str, Any]]):
    """What ``acting_as`` gives: a block, or a decorator."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._context = context
        self._entered: list[AbstractContextManager[Mapping[str, Any]]] = []

    def __enter__(self) -> Mapping[str, Any]:
        block = _block(self._context)
        bound = block.__enter__()
        self._entered.append(block)
        return bound

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered.pop().__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"acting_as cannot decorate the generator {function.__name__}: open the block within it")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaiting(*args: Any, **kwargs: Any) -> Any:
                with _block(self._context):
                    return await function(*args, **kwargs)

            return awaiting  # type: ignore[return-value]

        @functools.wraps(function)
        def calling(*args: Any, **kwargs: Any) -> Any:
            with _block(self._context):
                return function(*args, **kwargs)

        return calling  # type: ignore[return-value]


def present() -> object:
    """What the innermost block of this context is known by; another one for each block that is opened."""
    return _acting.get()


@contextmanager
def _block(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    with context(**values) as bound:
        token = _acting.set(bound)
        try:
            yield bound
        finally:
            _acting.reset(token)
