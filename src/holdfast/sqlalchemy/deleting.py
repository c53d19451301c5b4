"""A DELETE of rows that are marked becomes the UPDATE that marks them, so that it reports what it did.

The database would turn the DELETE into the mark by itself, and then report that it deleted nothing: the ORM would
warn, or take the row for stale. So the statement is built as what it will be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import ClauseElement, Connection, Delete, Table, Update, bindparam, literal_column, update
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import replacement_traverse

from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.policies import SoftDelete
from holdfast.sqlalchemy.mapping import PART
from holdfast.sqlalchemy.tables import policy_of

HARD_DELETE = "holdfast_hard_delete"
"""The execution option of a statement that really deletes."""

_PREFIX = "holdfast_"


class Flush:
    """A flush under way: whatever it deletes goes together, and carries one mark."""

    def __init__(self) -> None:
        self.marked: list[Connection] = []

    def share_mark(self, connection: Connection) -> None:
        if connection not in self.marked:
            self.marked.append(connection)
            for query in dialect_for(connection.dialect.name).begin_shared_mark():
                execute(connection, query)

    def end(self) -> None:
        for connection in self.marked:
            if not connection.closed and connection.in_transaction() and connection.get_transaction().is_active:  # type: ignore[union-attr]
                for query in dialect_for(connection.dialect.name).end_shared_mark():
                    execute(connection, query)


hard_deleting: ContextVar[bool] = ContextVar("holdfast_hard_deleting", default=False)
"""Whether deletes are meant as they are written."""
_flush: ContextVar[Flush | None] = ContextVar("holdfast_flush", default=None)


@contextmanager
def flushing() -> Iterator[None]:
    """What the block deletes goes together."""
    flush = Flush()
    token = _flush.set(flush)
    try:
        yield
        flush.end()
    finally:
        _flush.reset(token)


def mark_instead(
    connection: Connection, element: ClauseElement, multiparams: Any, params: Any, options: Mapping[str, Any]
) -> tuple[ClauseElement, Any, Any]:
    """A listener for ``before_execute``, with ``retval=True``."""
    if not isinstance(element, Delete):
        return element, multiparams, params
    description = element.entity_description
    table = description["table"]
    if not isinstance(table, Table) or options.get(HARD_DELETE) or hard_deleting.get():
        return element, multiparams, params
    policy = policy_of(table, SoftDelete)
    if policy is None and not table.info.get(PART):
        return element, multiparams, params
    flush = _flush.get()
    dialect = dialect_for(connection.dialect.name)
    given = {name for each in ([params] if params else multiparams) for name in each}
    statement = update(description.get("entity", table))
    if element.whereclause is not None:
        statement = statement.where(_renamed(element.whereclause, given))
    if policy is None:
        # The rest of the row is marked; this part of it stays as it is.
        key = next(iter(table.primary_key))
        statement = statement.values({key: key})
    else:
        mark = table.c[policy.column]
        if flush is None:
            statement = statement.values({mark: literal_column(dialect.present_mark(), mark.type)}).where(mark.is_(None))
        else:
            # A row that went with its parent a moment ago is deleted as the ORM wanted it: it counts.
            flush.share_mark(connection)
            statement = statement.values({mark: literal_column(dialect.shared_mark(), mark.type)})
    statement = _with_the_rest(statement, element)
    return (
        statement,
        [{_PREFIX + name: value for name, value in each.items()} for each in multiparams] if multiparams else multiparams,
        {_PREFIX + name: value for name, value in params.items()} if params else params,
    )


def _renamed(clause: Any, given: set[str]) -> Any:
    """In an UPDATE a parameter that is named like a column is a value to set, so those given are named otherwise."""
    if not given:
        return clause

    def replace(each: Any, **_: Any) -> Any:
        if isinstance(each, BindParameter) and each.key in given:
            return bindparam(_PREFIX + each.key, type_=each.type)
        return None

    return replacement_traverse(clause, {}, replace)


def _with_the_rest(statement: Update, element: Delete) -> Update:
    if element._returning:
        statement = statement.returning(*element._returning)  # type: ignore[assignment]
    if element._with_options:
        statement = statement.options(*element._with_options)  # type: ignore[arg-type]
    return statement
