"""Who does it, for whom and why: a context around the work in hand, bound to each of its transactions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.errors import DeclarationError, TenantError, UnsupportedError
from holdfast.signing import SigningKey, signed, signing_of

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_BOUND = "holdfast.context"
"""Notes on a connection that its transaction carries a context, which must be taken away before the commit."""
READ_ONLY = "holdfast_read_only"
"""The execution option of a connection that is not going to write."""
_context: ContextVar[Mapping[str, Any]] = ContextVar("holdfast_context", default=_NOTHING)


@contextmanager
def context(
    *,
    actor: str | None = None,
    tenant: str | int | UUID | None = None,
    reason: str | None = None,
    allow: str | int | None = None,
    **more: Any,
) -> Iterator[Mapping[str, Any]]:
    """Every transaction that begins within the block is recorded as done by ``actor``, for ``reason``.

    Blocks nest: an inner one adds to the outer one and overrides it. ``allow`` announces what a guard would
    refuse: a number of rows, ``"mass"``, ``"truncate"`` or ``"hard_delete"``. The engine must be bound once
    with ``bind``. HF120 for a ``tenant`` that names nobody: an empty text, a list.

    >>> with context(actor="alice", request_id="r-1") as bound:
    ...     bound["actor"], bound["request_id"]
    ('alice', 'r-1')
    """
    given = {"actor": actor, "tenant": _named(tenant), "reason": reason, "allow": allow, **more}
    merged = {**_context.get(), **{name: value for name, value in given.items() if value is not None}}
    token = _context.set(merged)
    try:
        yield merged
    finally:
        _context.reset(token)


def _named(tenant: object) -> str | None:
    """Never by what is true or false: 0 is a tenant, and an empty text must not pass for none."""
    if tenant is None:
        return None
    if isinstance(tenant, bool) or not isinstance(tenant, str | int | UUID) or tenant == "":
        raise DeclarationError(
            "HF120",
            f"{tenant!r} names no tenant.",
            "Give the tenant's key: a text, a whole number or a UUID. What is for all tenants has no tenant.",
        )
    return str(tenant)


def current() -> Mapping[str, Any]:
    """The context of the work in hand; empty outside of every block.

    >>> dict(current())
    {}
    """
    return _context.get()


def tenant_key(*parts: object) -> str:
    """A key that no other tenant's can be, for what is kept outside of the tables: a cache, a file, a channel.

    Each part is spelled so that it cannot run into the next one, nor lead out of a folder. HF203 without a tenant.

    >>> with context(tenant="acme"):
    ...     tenant_key("invoices", 7), tenant_key("a/b", "..")
    ('acme/invoices/7', 'acme/a%2Fb/%2E%2E')
    """
    tenant = _context.get().get("tenant")
    if tenant is None:
        raise TenantError(
            "HF203",
            "A key for a tenant was asked for, and the work in hand is for none.",
            "Give one: context(tenant=…).",
        )
    return "/".join(quote(str(each), safe="").replace(".", "%2E") for each in (tenant, *parts))


def is_bound(connection: Connection) -> bool:
    """Whether the transaction in hand is of an engine that is bound."""
    return _BOUND in connection.info


def bind(engine: Engine, signing_key: SigningKey | None = None) -> None:
    """Every transaction of the engine carries the context that is current when it begins, at one round trip.

    Call it once for an engine; for an asynchronous one give its ``sync_engine``. A transaction with a context in a
    database where nothing is protected raises HF303, one with a tenant on a connection in AUTOCOMMIT HF413, and one in
    two phases too. With a
    ``signing_key`` each context is signed; HF476 where the database cannot check that.
    """
    dialect = dialect_for(engine.dialect.name)
    if signing_key is not None:
        signing_of(dialect)
    unbinding = dialect.unbind_context()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        present = _context.get()
        if unbinding and connection.get_execution_options().get(READ_ONLY):
            # Where the context is a row, to write it would lock the others out, and there is nothing to record.
            present = _NOTHING
        connection.info[_BOUND] = bool(present)
        if present:
            _bind(connection, dialect, present, signing_key)

    @event.listens_for(engine, "begin_twophase")
    def begun_in_two_phases(connection: Connection, _xid: object) -> None:
        connection.info[_BOUND] = False
        if _context.get():
            raise UnsupportedError(
                "HF413",
                "A transaction in two phases cannot carry a context: it has not begun yet when it should be told.",
                "Use an ordinary transaction; or leave the context, and call holdfast.set_context() in SQL.",
            )

    if unbinding:

        @event.listens_for(engine, "commit")
        def committing(connection: Connection) -> None:
            if connection.info.pop(_BOUND, False):
                for query in unbinding:
                    execute(connection, query)


def _bind(connection: Connection, dialect: Dialect, present: Mapping[str, Any], key: SigningKey | None) -> None:
    if (
        present.get("tenant") is not None
        and getattr(connection.connection.dbapi_connection, "autocommit", False) is True
    ):
        # No transaction is there to carry it: what follows would be nobody's, and find nothing.
        raise UnsupportedError(
            "HF413",
            "The connection is in AUTOCOMMIT, where a tenant is forgotten as soon as it is told.",
            "Give what works for a tenant an engine with another isolation level.",
        )
    try:
        if key is not None:
            execute(connection, signed(connection, dialect, key, present))
            return
        for query in dialect.bind_context(present):
            execute(connection, query)
    except DBAPIError as error:
        # Asked when it fails, for to ask each time would be a round trip for every transaction.
        if error.orig is None or not dialect.lacks_journal(error.orig):
            raise
        raise UnsupportedError(
            "HF303",
            "A context was given, and nothing is protected in this database, so there is nowhere to write it down.",
            "Protect a table first: holdfast protect. Or check that it is the right database.",
        ) from error
