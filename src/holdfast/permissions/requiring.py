"""Asking in Python, before anything is sent: the answer is no unless a role says yes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine

from holdfast.permissions.denying import denial, deny, write_denials
from holdfast.permissions.holding import Acting, Held, held_by, present_actor
from holdfast.rights import Permission

F = TypeVar("F", bound=Callable[..., Any])


class HasConnection(Protocol):
    """A session."""

    def connection(self) -> Connection: ...


def require(permission: str, source: Connection | HasConnection | None = None) -> None:
    """Goes on only if the permission is held; else HF485, and that is recorded.

    ``source`` is the connection or the session in use: its transaction knows what it holds, and begins if there is
    none. Without it the block of ``acting`` in hand is asked, which needs no database; outside of one nobody holds
    anything.

    >>> from holdfast.errors import PermissionDeniedError
    >>> try:
    ...     require("order:delete")
    ... except PermissionDeniedError as error:
    ...     print(error.permission)
    order:delete
    """
    permission = Permission(permission)
    if source is not None:
        connection = source if isinstance(source, Connection) else source.connection()
        if not held_by(connection).may(permission):
            deny(permission, connection)
        return
    acting = present_actor.get()
    if acting is None:
        deny(permission)
    if not acting.held.may(permission):
        if acting.connection is None:
            acting.denied.append(denial(permission))
        deny(permission, acting.connection)


class requires:
    """``require`` around a block or a function, synchronous or not: ``@requires("order:delete")``.

    The block of ``acting`` in hand is asked each time that the function is called.

    >>> @requires("order:delete")
    ... def delete_order(number):
    ...     print("deleted", number)
    >>> delete_order(7)
    Traceback (most recent call last):
    holdfast.errors.PermissionDeniedError: HF485: This needs the permission order:delete, which is not held. Grant a \
role that has it: holdfast permissions grant; see why not: holdfast permissions explain.
    """

    def __init__(self, permission: str) -> None:
        self.permission = Permission(permission)

    def __enter__(self) -> None:
        require(self.permission)

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, function: F) -> F:
        permission = self.permission
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def asynchronous(*args: Any, **kwargs: Any) -> Any:
                require(permission)
                return await function(*args, **kwargs)

            return asynchronous  # type: ignore[return-value]

        @wraps(function)
        def synchronous(*args: Any, **kwargs: Any) -> Any:
            require(permission)
            return function(*args, **kwargs)

        return synchronous  # type: ignore[return-value]


@contextmanager
def acting(engine: Engine) -> Iterator[Held]:
    """Within the block ``require`` and ``requires`` know what the actor of the context may do in its tenant.

    It is looked up now, and again by each transaction of the engine that begins within the block. What was denied
    outside of any transaction is recorded when the block ends.
    """
    with engine.connect() as connection:
        block = Acting(held_by(connection))
    token = present_actor.set(block)
    try:
        yield block.held
    finally:
        present_actor.reset(token)
        if block.denied:
            with engine.begin() as connection:
                write_denials(connection, block.denied)
