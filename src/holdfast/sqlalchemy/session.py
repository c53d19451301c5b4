"""A session under which rows that are marked are gone, and an engine that says who it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy.ext.asyncio
import sqlalchemy.orm
from sqlalchemy import Connection, Engine, Result, event, inspect
from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Mapper, ORMExecuteState, SessionTransaction
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.util import immutabledict

from holdfast.context import bind as bind_context
from holdfast.context import is_bound
from holdfast.database import prepare_engine
from holdfast.errors import ProtectedError, UnsupportedError
from holdfast.signing import SigningKey
from holdfast.sqlalchemy.deleting import flushing, mark_instead
from holdfast.sqlalchemy.installing import sync_engine
from holdfast.sqlalchemy.locking import stale_copy, stale_write, writes_of
from holdfast.sqlalchemy.soft_delete import (
    filter_rows,
    filtered_at_once,
    include_deleted,
    is_hidden,
    names_dead,
    revived,
)
from holdfast.sqlalchemy.stamps import fetch_stamps, renew_stamps, stamped_by
from holdfast.sqlalchemy.tenants import check_tenants, hold_to_tenant, tenant_of

_T = TypeVar("_T")
_SIGNS = "holdfast_signing_key"
"""The execution option of an engine with what it signs with."""


def bind(engine: Engine | AsyncEngine, *, signing_key: SigningKey | None = None) -> None:
    """Every transaction of the engine carries the context, and a DELETE of marked rows reports what it marked.

    Call it once, right after ``create_engine``; a second call changes nothing. On SQLite it also sets what
    protection relies on: transactions that begin where they are begun, foreign keys, recursive triggers. With a
    ``signing_key`` each transaction's context is signed, for a database that asks for it; HF476 for an engine that is
    bound without it already, and for a database that cannot ask.
    """
    target = sync_engine(engine)
    if _marks_instead(target):
        if signing_key is not None and target.get_execution_options().get(_SIGNS) is not signing_key:
            raise UnsupportedError(
                "HF476",
                "This engine is bound already, and does not sign with that key.",
                "Bind it once, with its key, right after create_engine.",
            )
        return
    prepare_engine(target)
    bind_context(target, signing_key)
    event.listen(target, "before_execute", mark_instead, retval=True)
    if signing_key is not None:
        # Without options of its engine a statement has none to merge with its own.
        target.update_execution_options(**{_SIGNS: signing_key})


class _Asked:
    """For SQLAlchemy an execution whose only listener has been asked already."""

    _remaining_events = staticmethod(tuple)


_ASKED = _Asked()
_NO_OPTIONS: Mapping[str, Any] = immutabledict()
_EXECUTE = "self statement params execution_options bind_arguments _parent_execute_state _add_event _scalar_result"
_IS_AS_EXPECTED = hasattr(sqlalchemy.orm.Session, "_execute_internal") and (
    list(signature(sqlalchemy.orm.Session._execute_internal).parameters) == _EXECUTE.split()
)


class Session(sqlalchemy.orm.Session):
    """SQLAlchemy's session, except that rows that are marked are not found, and a delete marks them.

    Take it with ``sessionmaker(engine, class_=Session)``; the engine must be bound (``bind``), HF416 otherwise.
    """

    _merging = False

    if not TYPE_CHECKING and _IS_AS_EXPECTED:

        def _execute_internal(
            self,
            statement: Any,
            params: Any = None,
            *,
            execution_options: Any = _NO_OPTIONS,
            bind_arguments: Any = None,
            _parent_execute_state: Any = None,
            _add_event: Any = None,
            _scalar_result: bool = False,
        ) -> Any:
            # What SQLAlchemy prepares for listeners costs a statement more than all that ours does with it. It is no
            # part of its documented interface: where it is not as expected the listener sees to everything.
            if _parent_execute_state is None and _add_event is None and len(self.dispatch.do_orm_execute) == 1:
                filtered = filtered_at_once(self, statement, execution_options, bind_arguments)
                if filtered is not None:
                    statement, _parent_execute_state = filtered, _ASKED
            return super()._execute_internal(
                statement,
                params,
                execution_options=execution_options,
                bind_arguments=bind_arguments,
                _parent_execute_state=_parent_execute_state,
                _add_event=_add_event,
                _scalar_result=_scalar_result,
            )

    def get(
        self, entity: type[_T] | Mapper[_T], ident: Any, *, options: Sequence[ORMOption] | None = None, **more: Any
    ) -> _T | None:
        """As SQLAlchemy's; None too for a row that is marked, unless ``options`` has ``include_deleted()``."""
        # A copy of a row that is marked must not pass for a new row.
        given = (*(options or ()), include_deleted()) if self._merging else options
        found = super().get(entity, ident, options=given, **more)
        if found is None:
            return None
        if tenant_of(inspect(found).mapper) is not None:
            # It may have been in hand since before.
            hold_to_tenant(self)
        if not is_hidden(found, options):
            return found
        if self._merging:
            raise _is_deleted(found)
        return None

    def get_one(
        self, entity: type[_T] | Mapper[_T], ident: Any, *, options: Sequence[ORMOption] | None = None, **more: Any
    ) -> _T:
        """As SQLAlchemy's; ``NoResultFound`` too for a row that is marked."""
        found = self.get(entity, ident, options=options, **more)
        if found is None:
            raise NoResultFound("No row was found when one was required")
        return found

    def merge(self, instance: _T, *, options: Sequence[ORMOption] | None = None, **more: Any) -> _T:
        """As SQLAlchemy's; a row that is marked is never revived by a copy from the time when it lived.

        Raises ``ProtectedError`` (HF201) for a copy of a marked row, unless ``options`` has ``include_deleted()``:
        then what else the copy changed is written, and the mark stays. A copy of a row that was changed since raises
        ``StaleVersionError`` (HF202) as ``flush`` does, if it has its version.
        """
        before = {id(each) for each, _, _ in revived(self.dirty)}
        self._merging = True
        try:
            merged = super().merge(instance, options=options, **more)
        except StaleDataError as error:
            stale = stale_copy(self, instance)
            if stale is None:
                raise
            raise stale from error
        finally:
            self._merging = False
        for each, key, mark in revived(self.dirty):
            if id(each) not in before:
                if not names_dead(inspect(each).mapper, options):
                    self.expire(each)
                    raise _is_deleted(each)
                setattr(each, key, mark)
        return merged

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """As SQLAlchemy's; what one flush deletes goes together, and comes back together.

        A row that was changed since it was read raises ``StaleVersionError`` (HF202), which says what differs; it
        is SQLAlchemy's ``StaleDataError`` as well.
        """
        if self._is_clean() and not self._flushing:
            # Each query asks for a flush first, and mostly there is nothing to write.
            return
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


