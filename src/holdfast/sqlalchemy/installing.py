"""Protection for applications without migrations: what the models declare, installed, and compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast.database import Database, execute, explained
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.inventory import Inventory
from holdfast.plan import Plan, plan_protect
from holdfast.sqlalchemy.declaring import declared
from holdfast.status import ObjectState
from holdfast.status import status as compare


def install(
    bind: Engine | AsyncEngine | Connection,
    metadata: Any,
    *,
    add_columns: bool = False,
    roles_apart: bool | None = None,
    deadline: float = 60.0,
) -> Plan:
    """Makes the database hold what the models declare, and gives the plan that did; an empty one where all was so.

    With an engine each table is protected in a transaction of its own, without a queue behind it, and a second
    run finishes what was interrupted; with a connection all of it is part of the transaction in hand (asynchronous:
    ``await connection.run_sync(install, Base)``). ``metadata`` is the declarative base, its registry or its
    MetaData, and its tables must be there. The journal gets a role of its own where there are roles and the role in
    use may make one; ``roles_apart=False`` leaves it to the role in use. Raises what ``holdfast protect`` does:
    HF1xx for a declaration that cannot hold, HF304 where another run is under way, HF407 where a table stayed locked
    for ``deadline`` seconds.
    """
    with _reading(bind) as (dialect, inventory):
        wanted = {table.name: policies for table, policies in declared(metadata, inventory)}
    if isinstance(bind, Connection):
        # It may be of any driver.
        dialect = dialect.one_at_a_time()
    plan = plan_protect(dialect, inventory, wanted, add_columns=add_columns, roles_apart=roles_apart)
    if isinstance(bind, Connection):
        with explained(dialect):
            for statement in (*dialect.lock_settings(int(deadline * 1000)), *_statements(plan)):
                execute(bind, statement)
    elif _in_memory(bind):
        with sync_engine(bind).begin() as connection:
            return install(connection, metadata, add_columns=add_columns, roles_apart=roles_apart)
    else:
        apply(Database(bind.url), plan, deadline=deadline)
    return plan


def status(bind: Engine | AsyncEngine | Connection, metadata: Any) -> list[ObjectState]:
    """How each object that the models declare stands in the database; all ``current`` means: as declared.

    For a test: ``assert all(each.state == "current" for each in status(engine, Base))``.
    """
    with _reading(bind) as (dialect, inventory):
        return compare(dialect, inventory, {table.name: each for table, each in declared(metadata, inventory)})


def sync_engine(bind: Engine | AsyncEngine) -> Engine:
    return bind.sync_engine if isinstance(bind, AsyncEngine) else bind


def _statements(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        yield from step.statements


@contextmanager
def _reading(bind: Engine | AsyncEngine | Connection) -> Iterator[tuple[Dialect, Inventory]]:
    if isinstance(bind, Connection):
        yield inspect(bind, dialect_for(bind.dialect.name))
    elif _in_memory(bind):
        with sync_engine(bind).connect() as connection:
            yield inspect(connection, dialect_for(connection.dialect.name))
    else:
        # The same database through connections of our own: none of the pool's, and with the driver that we know.
        database = Database(bind.url)
        with database.snapshot() as connection:
            yield inspect(connection, database.dialect)


def _in_memory(bind: Engine | AsyncEngine) -> bool:
    """Whether the database is there through this engine alone."""
    return bind.url.get_backend_name() == "sqlite" and bind.url.database in (None, "", ":memory:")
