"""A DELETE of rows that are marked becomes the UPDATE that marks them, so that it reports what it did.

The database would turn the DELETE into the mark by itself, and then report that it deleted nothing: the ORM would
warn, or take the row for stale. So the statement is built as what it will be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import (
    ClauseElement,
    Connection,
    Delete,
    Insert,
    Table,
    bindparam,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import replacement_traverse

from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.policies import SoftDelete
from holdfast.sqlalchemy.mapping import PART, SOFT_DELETED
from holdfast.sqlalchemy.tables import policy_of

HARD_DELETE = "holdfast_hard_delete"
"""The execution option of a statement that really deletes."""

_PREFIX = "holdfast_"
_BATCH = 500


class Flush:
    """A flush under way: whatever it deletes goes together, and carries one mark."""

    def __init__(self) -> None:
        self.marked: list[Connection] = []

    def share_mark(self, connection: Connection) -> None:
        if connection not in self.marked:
            self.marked.append(connection)
            for query in dialect_for(connection.dialect.name).marking.begin_shared():
                execute(connection, query)

    def end(self) -> None:
        for connection in self.marked:
            if not connection.closed and connection.in_transaction() and connection.get_transaction().is_active:  # type: ignore[union-attr]
                for query in dialect_for(connection.dialect.name).marking.end_shared():
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
    if not isinstance(element, (Delete, Insert)):
        return element, multiparams, params
    if isinstance(element, Insert):
        if _flush.get() is not None and _is_link(element.table):
            return _link_again(connection, element, list(multiparams) or [params])
        return element, multiparams, params
    table, subject = _subject(element)
    if not isinstance(table, Table) or options.get(HARD_DELETE) or hard_deleting.get():
        return element, multiparams, params
    policy = policy_of(table, SoftDelete)
    if policy is None and not table.info.get(PART):
        return element, multiparams, params
    # A bulk delete by a listener is no part of the flush that it listens to.
    flush = _flush.get() if not element._propagate_attrs else None
    dialect = dialect_for(connection.dialect.name)
    given = {name for each in ([params] if params else multiparams) for name in each}
    statement = update(subject)
    if element.whereclause is not None:
        statement = statement.where(_renamed(element.whereclause, given))
    if policy is None:
        # The rest of the row is marked; this part of it stays as it is.
        key = next(iter(table.primary_key))
        statement = statement.values({key: key})
    else:
        mark = table.c[policy.column]
        if flush is None:
            statement = statement.where(mark.is_(None))
            statement = statement.values({mark: literal_column(dialect.marking.present(), mark.type)})
        else:
            # A row that went with its parent a moment ago is deleted as the ORM wanted it: it counts.
            flush.share_mark(connection)
            if _is_link(table):
                # A link that was dead before is not the one that the ORM removes.
                statement = statement.where(mark.is_(None))
            statement = statement.values({mark: literal_column(dialect.marking.shared(), mark.type)})
    statement = _with_the_rest(statement, element)
    return statement, [_prefixed(each) for each in multiparams or ()], _prefixed(params or {})


def _subject(element: Delete) -> tuple[Any, Any]:
    """The table, and the entity that is deleted from, or the table again.

    ``entity_description`` fails for a table that is deleted from under a condition on an entity.
    """
    parent = element.table._annotations.get("parententity")
    return (element.table, element.table) if parent is None else (parent.mapper.local_table, parent.entity)


def _link_again(connection: Connection, element: Insert, rows: list[dict[str, Any]]) -> tuple[ClauseElement, Any, Any]:
    """A link of many-to-many that is made again while its dead row holds the key: that row is restored.

    For the ORM a link is no object: it is there, or it is not.
    """
    table: Any = element.table
    policy = policy_of(table, SoftDelete)
    key = list(table.primary_key)
    if policy is None or not key or not all(column.key in row for row in rows for column in key):
        return element, rows, {}
    mark = table.c[policy.column]
    by_key = {tuple(row[column.key] for column in key): row for row in rows}
    keys = list(by_key)
    dead: list[dict[str, Any]] = []
    for start in range(0, len(keys), _BATCH):
        wanted = tuple_(*key).in_(keys[start : start + _BATCH])
        found = connection.execute(select(*key).where(wanted, mark.is_not(None)).with_for_update())
        dead += [by_key.pop(tuple(row)) for row in found]
    if not dead:
        return element, rows, {}
    values: dict[str, Any] = {name: bindparam(_PREFIX + name) for name in dead[0] if not table.c[name].primary_key}
    restore = update(table).where(*(column == bindparam(_PREFIX + column.key, type_=column.type) for column in key))
    restore = restore.values({**values, mark.key: None})
    restored = [_prefixed(row) for row in dead]
    if not by_key:
        return restore, restored, {}
    connection.execute(restore, restored)
    return element, list(by_key.values()), {}


def _is_link(table: Any) -> bool:
    """Whether the rows of the table are no objects of the ORM, so that a flush writes it for a relationship alone."""
    if not isinstance(table, Table) or policy_of(table, SoftDelete) is None:
        return False
    return not any(mapper.local_table is table for mapper in table.metadata.info.get(SOFT_DELETED, ()))


def _prefixed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {_PREFIX + name: value for name, value in parameters.items()}


def _renamed(clause: Any, given: set[str]) -> Any:
    """In an UPDATE a parameter that is named like a column is a value to set, so those given are named otherwise."""
    if not given:
        return clause

    def replace(each: Any, **_: Any) -> Any:
        if isinstance(each, BindParameter) and each.key in given:
            return bindparam(_PREFIX + each.key, type_=each.type)
        return None

    traverse: Any = replacement_traverse
    return traverse(clause, {}, replace)


def _with_the_rest(statement: Any, element: Delete) -> Any:
    """With what else the ORM wants to know of its statement: what it returns, and how the session is kept in step."""
    if element._returning:
        statement = statement.returning(*element._returning)
    if element._with_options:
        statement = statement.options(*element._with_options)
    if element._annotations:
        using = element._annotations.get("is_delete_using", False)
        statement = statement._annotate({**element._annotations, "is_update_from": using})
    return statement
