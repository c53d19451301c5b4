"""A session under which rows that are marked are gone, and an engine that says who it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import sqlalchemy.ext.asyncio
import sqlalchemy.orm
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.orm.interfaces import ORMOption

from holdfast.context import bind as bind_context
from holdfast.database import prepare_engine
from holdfast.errors import UnsupportedError
from holdfast.sqlalchemy.deleting import flushing, mark_instead
from holdfast.sqlalchemy.installing import sync_engine
from holdfast.sqlalchemy.locking import stale_write, writes_of
from holdfast.sqlalchemy.soft_delete import filter_rows, is_hidden
from holdfast.sqlalchemy.stamps import fetch_stamps, stamped_by

_T = TypeVar("_T")


def bind(engine: Engine | AsyncEngine) -> None:
    """Every transaction of the engine carries the context, and a DELETE of marked rows reports what it marked.

    Call it once, right after ``create_engine``; a second call changes nothing. On SQLite it also sets what
    protection relies on: transactions that begin where they are begun, foreign keys, recursive triggers.
    """
    target = sync_engine(engine)
    if event.contains(target, "before_execute", mark_instead):
        return
    prepare_engine(target)
    bind_context(target)
    event.listen(target, "before_execute", mark_instead, retval=True)


class Session(sqlalchemy.orm.Session):
    """SQLAlchemy's session, except that rows that are marked are not found, and a delete marks them.

    Take it with ``sessionmaker(engine, class_=Session)``; the engine must be bound (``bind``), HF411 otherwise.
    """

    def get(self, entity: Any, ident: Any, *, options: Sequence[ORMOption] | None = None, **more: Any) -> Any:
        """As SQLAlchemy's; None too for a row that is marked, unless ``options`` has ``include_deleted()``."""
        found = super().get(entity, ident, options=options, **more)
        return None if found is None or is_hidden(found, options) else found

    def get_one(self, entity: Any, ident: Any, *, options: Sequence[ORMOption] | None = None, **more: Any) -> Any:
        """As SQLAlchemy's; ``NoResultFound`` too for a row that is marked."""
        found = self.get(entity, ident, options=options, **more)
        if found is None:
            raise NoResultFound("No row was found when one was required")
        return found

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """As SQLAlchemy's; what one flush deletes goes together, and comes back together.

        A row that was changed since it was read raises ``StaleVersionError`` (HF202), which says what differs; it
        is SQLAlchemy's ``StaleDataError`` as well.
        """
        stamped = stamped_by(self)
        writes = writes_of(self)
        connection = self.connection(bind_arguments={"mapper": writes[0].mapper}) if writes else None
        try:
            with flushing():
                super().flush(objects)
        except StaleDataError as error:
            stale = stale_write(connection, writes) if connection is not None else None
            if stale is None:
                raise
            raise stale from error
        fetch_stamps(self, stamped)


class AsyncSession(sqlalchemy.ext.asyncio.AsyncSession):
    """The same for asyncio: ``async_sessionmaker(engine, class_=AsyncSession)``."""

    sync_session_class = Session


event.listen(Session, "do_orm_execute", filter_rows)


@event.listens_for(Session, "after_begin")
def _check_bound(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if not event.contains(connection.engine, "before_execute", mark_instead):
        raise UnsupportedError(
            "HF411",
            "This session's engine is not bound, so a delete would be reported wrongly and nobody would be its actor.",
            "Say once, after create_engine: holdfast.sqlalchemy.bind(engine).",
        )
