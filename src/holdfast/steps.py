"""The steps of a plan: what is done in one transaction, and in which order, so that nobody waits for long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from holdfast import __version__
from holdfast.dialects.base import Dialect
from holdfast.dialects.checking import check_fillable
from holdfast.objects import DatabaseObject, InstalledObject, Protection
from holdfast.tables import TableName

LOCK_TIMEOUT = 100
"""Milliseconds. Whoever waits behind a lock that we wait for waits no longer than this."""

ON_TABLE = ("trigger", "policy", "index", "unique key", "foreign key")
"""The kinds of objects that are made under a lock on their table."""

Identity = tuple[str, str, str]
Installed = Mapping[Identity, InstalledObject]


@dataclass(frozen=True, slots=True)
class Step:
    """What is done in one transaction: all of it, or nothing."""

    title: str
    statements: tuple[str, ...]
    actions: tuple[str, ...] = ()
    """What it does, a line each, for people."""
    tables: tuple[TableName, ...] = ()
    """The tables whose owner's rights it needs."""
    online: tuple[str, ...] = ()
    """The same as ``statements``, each a transaction by itself, so that the table is written meanwhile."""


def is_current(wanted: DatabaseObject, there: InstalledObject | None) -> bool:
    return there is not None and there.enabled and not there.altered and there.source == wanted.checksum


def columns_step(dialect: Dialect, protection: Protection, missing: Sequence[tuple[str, str]]) -> Step:
    """Adds the columns and writes down that they are ours, together with what is declared."""
    table = protection.table.name
    for column, sort in missing:
        check_fillable(table, column, sort)
    return Step(
        str(table),
        (
            *dialect.lock_tables([table], exclusive=True, milliseconds=LOCK_TIMEOUT),
            *dialect.batch([each for column, sort in missing for each in dialect.columns.add(table, column, sort)]),
            *dialect.batch(dialect.register(protection)),
        ),
        tuple(f"add column {column}" for column, _ in missing),
        (table,),
    )


def table_step(
    dialect: Dialect,
    protection: Protection,
    objects: Sequence[DatabaseObject],
    installed: Installed,
    left_over: Sequence[InstalledObject] = (),
    *,
    registered: bool,
) -> Step | None:
    """Functions first, which lock nothing; triggers last, under locks that are all taken at once."""
    stale = [each for each in objects if not each.online and not is_current(each, installed.get(each.identity))]
    if registered and not stale and not left_over:
        return None
    actions = [] if registered else ["write down what is declared"]
    unlocked = [] if registered else list(dialect.register(protection))
    locked: list[str] = []
    for gone in left_over:
        locked += dialect.drop_installed(gone)
        actions.append(f"drop {gone.kind} {gone.name}")
    for each in stale:
        there = installed.get(each.identity)
        statements = locked if each.kind in ON_TABLE else unlocked
        if there is not None and not there.replaceable:
            statements += each.drop
        stands = _stands(protection, each)
        statements += () if stands else each.create
        if not each.finish:
            statements += dialect.mark(each, __version__)
        on = f" on {each.table}" if each.table not in (None, protection.table.name) else ""
        actions.append(f"{'note' if stands else 'replace' if there else 'create'} {each.kind} {each.name}{on}")
    if locked:
        locked += dialect.start_history(protection.relation)
    touched = {each.table for each in stale if each.table is not None}
    touched |= {gone.table for gone in left_over if gone.table is not None}
    dropping = any(not each.replaceable for each in installed.values() if each.table in touched)
    dropping = dropping or any(each.kind in ON_TABLE and each.kind != "trigger" for each in stale)
    tables = sorted(touched | set(protection.table.partitions if touched else ()))
    locks = dialect.lock_tables(tables, exclusive=bool(left_over) or dropping, milliseconds=LOCK_TIMEOUT)
    return Step(
        str(protection.table.name),
        (*dialect.batch(unlocked), *(locks if locked else ()), *dialect.batch(locked)),
        tuple(actions),
        (protection.table.name, *(each for each in tables if each != protection.table.name)),
    )


