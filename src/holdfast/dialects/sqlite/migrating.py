"""Migrating while others work: a writer has the whole file to itself, so there is one migrator anyway."""

from __future__ import annotations

from datetime import timedelta

from holdfast.dialects.migrating import LockClass, Migrating, OwnTimeouts
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.changing import SQLiteChanging
from holdfast.dialects.sqlite.expanding import SQLiteExpanding
from holdfast.dialects.sqlite.filling import SQLiteFilling
from holdfast.dialects.sqlite.sql import quote
from holdfast.tables import TableName


class SQLiteMigrating(Migrating):
    begin = "begin immediate"
    rebuilds = True

    @property
    def changing(self) -> SQLiteChanging:
        return SQLiteChanging()

    @property
    def expanding(self) -> SQLiteExpanding:
        return SQLiteExpanding()

    @property
    def filling(self) -> SQLiteFilling:
        return SQLiteFilling()

    def enforce_keys(self, on: bool) -> str:
        return f"pragma foreign_keys = {'on' if on else 'off'}"

    def tables_with_keys(self) -> str:
        return (
            'select distinct s.name, k."table"\n'
            "from main.sqlite_schema as s, pragma_foreign_key_list(s.name, 'main') as k where s.type = 'table'"
        )

    def broken_keys(self, table: str) -> str:
        return f"pragma main.foreign_key_check({quote(table)})"

    def lock_class(self, statement: str) -> LockClass:
        return LockClass.WEAK

    def sets_timeouts(self, statement: str) -> bool:
        return False

    def set_timeouts(self, lock_class: LockClass, strong: timedelta, own: OwnTimeouts) -> Query:
        raise NotImplementedError

    def lock_name(self, version_table: TableName) -> str:
        return version_table.name
