"""Times and versions that the database sets after RETURNING has answered are read once more."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from sqlalchemy import Result, inspect, select, tuple_
from sqlalchemy.orm import Mapper, ORMExecuteState, Session
from sqlalchemy.orm.attributes import set_committed_value

from holdfast.dialects import dialect_for
from holdfast.policies import Timestamps, Version
from holdfast.sqlalchemy.tables import column_keys, policy_of

_BATCH = 200
_matched: ContextVar[list[Any] | None] = ContextVar("holdfast_matched", default=None)
"""What the session holds of the rows that the UPDATE under way has changed."""


def stamped_by(session: Session) -> list[Any]:
    """What a flush is going to write and the database to stamp."""
    return [each for each in (*session.new, *session.dirty) if _stamps(inspect(each).mapper)]


def fetch_stamps(session: Session, instances: list[Any]) -> None:
    """Reads the stamps of what was flushed, where the ORM could not have been told them."""
    by_mapper: dict[Mapper[Any], list[Any]] = {}
    for each in instances:
        state = inspect(each)
        if state.persistent:
            by_mapper.setdefault(state.mapper, []).append(each)
    for mapper, group in by_mapper.items():
        connection = session.connection(bind_arguments={"mapper": mapper})
        if dialect_for(connection.dialect.name).features.stamps_before_write:
            continue
        for start in range(0, len(group), _BATCH):
            _fetch(connection, mapper, group[start : start + _BATCH])


def note_matched(instance: Any, context: object, _attributes: object) -> None:
    """A listener for ``refresh``: without a context it is an UPDATE of many rows that has set values here as well."""
    matched = _matched.get()
    if context is None and matched is not None:
        matched.append(instance)


def renew_stamps(state: ORMExecuteState) -> Result[Any] | None:
    """At ``do_orm_execute``: of an UPDATE of many rows the session knows the stamps as it knows the values.

    Else its next flush would take the session's own change for somebody else's. A row that somebody else has changed
    too keeps the version that was read: what the session has of it is stale.
    """
    if state.bind_mapper is None or not _stamps(state.bind_mapper):
        return None
    matched: list[Any] = []
    token = _matched.set(matched)
    try:
        result = state.invoke_statement()
    finally:
        _matched.reset(token)
    by_mapper: dict[Mapper[Any], list[Any]] = {}
    for each in {id(each): each for each in matched}.values():
        by_mapper.setdefault(inspect(each).mapper, []).append(each)
    for mapper, group in by_mapper.items():
        connection = state.session.connection(bind_arguments={"mapper": mapper})
        for start in range(0, len(group), _BATCH):
            _fetch(connection, mapper, group[start : start + _BATCH], one_change=True)
    return result


def _fetch(connection: Any, mapper: Mapper[Any], group: list[Any], *, one_change: bool = False) -> None:
    for table, keys in _stamps(mapper):
        primary = list(table.primary_key)
        by_key = {tuple(mapper.primary_key_from_instance(each)): each for each in group}
        columns = [table.c[name] for name in keys]
        query = select(*primary, *columns).where(tuple_(*primary).in_(list(by_key)))
        for row in connection.execute(query):
            instance = by_key[tuple(row[: len(primary)])]
            stamps = dict(zip(keys.values(), row[len(primary) :], strict=True))
            if one_change and not _is_next(mapper, instance, stamps):
                continue
            for key, value in stamps.items():
                if not inspect(instance).attrs[key].history.has_changes():
                    set_committed_value(instance, key, value)


def _is_next(mapper: Mapper[Any], instance: Any, stamps: dict[str, Any]) -> bool:
    """Whether the row is one change ahead of what was read."""
    column = mapper.version_id_col
    key = mapper.get_property_by_column(column).key if column is not None else None
    return key not in stamps or inspect(instance).dict.get(key) == stamps[key] - 1


def is_stamped(mapper: Mapper[Any]) -> bool:
    """Whether the database sets times or a version in the rows of the class."""
    return bool(_stamps(mapper))


def _stamps(mapper: Mapper[Any]) -> list[tuple[Any, dict[str, str]]]:
    found = []
    for each in mapper.iterate_to_root():
        timestamps, version = policy_of(each.local_table, Timestamps), policy_of(each.local_table, Version)
        names = [timestamps.created, timestamps.updated] if timestamps else []
        names += [version.column] if version else []
        if names:
            found.append((each.local_table, dict(column_keys(each, names))))
    return found
