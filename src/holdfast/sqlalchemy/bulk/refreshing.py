"""Instances that the session holds are read again when a bulk write has changed their rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, inspect, select, tuple_
from sqlalchemy.orm import MANYTOONE, Session
from sqlalchemy.orm.attributes import set_committed_value

from holdfast.sqlalchemy.bulk.targets import Target

_BATCH = 500


class Held:
    """The instances of the class that the session holds, by key, and which of them were changed behind its back."""

    def __init__(self, session: Session, target: Target) -> None:
        self._session = session
        self._target = target
        self._by_key = {
            inspect(each).identity: each
            for each in session.identity_map.values()
            if isinstance(each, target.mapper.class_)
        }
        self._changed: dict[tuple[Any, ...], Any] = {}

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def changed(self, keys: Iterable[tuple[Any, ...]]) -> None:
        if self._by_key:
            for key in keys:
                if key in self._by_key:
                    self._changed[key] = self._by_key[key]

    def remove(self) -> None:
        """Their rows are gone."""
        for each in self._changed.values():
            self._session.expunge(each)

    def refresh(self, connection: Connection) -> None:
        """The columns are read; where a foreign key changed, the row that it points to is loaded when asked for."""
        keys = list(self._changed)
        for start in range(0, len(keys), _BATCH):
            self._read(connection, keys[start : start + _BATCH])

    def _read(self, connection: Connection, keys: list[tuple[Any, ...]]) -> None:
        target = self._target
        primary = list(target.table.primary_key)
        query = select(*primary, *target.columns.values()).where(tuple_(*primary).in_(keys))
        for row in connection.execute(query):
            instance = self._changed[tuple(row[: len(primary)])]
            state = inspect(instance)
            expired = set()
            for (name, column), value in zip(target.columns.items(), row[len(primary) :], strict=True):
                if state.dict.get(name) != value:
                    expired |= {
                        each.key
                        for each in target.mapper.relationships
                        if each.direction is MANYTOONE and column in each.local_columns and each.key in state.dict
                    }
                set_committed_value(instance, name, value)
            if expired:
                self._session.expire(instance, expired)
