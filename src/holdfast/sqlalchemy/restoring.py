"""Bringing rows back that were marked, and deleting rows for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, overload

from sqlalchemy import Column, Connection, Table, inspect, select, tuple_, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstanceState, Mapper, RelationshipDirection, RelationshipProperty, Session

from holdfast.context import current
from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.errors import NotFoundError, UnsupportedError
from holdfast.policies import SoftDelete
from holdfast.sqlalchemy.deleting import hard_deleting
from holdfast.sqlalchemy.soft_delete import include_deleted, mark_of
from holdfast.sqlalchemy.tables import policy_of

_T = TypeVar("_T")
_Keys = Sequence[tuple[Any, ...]]
_BATCH = 500


@overload
def restore(session: Session, entity: type[_T], key: Any) -> _T: ...
@overload
def restore(session: Session, entity: _T) -> _T: ...
def restore(session: Session, entity: Any, key: Any = None) -> Any:
    """Takes the mark away from a row, and from exactly the rows that its delete took along; gives the instance.

    ``restore(session, Order, 7)``, or with an instance, which may be detached. What comes back is what carries the
    very mark of the row: what the database marked along its foreign keys, and what the ORM deleted with it in one
    flush (``cascade="all"``, many-to-many). A row that lives is left as it is. Raises HF622 where there is no such
    row, HF412 where the class is not soft-deleted, HF201 where its parent is still deleted.
    """
    mapper, identity = identity_of(entity, key)
    mark = _mark_column(mapper)
    session.flush()
    table = mark.table
    connection = session.connection(bind_arguments={"mapper": mapper})
    condition = tuple_(*table.primary_key).in_([identity])
    found = connection.execute(select(mark).where(condition)).first()
    if found is None:
        raise _missing(mapper, identity)
    if found[0] is not None:
        connection.execute(update(table).where(condition).values({mark: None}))
        _Restoring(connection, found[0]).follow(mapper, [identity])
    options = [include_deleted()]
    instance = session.get(mapper.class_, identity, options=options, populate_existing=True)
    if instance is None:
        raise _missing(mapper, identity)
    # What it has loaded of its children was loaded while they were dead.
    session.expire(instance, [relationship.key for relationship in mapper.relationships if not relationship.viewonly])
    return instance


def hard_delete(session: Session, instance: object) -> None:
    """Deletes the row for good, at once, with what the ORM and the database cascade to; the journal keeps its values.

    It must be in the session. What else the session has pending is flushed before, and not meant.
    """
    session.flush()
    with allowing(session, "hard_delete", inspect(instance).mapper):
        token = hard_deleting.set(True)
        try:
            session.delete(instance)
            session.flush()
        finally:
            hard_deleting.reset(token)


@contextmanager
def allowing(session: Session, word: str | int, mapper: Mapper[Any] | None = None) -> Iterator[None]:
    """What a policy refuses is announced for the block, and for nothing of the transaction after it.

    ``word`` is ``"hard_delete"``, ``"mass"``, ``"truncate"`` or a number of rows.
    """
    words = [str(each) for each in (current().get("allow"), word) if each is not None]
    with bound_beside(session, {"allow": ",".join(words)}, mapper):
        yield


@contextmanager
def bound_beside(session: Session, more: Mapping[str, Any], mapper: Mapper[Any] | None = None) -> Iterator[None]:
    """The context has this too for the block, and not for what the transaction does after it."""
    connection = session.connection(bind_arguments={"mapper": mapper} if mapper is not None else None)
    dialect = dialect_for(connection.dialect.name)
    before = current()
    for query in dialect.bind_context({**before, **more}):
        execute(connection, query)
    refused = False
    try:
        yield
    except DBAPIError:
        refused = True
        raise
    finally:
        # After an error the transaction takes nothing more, and ends with its settings.
        if session.is_active and not refused:
            queries = dialect.bind_context(before) if before else dialect.unbind_context() or dialect.bind_context({})
            for query in queries:
                execute(connection, query)


class _Restoring:
    """Follows what the ORM deletes along with a row, and the database does not know of."""

    def __init__(self, connection: Connection, mark: Any) -> None:
        self.connection = connection
        self.mark = mark
        self.seen: set[tuple[Mapper[Any], tuple[Any, ...]]] = set()

    def follow(self, mapper: Mapper[Any], identities: _Keys) -> None:
        identities = [each for each in identities if (mapper.base_mapper, each) not in self.seen]
        self.seen |= {(mapper.base_mapper, each) for each in identities}
        if not identities:
            return
        for relationship in mapper.relationships:
            if relationship.viewonly:
                continue
            if relationship.secondary is not None:
                self._associations(relationship, identities)
            elif relationship.cascade.delete and relationship.direction is RelationshipDirection.ONETOMANY:
                self._children(relationship, identities)

    def _associations(self, relationship: RelationshipProperty[Any], identities: _Keys) -> None:
        secondary = relationship.secondary
        policy = policy_of(secondary, SoftDelete) if isinstance(secondary, Table) else None
        if policy is not None and isinstance(secondary, Table):
            pairs = relationship.synchronize_pairs
            parents = self._values([local for local, _ in pairs], identities)
            self._revive(secondary.c[policy.column], [remote for _, remote in pairs], parents)

    def _children(self, relationship: RelationshipProperty[Any], identities: _Keys) -> None:
        child = relationship.mapper
        if mark_of(child) is None:
            return
        pairs = relationship.synchronize_pairs
        parents = self._values([local for local, _ in pairs], identities)
        remote = [each for _, each in pairs]
        mark = _mark_column(child)
        if remote[0].table is not mark.table:
            return
        self._revive(mark, remote, parents)
        found: list[tuple[Any, ...]] = []
        for batch in _batches(parents):
            query = select(*mark.table.primary_key).where(tuple_(*remote).in_(batch), mark.is_(None))
            found += [tuple(row) for row in self.connection.execute(query)]
        self.follow(child, found)

    def _values(self, columns: Sequence[Any], identities: _Keys) -> _Keys:
        """Those columns of the rows with these keys."""
        table = columns[0].table
        primary = list(table.primary_key)
        if columns == primary:
            return identities
        rows: list[tuple[Any, ...]] = []
        for batch in _batches(identities):
            rows += [tuple(row) for row in self.connection.execute(select(*columns).where(tuple_(*primary).in_(batch)))]
        return rows

    def _revive(self, mark: Column[Any], columns: Sequence[Any], values: _Keys) -> None:
        for batch in _batches(values):
            statement = update(mark.table).where(tuple_(*columns).in_(batch), mark == self.mark)
            self.connection.execute(statement.values({mark: None}))


def _batches(values: _Keys) -> Iterator[_Keys]:
    for start in range(0, len(values), _BATCH):
        yield values[start : start + _BATCH]


def identity_of(entity: Any, key: Any) -> tuple[Mapper[Any], tuple[Any, ...]]:
    """The mapper and the key of an instance, or of a class and what the caller says is the key."""
    inspected: Any = inspect(entity)
    if isinstance(inspected, InstanceState):
        identity = inspected.identity or tuple(inspected.mapper.primary_key_from_instance(entity))
        return inspected.mapper, tuple(identity)
    mapper: Mapper[Any] = inspected
    if isinstance(key, dict):
        return mapper, tuple(key[mapper.get_property_by_column(column).key] for column in mapper.primary_key)
    return mapper, tuple(key) if isinstance(key, (tuple, list)) else (key,)


def _mark_column(mapper: Mapper[Any]) -> Column[Any]:
    for each in mapper.iterate_to_root():
        policy = policy_of(each.local_table, SoftDelete)
        if policy is not None and isinstance(each.local_table, Table):
            mark: Column[Any] = each.local_table.c[policy.column]
            return mark
    raise UnsupportedError(
        "HF412",
        f"{mapper.class_.__name__} is not soft-deleted.",
        "Undo the transaction instead (holdfast.undo), or declare SoftDelete.",
    )


def _missing(mapper: Mapper[Any], identity: Iterable[Any]) -> NotFoundError:
    return NotFoundError(
        "HF622",
        f"There is no {mapper.class_.__name__} with key {', '.join(str(each) for each in identity)}.",
        "It may never have been, or was deleted for good: see holdfast log.",
    )
