"""SQLAlchemy's errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy.exc
from sqlalchemy.exc import DBAPIError, UnboundExecutionError
from sqlalchemy.orm.exc import StaleDataError

from holdfast.database import explain
from holdfast.dialects import dialect_for, dialect_of
from holdfast.dialects.base import Dialect
from holdfast.errors import HoldfastError, StaleVersionError, UnsupportedError


class HasDialect(Protocol):
    """An engine or a connection, synchronous or not."""

    @property
    def dialect(self) -> Any: ...


class HasBind(Protocol):
    """A session, synchronous or not."""

    def get_bind(self) -> Any: ...


@contextmanager
def explained(source: HasDialect | HasBind) -> Iterator[None]:
    """Whatever the database refuses within the block is raised as an error of ours, the original as its cause.

    ``source`` is the engine, connection or session in use; the asyncio ones too, around their awaits. An error that is
    not the database's goes through as it is. A lost connection is retryable (HF615) only where nothing had asked to
    commit; that is not known of an AUTOCOMMIT connection, so do not repeat what ran on one.

    >>> from sqlalchemy import create_engine, text
    >>> from holdfast.errors import NotNullError
    >>> engine = create_engine("sqlite://")
    >>> with engine.begin() as connection:
    ...     _ = connection.execute(text("create table t (a not null)"))
    ...     try:
    ...         with explained(connection):
    ...             connection.execute(text("insert into t values (null)"))
    ...     except NotNullError as error:
    ...         print(error.table, error.columns)
    t ('a',)
    """
    try:
        yield
    except HoldfastError:
        # A stale flush of our session is ours already, and SQLAlchemy's too.
        raise
    except DBAPIError as error:
        raise explain(error, _dialect(source, error)) from error
    except StaleDataError as error:
        raise StaleVersionError(
            "HF202",
            "A row was changed or removed by somebody else since it was read.",
            "Read it again, and repeat the change on what it is now.",
        ) from error
    except sqlalchemy.exc.TimeoutError as error:
        raise UnsupportedError(
            "HF406",
            "The database could not be reached: no connection of the pool was free in time.",
            "Give connections back sooner, or make the pool larger (pool_size, max_overflow).",
        ) from error
    except Exception as error:
        # asyncpg's own come through where SQLAlchemy 2.0 connects, and where the driver's connection is used itself.
        if not (getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorcode", None)):
            raise
        ours = _dialect(source, error).error(error)
        if ours is None:
            raise
        raise ours from error


def _dialect(source: Any, error: BaseException) -> Dialect:
    try:
        bind = source if hasattr(source, "dialect") else source.get_bind()
    except UnboundExecutionError:
        # A session of several engines answers for one model at a time.
        return dialect_of(getattr(error, "orig", None) or error)
    return dialect_for(bind.dialect.name)
