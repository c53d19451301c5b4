"""What a transaction holds: looked up once, when it begins, and carried into the database."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from holdfast.context import READ_ONLY, current, is_bound
from holdfast.database import at_begin, execute
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.errors import PermissionDeniedError, UnsupportedError
from holdfast.permissions.denying import note_denial, write_denials_after, write_denials_within
from holdfast.rights import may, narrowed

_HELD = "holdfast.permissions"
BINDS_PERMISSIONS = "holdfast_binds_permissions"
"""The execution option of an engine whose transactions carry what they hold."""


@dataclass(frozen=True, slots=True)
class Held:
    """What an actor may do in a tenant, at the moment when it was looked up.

    >>> Held("ada", "acme", frozenset({"order:*"})).may("order:delete")
    True
    """

    actor: str | None
    tenant: str | None
    patterns: frozenset[str]

    def may(self, permission: str) -> bool:
        return may(self.patterns, permission)


class Acting:
    """Who acts in the block in hand: what it held when it was last looked up, and what it was denied."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.denied: list[Mapping[str, Any]] = []
        self.transaction: weakref.ref[Connection] | None = None

    @property
    def connection(self) -> Connection | None:
        """That of the transaction in hand, if there is one."""
        connection = self.transaction() if self.transaction is not None else None
        if connection is None or connection.closed or connection.invalidated:
            return None
        return connection if connection.in_transaction() else None


present_actor: ContextVar[Acting | None] = ContextVar("holdfast_acting", default=None)


def bind_permissions(engine: Engine) -> None:
    """Each transaction of the engine holds what its actor's roles grant in its tenant, and no more than its scopes.

    Actor, tenant and scopes are those of ``holdfast.context(actor=…, tenant=…, scopes=[…])`` when it begins; without an
    actor it holds nothing. What is denied is recorded. Call it once for an engine, after ``bind``; it costs each
    transaction with an actor two round trips. For an asynchronous engine give its ``sync_engine``.
    """
    if engine.get_execution_options().get(BINDS_PERMISSIONS):
        return
    dialect = dialect_for(engine.dialect.name)
    engine.update_execution_options(**{BINDS_PERMISSIONS: True})

    def begun(connection: Connection) -> None:
        if not is_bound(connection):
            raise _unbound("bind")
        held = connection.info[_HELD] = _resolve(connection, dialect)
        acting = present_actor.get()
        if acting is not None and (acting.held.actor, acting.held.tenant) == (held.actor, held.tenant):
            acting.held = held
            acting.transaction = weakref.ref(connection)

    at_begin(engine, begun)

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> None:
        if context.connection is not None and context.original_exception is not None:
            error = dialect.error(context.original_exception)
            if isinstance(error, PermissionDeniedError):
                note_denial(context.connection, error.permission or error.message)

    # Before the context is taken out of a database where it is a row.
    event.listen(engine, "commit", write_denials_within, insert=True)
    event.listen(engine, "rollback", write_denials_after)


def held_by(connection: Connection) -> Held:
    """What the transaction in hand holds; it begins, if there is none. HF488 where its engine was not bound."""
    if not connection.get_execution_options().get(BINDS_PERMISSIONS):
        raise _unbound("bind_permissions")
    if not connection.in_transaction():
        connection.begin()
    held: Held = connection.info[_HELD]
    return held


def _resolve(connection: Connection, dialect: Dialect) -> Held:
    present = current()
    actor, tenant = present.get("actor"), present.get("tenant")
    if actor is None:
        return Held(None, tenant, frozenset())
    permitting = dialect.permitting
    try:
        rows = execute(connection, permitting.held(str(actor), "" if tenant is None else str(tenant)))
    except DBAPIError as error:
        if error.orig is None or not dialect.lacks_journal(error.orig):
            raise
        raise UnsupportedError(
            "HF303",
            "Permissions are asked for, and nothing is protected in this database, so nobody has any.",
            "Protect a table first: holdfast protect. Or check that it is the right database.",
        ) from error
    held = Held(str(actor), tenant, narrowed((row[0] for row in rows), _scopes(present.get("scopes"))))
    if not (dialect.unbind_context() and connection.get_execution_options().get(READ_ONLY)):
        for query in permitting.carry(held.patterns):
            execute(connection, query)
    return held


def _scopes(given: Iterable[str] | str | None) -> Iterable[str] | None:
    """As they stand in a token: a list, or one text with spaces in between."""
    return given.split() if isinstance(given, str) else given


def _unbound(what: str) -> UnsupportedError:
    return UnsupportedError(
        "HF488",
        "This engine's transactions do not say what they hold, so nothing could be allowed.",
        f"Say once, after create_engine: holdfast.sqlalchemy.{what}(engine).",
    )
