"""How many statements a piece of code sends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from holdfast.database import OWN

Counted = (
    Engine
    | AsyncEngine
    | Connection
    | AsyncConnection
    | Session
    | AsyncSession
    | scoped_session[Any]
    | async_scoped_session[Any]
)
_TRANSACTION_CONTROL = {"begin", "savepoint", "release", "rollback", "commit"}


class Queries:
    """The statements that were sent so far, in their order, as the driver got them."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    @property
    def count(self) -> int:
        return len(self.statements)

    def __str__(self) -> str:
        return "\n".join(f"{number:4}. {' '.join(each.split())}" for number, each in enumerate(self.statements, 1))


@contextmanager
def count_queries(within: Counted, *, expect: int | None = None) -> Iterator[Queries]:
    """Counts the statements that are sent within the block; with ``expect``, any other number fails and lists them.

    Counted is what goes to the database through the engine, whoever sends it; for a session, through whatever it
    is bound to. A statement for many rows at once is one. Not counted are transaction control (BEGIN, SAVEPOINT, …),
    so that the number is the same within a rolled-back session, and what holdfast itself sends: the context, and
    reading the journal.
    """
    bind = _bind_of(within)
    queries = Queries()

    def executing(_c: Connection, _cursor: Any, statement: str, _parameters: Any, executed: Any, _many: bool) -> None:
        verb = statement.split(None, 1)[0].rstrip(";").lower() if statement.strip() else ""
        own = executed is not None and executed.execution_options.get(OWN)
        if verb not in _TRANSACTION_CONTROL and not own:
            queries.statements.append(statement)

    event.listen(bind, "before_cursor_execute", executing)
    try:
        yield queries
    finally:
        event.remove(bind, "before_cursor_execute", executing)
    if expect is not None and queries.count != expect:
        raise AssertionError(f"{queries.count} statements were sent, not {expect}:\n{queries}")


def _bind_of(within: Counted) -> Engine | Connection:
    if isinstance(within, AsyncEngine):
        return within.sync_engine
    if isinstance(within, AsyncConnection):
        assert within.sync_connection is not None
        return within.sync_connection
    return within if isinstance(within, (Engine, Connection)) else within.get_bind()