event.listen(Session, "before_flush", check_tenants)


@event.listens_for(Session, "do_orm_execute")
def _executing(state: ORMExecuteState) -> Result[Any] | None:
    # One listener for both: each costs every statement of the session.
    filter_rows(state)
    return renew_stamps(state) if state.is_update else None


@event.listens_for(Session, "after_begin")
def _check_bound(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    # To ask the engine for its listeners takes longer.
    if not is_bound(connection):
        refuse_unbound(connection.engine)


def refuse_unbound(engine: Engine) -> None:
    """HF416 where ``bind`` was not called."""
    if not _marks_instead(engine):
        raise UnsupportedError(
            "HF416",
            "This session's engine is not bound, so a delete would be reported wrongly and nobody would be its actor.",
            "Say once, after create_engine: holdfast.sqlalchemy.bind(engine).",
        )


def _marks_instead(engine: Engine) -> bool:
    # SQLAlchemy's event.contains() goes by the address of an engine, and one that is gone may have had the same.
    return mark_instead in engine.dispatch.before_execute


def _is_deleted(instance: object) -> ProtectedError:
    state = inspect(instance, raiseerr=True)
    return ProtectedError(
        "HF201",
        f"{state.mapper.local_table} {state.identity} is deleted, so a copy of it cannot be merged.",
        "Restore it first; or merge with options=[include_deleted()]: then the mark stays.",
    )
