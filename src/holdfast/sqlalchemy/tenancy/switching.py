"""A transaction, and a session, belong to one tenant: to go on for another one raises."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import SessionTransaction

import holdfast.sqlalchemy.session
from holdfast.context import current
from holdfast.database import OWN
from holdfast.errors import TenantError
from holdfast.sqlalchemy.tenants import TENANT, keep_to, switched

_kept: WeakSet[Any] = WeakSet()


def bind_tenant(connection: Connection, tenant: str) -> None:
    """From here to its end the transaction belongs to the tenant."""
    connection.info[TENANT] = tenant


def refuse_switching(engine: Engine) -> None:
    """HF203 for a statement in the context of a tenant other than its transaction's."""
    event.listen(engine, "before_cursor_execute", _check_statement)
    event.listen(engine, "commit", _release)
    event.listen(engine, "rollback", _release)
    event.listen(engine, "checkin", _checked_in)


def refuse_unbound_statements(engine: Engine) -> None:
    """HF491 for an application's statement outside of every tenant, however it came to be there."""
    event.listen(engine, "before_cursor_execute", _check_bound)


def _release(connection: Connection) -> None:
    # Of one that was lost nothing is left to release, and to ask for its notes would refuse to roll back.
    if not connection.invalidated:
        connection.info.pop(TENANT, None)


def _checked_in(_connection: object, record: Any) -> None:
    record.info.pop(TENANT, None)


def keep_to_one_tenant(target: Any) -> None:
    """A session of the target (a ``sessionmaker``, or a subclass of ``Session``) raises HF203 for a second tenant.

    What it has loaded is the first one's. Sessions of ``holdfast.sqlalchemy.Session`` are kept so anyway.
    """
    # Not event.contains(), which goes by the address of a target: one that is gone may have had the same.
    if target not in _kept:
        event.listen(target, "after_begin", _check_session)
        _kept.add(target)


def _check_statement(
    connection: Connection, _cursor: object, _statement: str, _parameters: object, _context: object, _many: bool
) -> None:
    bound, present = connection.info.get(TENANT), current().get("tenant")
    if bound is not None and present is not None and bound != present:
        raise switched("transaction", bound, present)


def _check_bound(
    connection: Connection, _cursor: object, _statement: str, _parameters: object, context: Any, _many: bool
) -> None:
    if TENANT not in connection.info and not (context and context.execution_options.get(OWN)):
        raise TenantError(
            "HF491",
            "The transaction could not be bound to its tenant, and so it sends nothing.",
            "Close the connection; the error that was raised when the transaction began says why.",
        )


def _check_session(session: Any, _transaction: SessionTransaction, connection: Connection) -> None:
    bound = connection.info.get(TENANT)
    if bound is not None:
        keep_to(session, bound)


keep_to_one_tenant(holdfast.sqlalchemy.session.Session)
