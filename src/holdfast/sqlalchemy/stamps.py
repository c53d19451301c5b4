"""Times and versions that the database sets after RETURNING has answered are read once more."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect, select, tuple_
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import set_committed_value

from holdfast.dialects import dialect_for
from holdfast.policies import Timestamps, Version
from holdfast.sqlalchemy.tables import column_keys, policy_of

_BATCH = 200


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


def _fetch(connection: Any, mapper: Mapper[Any], group: list[Any]) -> None:
    for table, keys in _stamps(mapper):
        primary = list(table.primary_key)
        by_key = {tuple(mapper.primary_key_from_instance(each)): each for each in group}
        columns = [table.c[name] for name in keys]
        query = select(*primary, *columns).where(tuple_(*primary).in_(list(by_key)))
        for row in connection.execute(query):
            instance = by_key[tuple(row[: len(primary)])]
            for key, value in zip(keys.values(), row[len(primary) :], strict=True):
                if not inspect(instance).attrs[key].history.has_changes():
                    set_committed_value(instance, key, value)


def _stamps(mapper: Mapper[Any]) -> list[tuple[Any, dict[str, str]]]:
    found = []
    for each in mapper.iterate_to_root():
        timestamps, version = policy_of(each.local_table, Timestamps), policy_of(each.local_table, Version)
        names = [timestamps.created, timestamps.updated] if timestamps else []
        names += [version.column] if version else []
        if names:
            found.append((each.local_table, dict(column_keys(each, names))))
    return found
