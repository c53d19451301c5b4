"""Migrating while others work: a writer has the whole file to itself, so there is one migrator anyway."""

from __future__ import annotations

from datetime import timedelta

from holdfast.dialects.base import Query
from holdfast.dialects.migrating import LockClass, Migrating, OwnTimeouts
from holdfast.dialects.sqlite.changing import SQLiteChanging
from holdfast.tables import TableName


class SQLiteMigrating(Migrating):
    begin = "begin immediate"

    @property
    def changing(self) -> SQLiteChanging:
        return SQLiteChanging()

    def lock_class(self, statement: str) -> LockClass:
        return LockClass.WEAK

    def sets_timeouts(self, statement: str) -> bool:
        return False

    def set_timeouts(self, lock_class: LockClass, strong: timedelta, own: OwnTimeouts) -> Query:
        raise NotImplementedError

    def lock_name(self, version_table: TableName) -> str:
        return version_table.name
