"""Which lock PostgreSQL takes for what, and on which tables that are there already."""

from __future__ import annotations

from enum import IntEnum

from holdfast.lint.actions import (
    Action,
    AddColumn,
    AddConstraint,
    AlterPolicy,
    AlterType,
    AttachPartition,
    ChangeSetting,
    CreateIndex,
    CreatePolicy,
    CreateTable,
    CreateTrigger,
    DetachPartition,
    Drop,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropNotNull,
    DropPolicy,
    DropTrigger,
    LockTable,
    OnTable,
    RefreshView,
    Reindex,
    RenameColumn,
    RenameTable,
    Rewrite,
    RowSecurity,
    SetDefault,
    SetNotNull,
    SwitchTrigger,
    Truncate,
    ValidateConstraint,
)
from holdfast.tables import TableName


class Lock(IntEnum):
    """From the weakest on; what the name stops is in the value of ``stops``."""

    SHARE_UPDATE_EXCLUSIVE = 1
    SHARE = 2
    SHARE_ROW_EXCLUSIVE = 3
    EXCLUSIVE = 4
    ACCESS_EXCLUSIVE = 5

    def __str__(self) -> str:
        return self.name.replace("_", " ")

    @property
    def stops(self) -> str:
        if self is Lock.ACCESS_EXCLUSIVE:
            return "nobody can read or write"
        return "nobody can write" if self >= Lock.SHARE else "only DDL and VACUUM wait"

    @property
    def strong(self) -> bool:
        """Whether readers or writers wait for it."""
        return self >= Lock.SHARE


Held = tuple[tuple[Lock, TableName], ...]
_ALTERS = (
    AddColumn,
    DropColumn,
    RenameColumn,
    RenameTable,
    AlterType,
    SetNotNull,
    DropNotNull,
    SetDefault,
    DropConstraint,
    RowSecurity,
    ChangeSetting,
    CreatePolicy,
    AlterPolicy,
    DropPolicy,
    DropTrigger,
    Truncate,
)


def locks_of(action: Action) -> Held:
    """The locks that are kept to the end of the transaction, strongest per table."""
    match action:
        case ChangeSetting(setting=setting, table=table) if setting.startswith(("set (", "reset (")):
            return ((Lock.SHARE_UPDATE_EXCLUSIVE, table),)
        case AddConstraint():
            return _for_constraint(action)
        case AddColumn(table=table, column=column):
            targets = [each.target for each in column.constraints if each.target is not None]
            return ((Lock.ACCESS_EXCLUSIVE, table), *((Lock.SHARE_ROW_EXCLUSIVE, target) for target in targets))
        case CreateIndex(table=table, concurrently=concurrently):
            return ((Lock.SHARE_UPDATE_EXCLUSIVE if concurrently else Lock.SHARE, table),)
        case ValidateConstraint(table=table):
            return ((Lock.SHARE_UPDATE_EXCLUSIVE, table),)
        case CreateTrigger(table=table) | SwitchTrigger(table=table):
            return ((Lock.SHARE_ROW_EXCLUSIVE, table),)
        case AttachPartition(table=table, partition=partition):
            return ((Lock.SHARE_UPDATE_EXCLUSIVE, table), (Lock.ACCESS_EXCLUSIVE, partition))
        case DetachPartition(table=table, partition=partition, concurrently=concurrently):
            lock = Lock.SHARE_UPDATE_EXCLUSIVE if concurrently else Lock.ACCESS_EXCLUSIVE
            return ((lock, table), (lock, partition))
        case CreateTable():
            return _for_table(action)
        case LockTable(table=table, mode=mode):
            return tuple((lock, table) for lock in Lock if str(lock) == mode)
    return _of_others(action)


def _of_others(action: Action) -> Held:
    match action:
        case OnTable(table=table) if isinstance(action, _ALTERS):
            return ((Lock.ACCESS_EXCLUSIVE, table),)
        case Rewrite(table=table) if table is not None:
            return ((Lock.ACCESS_EXCLUSIVE, table),)
        case Drop(kind="table" | "materialized view" | "foreign table" | "view", name=name):
            return ((Lock.ACCESS_EXCLUSIVE, name),)
        case DropIndex(index=index, concurrently=concurrently, table=table):
            lock = Lock.SHARE_UPDATE_EXCLUSIVE if concurrently else Lock.ACCESS_EXCLUSIVE
            return ((lock, table or index),)
        case Reindex(name=name, concurrently=concurrently):
            return ((Lock.SHARE_UPDATE_EXCLUSIVE if concurrently else Lock.SHARE, name),)
        case RefreshView(name=name, concurrently=concurrently):
            return ((Lock.EXCLUSIVE if concurrently else Lock.ACCESS_EXCLUSIVE, name),)
    return ()


def _for_constraint(action: AddConstraint) -> Held:
    constraint = action.constraint
    if constraint.kind == "foreign key":
        tables = (action.table, constraint.target) if constraint.target else (action.table,)
        return tuple((Lock.SHARE_ROW_EXCLUSIVE, table) for table in tables)
    return ((Lock.ACCESS_EXCLUSIVE, action.table),)


def _for_table(action: CreateTable) -> Held:
    targets = [each.target for each in action.constraints if each.target is not None]
    targets += [each.target for column in action.columns for each in column.constraints if each.target is not None]
    held: Held = tuple((Lock.SHARE_ROW_EXCLUSIVE, target) for target in targets if target != action.table)
    if action.partition_of is not None:
        held = (*held, (Lock.ACCESS_EXCLUSIVE, action.partition_of))
    return held
