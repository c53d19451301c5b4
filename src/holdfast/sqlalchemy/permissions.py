"""Permissions in SQLAlchemy: what the models declare is asked of every statement before it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import (
    ClauseElement,
    Connection,
    Delete,
    Engine,
    Insert,
    Null,
    SelectBase,
    Table,
    Update,
    event,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import iterate

import holdfast.permissions
from holdfast.permissions.denying import deny, write_denials
from holdfast.permissions.holding import Acting, Held, held_by, present_actor
from holdfast.permissions.requiring import require
from holdfast.policies import Permit, SoftDelete
from holdfast.sqlalchemy.installing import sync_engine
from holdfast.sqlalchemy.tables import policy_of

_Needed = tuple[str, Table]


def bind_permissions(engine: Engine | AsyncEngine) -> None:
    """Each transaction holds what its actor's roles grant; and no statement is sent that it may not send.

    Actor, tenant and scopes are those of ``holdfast.context(actor=…, tenant=…, scopes=[…])`` when the transaction
    begins; without an actor it holds nothing. What ``Permit`` declares is asked of whatever the ORM and Core build (a
    flush, bulk, statements on a session or a connection); SQL as text is left to the database. Call it once, after
    ``bind``.
    """
    target = sync_engine(engine)
    holdfast.permissions.bind_permissions(target)
    # Before a DELETE of marked rows becomes an UPDATE. Where it listens already this changes nothing.
    event.listen(target, "before_execute", check_statement, insert=True)


async def async_require(permission: str, source: AsyncSession | AsyncConnection) -> None:
    """``require`` for asyncio, where the transaction of a session or a connection is to be asked."""
    await source.run_sync(lambda inner: require(permission, inner))


@asynccontextmanager
async def async_acting(engine: AsyncEngine) -> AsyncIterator[Held]:
    """``acting`` for asyncio: within the block ``require`` and ``requires`` know what the actor may do."""
    async with engine.connect() as connection:
        block = Acting(await connection.run_sync(held_by))
    token = present_actor.set(block)
    try:
        yield block.held
    finally:
        present_actor.reset(token)
        if block.denied:
            async with engine.begin() as connection:
                await connection.run_sync(write_denials, block.denied)


def check_statement(
    connection: Connection, element: ClauseElement, multiparams: Any, params: Any, _options: Mapping[str, Any]
) -> None:
    """A listener for ``before_execute``: HF485 where the transaction does not hold what the statement needs."""
    needed = list(_needed(element, [params] if params else multiparams or ()))
    if needed:
        held = held_by(connection)
        for permission, table in needed:
            if not held.may(permission):
                deny(permission, connection, table=table.fullname)


def _needed(element: ClauseElement, parameters: Any) -> Iterator[_Needed]:
    if isinstance(element, UpdateBase):
        yield from _of_write(element, parameters)
    elif not isinstance(element, SelectBase):
        return
    read: dict[Table, str] = {}
    for each in iterate(element):
        if isinstance(each, UpdateBase) and each is not element:
            # A write within a CTE.
            yield from _of_write(each, ())
        # Whoever changes rows by a condition, or has them returned, reads them.
        elif isinstance(each, Table) and not (isinstance(element, Insert) and each is element.table):
            policy = policy_of(each, Permit)
            if policy is not None and policy.select is not None:
                read[each] = policy.select
    yield from ((permission, table) for table, permission in read.items())


def _of_write(element: UpdateBase, parameters: Any) -> Iterator[_Needed]:
    table: Any = element.table
    policy = policy_of(table, Permit)
    if policy is None:
        return
    match element:
        case Insert():
            needed = [policy.insert]
            if getattr(element._post_values_clause, "update_values_to_set", None):
                needed.append(policy.update)
        case Update():
            needed = [policy.delete or policy.update if _marks(element, table, parameters) else policy.update]
        case Delete():
            # A mark is an UPDATE to the database, and so it needs the same there.
            needed = [policy.delete or (policy.update if policy_of(table, SoftDelete) is not None else None)]
        case _:
            needed = []
    yield from ((permission, table) for permission in needed if permission is not None)


def _marks(element: Update, table: Table, parameters: Any) -> bool:
    """Whether the statement leaves its rows marked as deleted."""
    soft_delete = policy_of(table, SoftDelete)
    if soft_delete is None:
        return False
    mark = table.c[soft_delete.column]
    # SQLAlchemy 2.0 keeps values that are given in an order by themselves.
    assigned: dict[Any, Any] = {**dict(getattr(element, "_ordered_values", None) or ()), **(element._values or {})}
    for column, value in assigned.items():
        if getattr(column, "key", column) == mark.key:
            # Of a parameter without a value the value comes with the execution.
            nothing = isinstance(value, Null) or (isinstance(value, BindParameter) and value.effective_value is None)
            if not nothing:
                return True
    return any(each.get(mark.key) is not None for each in parameters)