def online_steps(
    dialect: Dialect, protection: Protection, objects: Sequence[DatabaseObject], installed: Installed
) -> list[Step]:
    """What takes long to make, such as an index: before all else, and without keeping anybody from writing."""
    return [
        _noting(dialect, protection, each)
        if _stands(protection, each)
        else Step(
            str(protection.table.name),
            (*each.create, *dialect.mark(each, __version__)),
            (f"{'replace' if each.identity in installed else 'create'} {each.kind} {each.name}",),
            (protection.table.name,),
            online=(*each.online, *dialect.mark(each, __version__)),
        )
        for each in objects
        if each.online and not is_current(each, installed.get(each.identity))
    ]


def _stands(protection: Protection, each: DatabaseObject) -> bool:
    """Whether an index of ours is over the right columns, although not by what it was noted as: they were renamed.

    Foreign keys may need it, so it cannot go and come again; one that has lost its marker stays if they do.
    """
    needed = {key.target_columns for key in protection.table.referenced_by}
    return each.kind == "index" and any(
        key.name == each.name
        and key.columns == each.columns
        and not key.partial
        and (key.ours or key.columns in needed)
        for key in protection.table.uniques
    )


def _noting(dialect: Dialect, protection: Protection, each: DatabaseObject) -> Step:
    return Step(
        str(protection.table.name),
        dialect.mark(each, __version__),
        (f"note {each.kind} {each.name}",),
        (protection.table.name,),
    )


def finishing_steps(
    dialect: Dialect, protection: Protection, objects: Sequence[DatabaseObject], installed: Installed
) -> list[Step]:
    """What completes what a table's step has begun, such as looking whether every row keeps a new constraint."""
    return [
        Step(
            str(protection.table.name),
            (*each.finish, *dialect.mark(each, __version__)),
            (f"validate {each.kind} {each.name}",),
            (protection.table.name,),
        )
        for each in objects
        if each.finish and not is_current(each, installed.get(each.identity))
    ]


def leaving_step(
    dialect: Dialect, protection: Protection, objects: Sequence[DatabaseObject], last: Iterable[str]
) -> Step:
    """Takes a table's triggers away, then their functions; ``last`` is what else its end asks for."""
    ordered = sorted(objects, key=drop_order)
    tables = sorted({each.table for each in ordered if each.table is not None} | set(protection.table.partitions))
    return Step(
        str(protection.table.name),
        (
            *dialect.lock_tables(tables, exclusive=True, milliseconds=LOCK_TIMEOUT),
            *dialect.batch([statement for each in ordered for statement in each.drop]),
            *dialect.batch(tuple(last)),
        ),
        tuple(f"drop {each.kind} {each.name}" for each in ordered),
        (protection.table.name,),
    )


def drop_columns_step(dialect: Dialect, protection: Protection, columns: Sequence[str], last: Iterable[str]) -> Step:
    table = protection.table.name
    return Step(
        str(table),
        (
            *dialect.lock_tables([table], exclusive=True, milliseconds=LOCK_TIMEOUT),
            *dialect.batch([statement for column in columns for statement in dialect.columns.drop(table, column)]),
            *dialect.batch(tuple(last)),
        ),
        tuple(f"drop column {column}, which holdfast had added" for column in columns),
        (table,),
    )


def left_over_step(dialect: Dialect, left_over: Iterable[InstalledObject]) -> Step:
    ordered = sorted(left_over, key=drop_order)
    return Step(
        "left over",
        dialect.batch([statement for each in ordered for statement in dialect.drop_installed(each)]),
        tuple(f"drop {each.kind} {each.name}" for each in ordered),
        tuple(each.table for each in ordered if each.table is not None),
    )


_DROP_ORDER = ("trigger", "policy", "foreign key", "index", "unique key")


def drop_order(each: DatabaseObject | InstalledObject) -> tuple[int, str]:
    """Triggers go before the functions that they call, references before the keys that they refer to."""
    return (_DROP_ORDER.index(each.kind) if each.kind in _DROP_ORDER else len(_DROP_ORDER)), each.name
