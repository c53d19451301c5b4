"""The way back to an old version."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar, overload

from sqlalchemy import Connection, inspect
from sqlalchemy.orm import InstanceState, Mapper, Session

from holdfast.context import current
from holdfast.history import check_writable, lock_row, version_at, write_back
from holdfast.sqlalchemy.history.row_version import gone
from holdfast.sqlalchemy.history.versions import RowHistory
from holdfast.sqlalchemy.locking import Write, conflict, is_versioned, version_column
from holdfast.sqlalchemy.restoring import bound_beside, identity_of
from holdfast.sqlalchemy.soft_delete import include_deleted

_T = TypeVar("_T")


@overload
def revert(
    session: Session,
    entity: type[_T],
    key: Any,
    *,
    version: int | None = None,
    at: datetime | None = None,
    reason: str | None = None,
) -> _T: ...
@overload
def revert(
    session: Session, entity: _T, *, version: int | None = None, at: datetime | None = None, reason: str | None = None
) -> _T: ...
def revert(
    session: Session,
    entity: Any,
    key: Any = None,
    *,
    version: int | None = None,
    at: datetime | None = None,
    reason: str | None = None,
) -> Any:
    """Gives a row the values of an old version, or of the one that counted at a time; gives the refreshed instance.

    It is written within the session's transaction, as a new version; nothing is committed. A row that was deleted for
    good comes back, and a mark is taken away; rows that belong to it do not follow. What the database keeps (times,
    version) moves on, and columns that the journal does not keep stay. The session is flushed before. The context's
    actor counts, and ``reason`` where this is the transaction's first change. Asynchronous:
    ``await session.run_sync(lambda session: revert(session, Order, 7, version=3))``.

    An instance that somebody else has changed since it was read raises ``StaleVersionError`` (HF202). HF436 where
    there is no such version, HF437 where it is the row's delete, HF435 where it is from before a time in
    which the table was not recorded, and what the database refuses.
    """
    if (version is None) == (at is None):
        raise TypeError("revert() needs either version= or at=")
    session.flush()
    mapper, identity = identity_of(entity, key)
    history = RowHistory.of(session, mapper, identity)
    wanted = version_at([each.row for each in history.known], number=version, at=at)
    states = next(each.states for each in history.known if each.row is wanted)
    if wanted.values is None or wanted.operation == "delete":
        raise gone(mapper, identity, wanted.number)
    for part, state in zip(history.parts, states, strict=True):
        if state is not None:
            check_writable(part.stored, part.known, state)
    for part in history.parts:
        lock_row(history.connection, history.dialect, part.protection, part.key)
    if isinstance(inspect(entity), InstanceState):
        _refuse_stale(history.connection, mapper, identity, entity)
    said = reason or current().get("reason") or f"revert to version {wanted.number}"
    # Refused, it leaves nothing behind, the context included.
    with session.begin_nested(), bound_beside(session, {"reason": said, "reverts": wanted.number}, mapper):
        for part, state in zip(history.parts, states, strict=True):
            if state is not None:
                write_back(history.connection, history.dialect, part.protection, state)
    instance = session.get(mapper.class_, identity, options=[include_deleted()], populate_existing=True)
    assert instance is not None
    session.expire(instance, [each.key for each in inspect(instance).mapper.relationships if not each.viewonly])
    return instance


def _refuse_stale(connection: Connection, mapper: Mapper[Any], identity: tuple[Any, ...], instance: Any) -> None:
    if not is_versioned(mapper):
        return
    read = inspect(instance).dict.get(mapper.get_property_by_column(version_column(mapper)).key)
    stale = conflict(connection, Write(mapper, identity, read, {})) if read is not None else None
    if stale is not None:
        raise stale
